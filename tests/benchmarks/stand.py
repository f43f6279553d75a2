"""The other side of the callbacks' benchmark, in a process of its own: takes any message, gives a clip for any GET.

Usage: python -m tests.benchmarks.stand; prints its port and serves until SIGTERM. As light as can be, since it stands
for computers elsewhere and must not take this one's processors from what is measured.
"""

import asyncio
from pathlib import Path
from typing import cast

import httptools
import uvloop

CLIP = next(Path("receiver/simulator/clips").glob("*.mp4")).read_bytes()
OK = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nok"
FILE = b"HTTP/1.1 200 OK\r\ncontent-type: video/mp4\r\ncontent-length: %d\r\n\r\n" % len(CLIP) + CLIP


class Stand(asyncio.Protocol):
    """One connection, kept open."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to read."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own is no subclass
        self._parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        """Feed the parser."""
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        """Answer a whole request."""
        self._transport.write(FILE if self._parser.get_method() == b"GET" else OK)


async def main() -> None:
    """Serve."""
    server = await asyncio.get_running_loop().create_server(Stand, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
