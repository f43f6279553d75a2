"""The pages that teach to write a plug-in, followed to the letter from nothing: a fresh environment, an empty folder.

The handler's page and the vendor's are each done as a reader would: their files are written, their commands typed in a
shell. Then the installed program runs with both: a clip is ordered from the one, told through the other.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.support import pages
from tests.support.clips import mp4
from tests.support.http_server import Reply, Seen, Server, closed_port, serving
from tests.support.packages import copy_sources
from tests.support.waiting import eventually

ROOT = Path(__file__).parent.parent
HANDLER, VENDOR = ((ROOT / room / "README.md").read_text("utf-8") for room in ("handlers", "schemas"))
KEY = "sk-0123456789abcdef"
pytestmark = [pytest.mark.package, pytest.mark.timeout(1800)]


@dataclass(frozen=True)
class Desk:
    """A reader's folders: one for each page, and one in which the program runs; what each page's check did."""

    folder: Path
    checked: Mapping[str, str]
    #: What the checks left behind.
    traces: tuple[Path, ...]

    def shell(self, text: str, folder: str) -> subprocess.CompletedProcess[str]:
        """Type commands in one of the folders, in the environment that the pages made."""
        activate = f". {self.folder}/acme/.venv/bin/activate\n"
        return shell(activate + text, self.folder / folder)


def shell(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    dropped = ("PYTHON", "VIRTUAL_ENV", "CLIPBELL_", "PYTEST", "COVERAGE", "DATABASE_URL", "PORT")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    environ |= {"PATH": f"{folder.parent}/bin:{os.environ['PATH']}", "PIP_CONSTRAINT": str(ROOT / "constraints.txt")}
    environ |= {"PIP_QUIET": "1", "COLUMNS": "100"}
    script = ["bash", "-eu", "-o", "pipefail", "-c", text]
    return subprocess.run(script, cwd=folder, env=environ, capture_output=True, text=True, check=False, timeout=900)


def typed(text: str, folder: Path) -> str:
    """What commands that have to work print."""
    done = shell(text, folder)
    assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    folder = tmp_path_factory.mktemp("desk")
    clipbell = folder / "sources"
    copy_sources(clipbell)
    (folder / "bin").mkdir()
    python = folder / "bin" / "python3"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    checked = {}
    for name, page in (("acme", VENDOR), ("ntfy", HANDLER)):
        (folder / name).mkdir()
        first, second, *_ = pages.commands(page)
        if name != "acme":
            # the environment is the first page's, so that both plug-ins stand beside each other
            (folder / name / ".venv").symlink_to(folder / "acme" / ".venv")
            first = first.replace("python3 -m venv .venv\n", "")
        typed(first.replace("/path/to/clipbell", str(clipbell)), folder / name)
        pages.write(page, folder / name)
        checked[name] = typed(f". .venv/bin/activate\n{second}", folder / name)
    shutil.rmtree(clipbell)
    return Desk(folder, checked, tuple(folder.rglob(".hypothesis")))


def test_both_pages_end_with_every_promise_kept(desk: Desk) -> None:
    assert desk.checked["ntfy"].startswith("Handler type ntfy: 28 promises\n")
    assert desk.checked["acme"].startswith("Vendor acme: 33 promises\n")
    assert {text.splitlines()[-1] for text in desk.checked.values()} == {"Every promise holds."}
    assert desk.traces == ()


def test_the_pages_own_tests_pass(desk: Desk) -> None:
    typed_pip = desk.shell("pip install pytest", "ntfy")
    assert typed_pip.returncode == 0, typed_pip.stderr
    for name, count in (("ntfy", 28), ("acme", 33)):
        done = desk.shell("python -m pytest -q -p no:cacheprovider", name)
        assert f"{count} passed" in done.stdout, done.stdout


# --- the program with both ----------------------------------------------------------------------------------


class Acme:
    """The vendor of the page: takes an order, makes its clip in no time, and calls back once."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.orders: list[dict[str, object]] = []
        self.calls: list[threading.Timer] = []

    def answer(self, seen: Seen) -> Reply:
        """What the vendor answers."""
        if seen.path == "/a1.mp4":
            return Reply(200, mp4(), {"content-type": "video/mp4"})
        if seen.headers.get("authorization") != f"Bearer {KEY}":
            return Reply(401, b'{"error": "no_key"}')
        if (seen.method, seen.path) == ("POST", "/videos"):
            return self._take(json.loads(seen.body))
        if seen.path == "/videos/a1":
            return Reply(200, json.dumps({"id": "a1", "state": "running"}).encode())
        return Reply(404, b"{}")

    def _take(self, order: dict[str, object]) -> Reply:
        self.orders.append(order)
        self.calls.append(threading.Timer(0.5, self._call_back, (str(order["callback_url"]),)))
        self.calls[-1].start()
        return Reply(200, b'{"id": "a1", "credits": 30}')

    def _call_back(self, url: str) -> None:
        body = {"id": "a1", "state": "done", "url": f"{self.server.url}/a1.mp4", "credits": 30}
        assert httpx.post(url, json=body, trust_env=False, verify=False).status_code == 200


@pytest.fixture
def acme() -> Iterator[Acme]:
    with serving() as server:
        vendor = Acme(server)
        server.answer(vendor.answer)
        yield vendor
        for call in vendor.calls:
            call.join()


@pytest.fixture
def topic() -> Iterator[Server]:
    with serving(Reply(200, b"ok")) as server:
        yield server


@pytest.fixture
def home(desk: Desk, acme: Acme, topic: Server) -> str:
    """A folder with the configuration that init writes, and what the pages add to it; the server's address."""
    folder = desk.folder / "home"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    assert desk.shell("clipbell init", "home").returncode == 0
    port = closed_port()
    text = (folder / "clipbell.toml").read_text("utf-8").replace("127.0.0.1:8000", f"127.0.0.1:{port}")
    handler = pages.settings(HANDLER).replace("https://ntfy.sh", topic.url)
    vendor = f'{pages.settings(VENDOR).replace("sk-…", KEY)}base_url = "{acme.server.url}"\n'
    more = f'[network]\nallow = ["127.0.0.0/8"]\n\n{vendor}\n{handler}'
    (folder / "clipbell.toml").write_text(f'public_url = "http://127.0.0.1:{port}"\n{text}\n{more}', "utf-8")
    return f"http://127.0.0.1:{port}"


@pytest.fixture
def served(desk: Desk, home: str) -> Iterator[str]:
    """The installed program, running; its address."""
    program = str(desk.folder / "acme" / ".venv" / "bin" / "clipbell")
    with (desk.folder / "home" / "serve.log").open("ab") as log:
        process = subprocess.Popen([program, "serve"], cwd=desk.folder / "home", stdout=log, stderr=log)
    try:
        eventually(lambda: _answers(home), "the server to answer", seconds=60)
        yield home
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", trust_env=False, verify=False).status_code == 200
    except httpx.HTTPError:
        return False


def test_a_clip_is_ordered_from_the_vendor_and_told_through_the_handler(
    desk: Desk, served: str, acme: Acme, topic: Server
) -> None:
    listed, ordered = pages.commands(HANDLER)[2], pages.commands(VENDOR)[2]

    done = desk.shell(listed, "home")
    assert done.returncode == 0, done.stderr
    assert re.search(r"^phone +ntfy +unused", done.stdout, re.MULTILINE)
    assert done.stdout.splitlines()[-2:] == ["phone  done", "  it answered: ok"]
    [sample] = topic.seen
    assert (sample.method, sample.path, sample.headers["priority"]) == ("POST", "/my-secret-topic", "4")
    assert b"This is a test from clipbell" in sample.body

    done = desk.shell(ordered, "home")
    assert done.returncode == 0, done.stderr
    assert "Acme (acme)" in done.stdout
    assert "https://docs.acme.example/videos" in done.stdout
    [order] = acme.orders
    callback = str(order.pop("callback_url"))
    assert order == {"prompt": "A cat rides a bicycle", "model": "acme-1", "duration": 6}
    assert callback.startswith(f"{served}/callbacks/acme/job_")

    eventually(lambda: len(topic.seen) > 1, "the handler to be told", seconds=30)
    assert topic.seen[1].body.decode().startswith("Ready: 'A cat rides a bicycle' · Acme · 6 s · 30 credits")
    clips = desk.folder / "home" / "clips" / "acme"
    eventually(lambda: any(clips.glob("*.mp4")), "the clip to be saved", seconds=30)
    [saved] = clips.glob("*.mp4")
    assert saved.read_bytes() == mp4()
    [job] = json.loads(desk.shell("clipbell jobs --json", "home").stdout)
    assert (job["state"], job["settled_by"]) == ("completed", "callback")
    assert job["cost"] == {"amount": "30", "unit": "credits"}


def test_a_plug_in_that_cannot_be_used_stops_the_start_in_one_sentence(desk: Desk, home: str) -> None:
    module = desk.folder / "ntfy" / "clipbell_ntfy.py"
    whole = module.read_text("utf-8")
    ways = {
        whole.replace("HANDLER = HandlerType(", "THING = HandlerType("): "lacks the constant HANDLER, which makes it a",
        whole.replace('name="ntfy"', 'name="gotify"'): 'its HANDLER is named "gotify"; it must be named "ntfy" as here',
        f"import gotify\n{whole}": "needs the module gotify, which is not installed; install what it depends on, or",
        f"{whole}\nHANDLER = 1\n": "its HANDLER is a int; it must be a HandlerType",
        f"{whole}\n1 / 0\n": "cannot be imported: ZeroDivisionError: division by zero; mend or uninstall it",
    }
    try:
        for text, said in ways.items():
            module.write_text(text, "utf-8")
            done = desk.shell("clipbell serve", "home")
            head, *problems = done.stderr.splitlines()
            assert (done.returncode, done.stdout, head) == (2, "", "The configuration cannot be used:")
            assert problems[0].startswith(f"  entry point ntfy of clipbell-ntfy: {said}")
            assert len(problems) == 1
    finally:
        module.write_text(whole, "utf-8")
