import asyncio
from typing import Any

import pytest

from receiver.web.body import Disconnected, read_body
from schemas.errors import TooLarge


def read(*messages: dict[str, Any], limit: int = 10, length: bytes | None = None) -> tuple[bytes, int]:
    left = list(messages)

    async def receive() -> dict[str, Any]:
        return left.pop(0)

    headers = [(b"content-length", length)] if length is not None else []
    return asyncio.run(read_body(receive, headers, limit)), len(left)


def piece(body: bytes, more: bool = True) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


def test_a_body_is_read_to_its_end_and_no_further() -> None:
    assert read(piece(b"ab"), piece(b""), piece(b"cd", more=False), piece(b"next")) == (b"abcd", 1)
    assert read({"type": "http.request"}) == (b"", 0)


def test_a_body_may_be_exactly_as_large_as_the_limit() -> None:
    assert read(piece(b"0123456789", more=False), length=b"10") == (b"0123456789", 0)


@pytest.mark.parametrize("length", [b"11", b"99999999999999999999"])
def test_a_body_that_declares_too_much_is_refused_before_it_is_read(length: bytes) -> None:
    with pytest.raises(TooLarge) as caught:
        read(length=length)
    assert str(caught.value) == "The body is larger than 10B; send less."


@pytest.mark.parametrize("length", [None, b"3", b"nonsense"])
def test_a_body_that_is_larger_than_it_said_is_refused_when_it_passes_the_limit(length: bytes | None) -> None:
    with pytest.raises(TooLarge):
        read(piece(b"012345"), piece(b"67890"), length=length)


def test_a_client_that_goes_away_is_no_body() -> None:
    with pytest.raises(Disconnected):
        read(piece(b"half"), {"type": "http.disconnect"})
