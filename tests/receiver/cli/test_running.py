"""The verbs that run something: watch in a pipe, and the simulator, whose words are a configuration."""

import os
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import httpx

from receiver.registry import vendor_names
from tests.receiver.cli.conftest import Run
from tests.support.api_stand_in import JOB_ID, TOKEN, StandIn, completed
from tests.support.command_line import clipbell
from tests.support.http_server import Reply
from tests.support.program import counting

CLIPBELL = str(Path(sys.executable).parent / "clipbell")
STREAM = b'event: job\ndata: {"id": "%s"}\n\nevent: delivery\ndata: {"id": "dlv_1"}\n\n' % JOB_ID.encode()


def test_watch_prints_a_line_for_each_change_in_a_pipe(server: StandIn, tmp_path: Path) -> None:
    server.lists["/v1/jobs"] = [completed()]
    server.single["GET", "/v1/stream"] = Reply(body=STREAM, headers={"content-type": "text/event-stream"})
    environ = {**counting(), "PATH": os.environ["PATH"], "CLIPBELL_API_TOKEN": TOKEN}
    command = [CLIPBELL, "watch", "--server", server.url]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environ, cwd=tmp_path, text=True)
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(2)]
    process.send_signal(signal.SIGINT)
    process.stdout.close()
    assert process.wait(20) == 130
    assert lines == [f"job {JOB_ID} completed vrex\n", "delivery dlv_1\n"]


def test_watch_ends_when_the_server_is_gone(server: StandIn, run: Run) -> None:
    server.lists["/v1/jobs"] = [completed()]
    server.single["GET", "/v1/stream"] = Reply(body=STREAM, headers={"content-length": "999"})
    assert run("watch").code == 3


def test_the_simulator_says_how_to_be_configured_and_ends_when_told(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [CLIPBELL, "simulate", "--port", "0", "--limits"], stdout=subprocess.PIPE, cwd=tmp_path, text=True, bufsize=1
    )
    assert process.stdout is not None
    lines: list[str] = []
    while not lines or not lines[-1].startswith("allow"):
        lines.append(process.stdout.readline())
    with httpx.Client(transport=httpx.HTTPTransport(retries=5), trust_env=False, verify=False) as client:
        url = lines[0].split()[5]
        assert client.get(f"{url}/control").status_code == 200
        calls = [client.get(f"{url}/vrex/api/v1/usage", headers={"authorization": "Bearer sk-x"}) for _ in range(11)]
        assert [call.status_code for call in calls] == [200] * 10 + [429]
    process.send_signal(signal.SIGTERM)
    process.stdout.close()
    assert process.wait(20) == 0
    said = tomllib.loads("".join(lines[2:]))
    assert set(said["vendors"]) == set(vendor_names())
    assert said["network"] == {"allow": ["127.0.0.0/8"]}


def test_a_port_that_is_taken_or_none_is_told_with_what_to_do(tmp_path: Path, server: StandIn) -> None:
    taken = server.url.rpartition(":")[2]
    ended = clipbell("simulate", "--port", taken, folder=tmp_path)
    text = f"127.0.0.1:{taken} cannot be listened at (Address already in use); choose another with --port N.\n"
    assert (ended.code, ended.out, ended.err) == (1, "", text)
    ended = clipbell("simulate", "--port", "65536", folder=tmp_path)
    assert ended.code == 2
    assert "--port" in ended.err
