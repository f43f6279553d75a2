"""A stand-in of the API for each test, and a client of it."""

from collections.abc import Iterator

import pytest

from receiver.client import Clipbell
from tests.support.api_stand_in import TOKEN, StandIn, api_stand_in


@pytest.fixture
def server() -> Iterator[StandIn]:
    with api_stand_in() as made:
        yield made


@pytest.fixture
def bell(server: StandIn) -> Iterator[Clipbell]:
    with Clipbell(server.url, token=TOKEN) as made:
        yield made
