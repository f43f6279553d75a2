"""The client as a package of its own: what importing it brings along, and whose token it takes."""

import subprocess
import sys
from pathlib import Path

import pytest

from receiver.client import Clipbell, NoToken

HEAVY = ("httpx", "asyncio", "pydantic", "starlette", "sqlalchemy", "rich", "schemas", "handlers")


def _run(code: str, folder: Path) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_it_brings_nothing_heavy_and_nothing_of_ours(tmp_path: Path) -> None:
    code = f"import sys, clipbell; print(sorted(set(sys.modules) & set({HEAVY!r})))"
    assert _run(code, tmp_path) == "[]\n"


def test_the_import_of_something_heavy_would_be_seen(tmp_path: Path) -> None:
    code = f"import sys, clipbell, httpx; print('httpx' in set(sys.modules) & set({HEAVY!r}))"
    assert _run(code, tmp_path) == "True\n"


def test_a_users_own_schemas_does_not_break_it(tmp_path: Path) -> None:
    for name in ("schemas", "handlers", "receiver"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('not yours to import')\n")
    code = "from clipbell import Clipbell; c = Clipbell(token='t' * 24); print(c); c.close()"
    assert _run(code, tmp_path) == "Clipbell('http://127.0.0.1:8000')\n"


def test_without_a_token_it_says_where_to_give_one() -> None:
    with pytest.raises(NoToken, match="CLIPBELL_API_TOKEN"):
        Clipbell()


def test_the_token_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIPBELL_API_TOKEN", "from-the-environment-0123")
    with Clipbell() as bell:
        assert "from-the-environment" not in repr(bell)


@pytest.mark.parametrize("token", ["k" * 24 + "ü", "k" * 24 + "\n"])
def test_a_token_that_no_header_can_carry_is_refused_without_being_shown(token: str) -> None:
    with pytest.raises(NoToken, match="must be one line of ASCII") as caught:
        Clipbell(token=token)
    assert (caught.value.code, "kkk" in str(caught.value)) == ("no_token", False)
