"""SIGTERM ends the program with 0 at any time: while it starts, while it works, while somebody sends slowly."""

import signal
import socket
import subprocess
import threading
import time

import httpx
import pytest

from tests.support.http_server import Reply, Server, serving
from tests.support.program import CLIPBELL, Program

#: Stands in for a module that takes its time to load, and says when it began.
SLOW = "import time\nopen('loading', 'w').close()\ntime.sleep(2)\nraise SystemExit('it went on')\n"


@pytest.mark.parametrize("verb", ["serve", "work"])
def test_it_ends_with_0_while_it_is_still_loading(verb: str, clipbell: Program) -> None:
    clipbell.configure()
    (clipbell.folder / "sqlalchemy.py").write_text(SLOW)
    environ = {**clipbell.environment(), "PYTHONPATH": str(clipbell.folder)}
    process = subprocess.Popen([CLIPBELL, verb], cwd=clipbell.folder, env=environ, stderr=subprocess.PIPE, text=True)
    clipbell.eventually((clipbell.folder / "loading").exists, "it to load")
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")


def test_it_ends_with_0_while_the_database_is_opened(clipbell: Program) -> None:
    clipbell.begin()
    assert clipbell.process is not None
    clipbell.eventually((clipbell.folder / "clipbell.db.lock").exists, "the database to be opened")
    assert clipbell.stop() == 0


def test_it_ends_with_0_while_much_is_going_on(clipbell: Program, slack: Server) -> None:
    clipbell.start()
    ended = threading.Event()
    answers: list[int] = []

    def call() -> None:
        with httpx.Client(headers=clipbell.client.headers, trust_env=False, verify=False, timeout=30) as client:
            while not ended.is_set():
                try:
                    order = {"vendor": "vrex", "prompt": "A coast"}
                    answers.append(client.post(f"{clipbell.url}/v1/jobs", json=order).status_code)
                except httpx.TransportError:
                    return

    callers = [threading.Thread(target=call) for _ in range(4)]
    for caller in callers:
        caller.start()
    clipbell.eventually(lambda: len(answers) > 20, "some orders")
    code = clipbell.stop()
    ended.set()
    for caller in callers:
        caller.join()
    assert (code, set(answers)) == (0, {202})


def test_it_ends_with_0_beside_an_upload_that_stalls_and_a_handler_that_hangs(clipbell: Program) -> None:
    with serving(Reply(silent=True)) as hanging:
        clipbell.handlers["slack"] = {"type": "slack", "url": f"{hanging.url}/x"}
        clipbell.start()
        job = clipbell.settled(clipbell.order()["id"])
        clipbell.eventually(lambda: hanging.seen, "the handler to hang")
        with socket.create_connection(("127.0.0.1", clipbell.port)) as upload:
            head = f"POST /v1/jobs HTTP/1.1\r\nHost: a\r\nAuthorization: {clipbell.client.headers['authorization']}\r\n"
            upload.sendall(f"{head}Content-Length: 5000000\r\n\r\n{{".encode())
            time.sleep(0.5)
            began = time.monotonic()
            assert clipbell.stop() == 0
            assert time.monotonic() - began < 25
    assert clipbell.log().count("Traceback") == 0, job


def test_the_work_of_sqlite_waits_and_ends_with_0(clipbell: Program) -> None:
    clipbell.configure()
    process = subprocess.Popen(
        [CLIPBELL, "work"], cwd=clipbell.folder, env=clipbell.environment(), stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    assert "on SQLite clipbell serve does the work itself" in process.stderr.readline()
    time.sleep(0.5)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    process.stderr.close()
    assert process.wait(20) == 0
    assert not (clipbell.folder / "clipbell.db").exists()


def test_the_database_is_brought_to_this_versions_schema_and_that_said(clipbell: Program) -> None:
    clipbell.configure()
    for _ in range(2):
        ended = clipbell.command("migrate")
        assert (ended.returncode, ended.stderr) == (0, "")
        assert ended.stdout.startswith("The database has the schema of this version (")


def test_what_saves_no_clips_warns(clipbell: Program) -> None:
    clipbell.start()
    assert "nothing saves clips" not in clipbell.log()
    assert clipbell.stop() == 0
    del clipbell.handlers["files"]
    clipbell.start()
    assert "nothing saves clips: vendors delete them within hours; add a handler of type downloader" in clipbell.log()
