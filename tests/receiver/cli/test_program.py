"""The command line as a program: quick help with every verb in it, pipes that close, the keyboard's interrupt."""

import os
import resource
import signal
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from receiver.cli.verb import SECTIONS, address_of
from tests.support.api_stand_in import JOB_ID, TOKEN, StandIn, job
from tests.support.command_line import clipbell
from tests.support.program import SECRET_KEY, counting

CLIPBELL = str(Path(sys.executable).parent / "clipbell")
MOST_SECONDS = 0.4
HEAVY = ("rich", "httpx", "pydantic", "sqlalchemy", "starlette", "uvicorn", "asyncio", "schemas", "handlers")


def test_help_names_every_verb_in_its_group(tmp_path: Path) -> None:
    out = clipbell("--help", folder=tmp_path).out
    for title, names in SECTIONS.items():
        section = out[out.index(f"\n{title}:") :]
        assert [line.split()[0] for line in section.splitlines()[2 : 2 + len(names)]] == list(names)
    assert "..." not in out.partition("Start:")[2], "a short help is cut"


def test_every_verb_is_in_the_help(tmp_path: Path) -> None:
    from receiver.cli.verbs import app

    verbs = {command.name for command in app.registered_commands}
    assert verbs == {name for names in SECTIONS.values() for name in names}


@pytest.mark.parametrize("name", [name for names in SECTIONS.values() for name in names])
def test_every_verb_has_help(tmp_path: Path, name: str) -> None:
    ended = clipbell(name, "--help", folder=tmp_path)
    assert ended.code == 0
    assert f"Usage: clipbell {name} " in ended.out


def test_help_is_quick(tmp_path: Path) -> None:
    """Its processor time, which others on the machine stretch less than the clock's (0.14 s both on a quiet one)."""
    taken = []
    for _ in range(7):
        began = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([CLIPBELL, "--help"], cwd=tmp_path, stdout=subprocess.DEVNULL, check=True)
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        taken.append(ended.ru_utime - began.ru_utime + ended.ru_stime - began.ru_stime)
    print(f"clipbell --help: median {statistics.median(taken) * 1000:.0f} ms of 7, Python's start included")
    assert min(taken) < MOST_SECONDS


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys; from receiver.cli import main; sys.argv = ['clipbell', '--help']\n"
        f"try: main()\nexcept SystemExit: print('heavy:', sorted(set(sys.modules) & set({HEAVY!r})))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "heavy: []"


def test_asking_a_server_loads_no_database(server: StandIn, tmp_path: Path) -> None:
    port = server.url.rpartition(":")[2]
    top = f'listen = "127.0.0.1:{port}"\napi_token = "{TOKEN}"\nsecret_keys = ["{SECRET_KEY}"]\n'
    (tmp_path / "clipbell.toml").write_text(top)
    server.lists["/v1/jobs"] = [job()]
    code = (
        "import sys; from receiver.cli import main; sys.argv = ['clipbell', 'jobs']\n"
        "try: main()\nfinally: print('heavy:', sorted(set(sys.modules) & {'sqlalchemy', 'alembic', 'starlette'}))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stdout.splitlines()[-1], done.returncode) == ("heavy: []", 0), done.stderr


def test_a_reader_that_goes_away_is_no_trouble(server: StandIn, tmp_path: Path) -> None:
    server.lists["/v1/jobs"] = [job(id=f"job_{n}", prompt="x" * 900) for n in range(200)]
    environ = {**counting(), "PATH": os.environ["PATH"], "CLIPBELL_API_TOKEN": TOKEN}
    command = [CLIPBELL, "jobs", "--json", "--limit", "200", "--server", server.url]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ, cwd=tmp_path)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.read(1)
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    process.wait(20)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("words", ["--help", "--version", "init"])
def test_closed_streams_change_nothing_but_what_is_seen(tmp_path: Path, closed: str, words: str) -> None:
    environ = {**counting(), "PATH": os.environ["PATH"]}
    line = f'"{CLIPBELL}" {words} {closed}'
    done = subprocess.run(["sh", "-c", line], capture_output=True, env=environ, cwd=tmp_path, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert bool(done.stdout) == (">&-" not in closed.split())


def test_a_verb_that_asks_the_server_works_with_its_output_closed(server: StandIn, tmp_path: Path) -> None:
    server.lists["/v1/jobs"] = [job()]
    environ = {**counting(), "PATH": os.environ["PATH"], "CLIPBELL_API_TOKEN": TOKEN}
    line = f'"{CLIPBELL}" jobs --server {server.url} >&-'
    done = subprocess.run(["sh", "-c", line], capture_output=True, env=environ, cwd=tmp_path, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_ctrl_c_while_the_verbs_are_still_loaded_is_quiet(tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text("import sys, time\nprint('loading', flush=True)\ntime.sleep(60)\n")
    environ = {**counting(), "PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path)}
    process = subprocess.Popen(
        [CLIPBELL, "jobs"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ, cwd=tmp_path, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "loading\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (130, "")


def test_ctrl_c_ends_a_wait_quietly(server: StandIn, tmp_path: Path) -> None:
    server.says("POST", "/v1/jobs", job(), 202)
    server.lists["/v1/jobs"] = [job()]
    environ = {**counting(), "PATH": os.environ["PATH"], "CLIPBELL_API_TOKEN": TOKEN}
    command = [CLIPBELL, "submit", "vrex", "x", "--wait", "--server", server.url]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ, cwd=tmp_path, text=True
    )
    assert process.stderr is not None
    assert process.stderr.readline().endswith(" running\n")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err.strip() == f"It goes on without you. See: clipbell job {JOB_ID}"


@pytest.mark.parametrize(
    ("listen", "url"),
    [
        (("127.0.0.1", 8000), "http://127.0.0.1:8000"),
        (("0.0.0.0", 80), "http://127.0.0.1:80"),
        (("::", 8000), "http://[::1]:8000"),
        (("hooks.lan", 8000), "http://hooks.lan:8000"),
    ],
)
def test_a_server_is_reached_where_it_listens(listen: tuple[str, int], url: str) -> None:
    assert address_of(*listen) == url
