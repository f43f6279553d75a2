"""One running simulator for all tests of this folder, empty at the start of each; clients of the five vendors."""

from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from receiver.simulator import RunningSimulator
from tests.support.http_server import Server, serving

HEADERS = {
    "vrex": {"Authorization": "Bearer sk-test"},
    "aivideoapi": {"Authorization": "Bearer sk-test"},
    "ulazai": {"Authorization": "Token test-key"},
    "artnex": {"Authorization": "Bearer test-key"},
    "veo3gen": {"X-API-Key": "veo3_test"},
}


@pytest.fixture(scope="session")
def running() -> Iterator[RunningSimulator]:
    with RunningSimulator() as simulator:
        yield simulator


@pytest.fixture
def sim(running: RunningSimulator) -> RunningSimulator:
    running.control.reset()
    return running


def client_of(vendor: str, sim: RunningSimulator) -> httpx.Client:
    url, headers = sim.base_urls[vendor], HEADERS[vendor]
    # nothing here speaks TLS, and a context that checks certificates takes its time to make
    return httpx.Client(base_url=url, headers=headers, trust_env=False, verify=False, timeout=10)


@pytest.fixture(scope="session")
def clients(running: RunningSimulator) -> Iterator[dict[str, httpx.Client]]:
    with ExitStack() as stack:
        yield {vendor: stack.enter_context(client_of(vendor, running)) for vendor in HEADERS}


@pytest.fixture
def vrex(sim: RunningSimulator, clients: dict[str, httpx.Client]) -> httpx.Client:
    return clients["vrex"]


@pytest.fixture
def aivideoapi(sim: RunningSimulator, clients: dict[str, httpx.Client]) -> httpx.Client:
    return clients["aivideoapi"]


@pytest.fixture
def ulazai(sim: RunningSimulator, clients: dict[str, httpx.Client]) -> httpx.Client:
    return clients["ulazai"]


@pytest.fixture
def artnex(sim: RunningSimulator, clients: dict[str, httpx.Client]) -> httpx.Client:
    return clients["artnex"]


@pytest.fixture
def veo3gen(sim: RunningSimulator, clients: dict[str, httpx.Client]) -> httpx.Client:
    return clients["veo3gen"]


@pytest.fixture
def hook() -> Iterator[Server]:
    """A receiver of callbacks that answers 200 unless told otherwise."""
    with serving() as server:
        yield server
