"""A first configuration: private, fresh, never over another, and one that loads."""

import re
from pathlib import Path

from receiver.registry import handler_type_names, vendor_names
from receiver.settings import load
from tests.support.command_line import clipbell


def test_init_writes_a_configuration_that_only_its_owner_reads_and_that_loads(tmp_path: Path) -> None:
    ended = clipbell("init", folder=tmp_path)
    assert (ended.code, ended.err) == (0, "")
    path = tmp_path / "clipbell.toml"
    assert path.stat().st_mode & 0o777 == 0o600
    settings = load(path, {})
    assert (settings.listen, dict(settings.accounts)) == (("127.0.0.1", 8000), {})
    assert [handler.type.name for handler in settings.handlers.values()] == ["downloader"]
    assert len(settings.api_token.get_secret_value()) >= 24
    assert settings.api_token.get_secret_value() not in ended.out


def test_the_next_step_after_init_finds_the_file_that_was_written(tmp_path: Path) -> None:
    assert "then run `clipbell serve`.\n" in clipbell("init", folder=tmp_path).out
    ended = clipbell("--config", "my own.toml", "init", folder=tmp_path)
    assert "then run `clipbell serve --config 'my own.toml'`.\n" in ended.out


def test_the_secrets_are_fresh_every_time(tmp_path: Path) -> None:
    for name in ("a.toml", "b.toml"):
        assert clipbell("init", "--config", name, folder=tmp_path).code == 0
    one, other = (load(tmp_path / name, {}) for name in ("a.toml", "b.toml"))
    assert one.api_token != other.api_token
    assert one.secret_keys != other.secret_keys


def test_a_configuration_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "clipbell.toml").write_text("mine")
    ended = clipbell("init", folder=tmp_path)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err == (
        "clipbell.toml exists already and is left as it is; move it away first, or use --config OTHER.\n"
    )
    assert (tmp_path / "clipbell.toml").read_text() == "mine"


def test_every_example_in_it_loads_once_the_hash_is_taken_away(tmp_path: Path) -> None:
    path = tmp_path / "clipbell.toml"
    clipbell("init", folder=tmp_path)
    text = re.sub(r"^# (?=\[|[a-z_]+ = )", "", path.read_text(), flags=re.MULTILINE)
    path.write_text(text.replace("whsec_…", "whsec_" + "a" * 32).replace("…", "x"))
    settings = load(path, {})
    assert set(settings.accounts) == set(vendor_names())
    assert {handler.type.name for handler in settings.handlers.values()} <= set(handler_type_names())
    assert settings.public_url == "https://hooks.example.com"
