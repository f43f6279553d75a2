"""A TCP server that sees bytes, not requests: it answers what a test wrote down and remembers what was said.

For what a well-behaved HTTP server cannot do: hang up at any moment, answer nonsense, count connections.
"""

import asyncio
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from socket import SO_LINGER, SOL_SOCKET


@dataclass
class Wire:
    """What to do with whoever connects, and what came of it."""

    #: Sent once a whole head has come.
    answer: bytes = b""
    #: Afterwards: close, reset, or hold (do nothing until the other side goes).
    end: str = "close"
    #: Do the end at once, without reading anything.
    at_once: bool = False
    host: str = "127.0.0.1"
    port: int = 0
    #: One entry for each connection: all that was read before the answer.
    said: list[bytes] = field(default_factory=list)
    _tasks: set["asyncio.Task[None] | None"] = field(default_factory=set)

    @property
    def url(self) -> str:
        """The address for plain http."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Deal with one connection."""
        self._tasks.add(asyncio.current_task())
        number = len(self.said)
        self.said.append(b"")
        try:
            await self._talk(number, reader, writer)
        finally:
            if self.end == "reset":
                writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
            writer.close()

    async def _talk(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            if not self.at_once:
                self.said[number] = await reader.readuntil(b"\r\n\r\n")
                writer.write(self.answer)
                await writer.drain()
            if self.end == "hold":
                await reader.read()

    async def left(self, within: float) -> None:
        """Wait until everybody who was held has gone; TimeoutError where somebody stays."""
        async with asyncio.timeout(within):
            await asyncio.gather(*(task for task in self._tasks if task is not None))

    async def stop(self) -> None:
        """End every connection that is still held."""
        for task in self._tasks:
            if task is not None:
                task.cancel()
        await asyncio.gather(*(task for task in self._tasks if task is not None), return_exceptions=True)


@asynccontextmanager
async def listening(
    answer: bytes = b"",
    *,
    end: str = "close",
    at_once: bool = False,
    host: str = "127.0.0.1",
    port: int = 0,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Wire]:
    """Listen for the length of a block."""
    wire = Wire(answer, end, at_once, host)
    server = await asyncio.start_server(wire.take, host, port, ssl=tls, reuse_address=True)
    wire.port = server.sockets[0].getsockname()[1]
    try:
        yield wire
    finally:
        server.close()
        await wire.stop()
        await server.wait_closed()


def answer(body: bytes = b"ok", status: int = 200, **headers: str) -> bytes:
    """A whole HTTP/1.1 answer as bytes; `_` in a header's name stands for a dash."""
    lines = [f"HTTP/1.1 {status} Said", f"content-length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body
