"""The stream of changes by itself, over a store that says what changed when a test wants it."""

import asyncio
from collections.abc import Callable
from typing import Any

from starlette.requests import Request

from receiver.store.protocol import Changed
from receiver.web.stream import MOST_WAITING, Stream


class Saying:
    """Says what changed; nothing else of a store is asked for here."""

    def __init__(self) -> None:
        self.hearers: list[Callable[[Changed], None]] = []

    def subscribe(self, hear: Callable[[Changed], None]) -> Callable[[], None]:
        self.hearers.append(hear)
        return lambda: self.hearers.remove(hear)

    def say(self, *jobs: str) -> None:
        for hear in self.hearers:
            hear(Changed(jobs=frozenset(jobs)))


class Reader:
    """A client that takes what it is sent only while it may."""

    def __init__(self, saying: Any) -> None:
        self.may = asyncio.Event()
        self.got: list[bytes] = []
        self.gone = asyncio.Event()
        self._stream = Stream(saying)

    async def read(self) -> None:
        scope: dict[str, Any] = {"type": "http", "method": "GET", "path": "/v1/stream", "headers": []}
        response = await self._stream.stream(Request(scope))
        await response(scope, self._receive, self._send)

    async def _receive(self) -> dict[str, Any]:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        await self.may.wait()
        self.got.append(message.get("body", b""))


async def until(is_so: Callable[[], bool]) -> None:
    """Wait for what is about to happen. Raises: TimeoutError."""
    async with asyncio.timeout(5):
        while not is_so():
            await asyncio.sleep(0.01)


def _waiting() -> set[str]:
    return {getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks()}


async def listening() -> tuple[Saying, Reader, asyncio.Task[None]]:
    """A reader that is there already, and reads."""
    saying = Saying()
    reader = Reader(saying)
    reading = asyncio.create_task(reader.read())
    reader.may.set()
    await until(lambda: bool(saying.hearers))
    return saying, reader, reading


def test_a_reader_that_is_too_slow_is_sent_off_to_read_everything_again_instead_of_missing_some() -> None:
    async def told() -> None:
        saying, reader, reading = await listening()
        reader.may.clear()
        for number in range(MOST_WAITING + 2):
            saying.say(f"job_{number}")
        await asyncio.sleep(0)
        reader.may.set()
        await asyncio.wait_for(reading, 5)
        assert saying.hearers == []

    asyncio.run(told())


def test_a_reader_that_keeps_up_is_not_sent_off_and_one_that_goes_away_leaves_nothing_behind() -> None:
    async def told() -> None:
        saying, reader, reading = await listening()
        for number in range(MOST_WAITING + 2):
            saying.say(f"job_{number}")
            await asyncio.sleep(0)
        await until(lambda: f"job_{number}".encode() in b"".join(reader.got))
        assert not reading.done()
        reader.gone.set()
        await asyncio.wait_for(reading, 5)
        assert saying.hearers == []
        # what may be left is the library's own watch of the server, one for each loop
        await until(lambda: not _waiting() & {"Queue.get", "Event.wait"})

    asyncio.run(told())
