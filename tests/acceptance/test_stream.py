"""What changes is told at once to whoever follows the stream, by the real program; it ends with the server."""

import threading
from collections.abc import Iterator

import httpx
import pytest

from receiver.client import Changed, Clipbell
from tests.support.program import API_TOKEN, Program


@pytest.fixture
def heard(clipbell: Program) -> Iterator[list[Changed]]:
    """What a reader of a running server's stream has heard so far; at the end the server ends, and the stream too."""
    clipbell.start()
    found: list[Changed] = []
    with Clipbell(clipbell.url, token=API_TOKEN) as bell:

        def read() -> None:
            for changed in bell.stream():
                found.append(changed)  # noqa: PERF402 - each is to be seen at once

        reader = threading.Thread(target=read)
        reader.start()
        yield found
        assert clipbell.stop() == 0
        reader.join(5)
        assert not reader.is_alive()


def test_a_job_and_its_deliveries_are_told_as_they_change(clipbell: Program, heard: list[Changed]) -> None:
    # until the reader is there
    clipbell.eventually(lambda: heard or not clipbell.order(prompt="To begin with"), "anything to be told")
    job = clipbell.settled(clipbell.order()["id"])
    (delivery,) = clipbell.delivered(job["id"], "slack")
    wanted = {Changed(kind="job", id=job["id"]), Changed(kind="delivery", id=delivery["id"])}
    clipbell.eventually(lambda: wanted <= set(heard), "both to be told")


def test_nobody_follows_without_the_token(idle: Program) -> None:
    answer = httpx.get(f"{idle.url}/v1/stream", trust_env=False, verify=False)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
