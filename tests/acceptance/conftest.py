"""What acceptance tests share: a simulator, a Slack stand-in, and the program on a free port."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from receiver.simulator import RunningSimulator, SimulatorSettings
from tests.support.http_server import Reply, serving
from tests.support.http_server import Server as SlackStandIn
from tests.support.program import Program, program


@pytest.fixture
def vendors() -> Iterator[RunningSimulator]:
    """The simulated vendors, whose clips take a third of a second."""
    with RunningSimulator(SimulatorSettings(duration=0.3)) as simulator:
        yield simulator


@pytest.fixture
def slack() -> Iterator[SlackStandIn]:
    """A server that takes messages as Slack's incoming webhooks do."""
    with serving(Reply(body=b"ok")) as server:
        yield server


@pytest.fixture
def clipbell(tmp_path: Path, vendors: RunningSimulator, slack: SlackStandIn) -> Iterator[Program]:
    """The program, configured but not started: a downloader, Slack and the ledger file."""
    with program(tmp_path, vendors.base_urls, _free_port()) as made:
        made.handlers["slack"] = {"type": "slack", "url": f"{slack.url}/services/T0/B0/secret"}
        made.handlers["books"] = {"type": "ledger"}
        yield made


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
