"""What acceptance tests share: a simulator, a Slack stand-in, and the program on a free port."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from receiver.simulator import RunningSimulator, SimulatorSettings
from tests.support.http_server import Reply, closed_port, serving
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
    with program(tmp_path, vendors.base_urls, closed_port()) as made:
        _usual(made, slack)
        yield made


@pytest.fixture(scope="session")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """The program, started, for all tests that only ask and are refused: at its end nothing was ever ordered there."""
    with (
        RunningSimulator(SimulatorSettings(duration=0.3)) as simulator,
        serving(Reply(body=b"ok")) as slack,
        program(tmp_path_factory.mktemp("idle"), simulator.base_urls, closed_port()) as made,
    ):
        _usual(made, slack)
        made.start()
        yield made
        assert made.items("/v1/jobs") == []


def _usual(made: Program, slack: SlackStandIn) -> None:
    made.handlers["slack"] = {"type": "slack", "url": f"{slack.url}/services/T0/B0/secret"}
    made.handlers["books"] = {"type": "ledger"}
