"""The receivers of the fan-out benchmark, in a process of their own: note how old each event is when it arrives.

Usage: python -m tests.benchmarks.sink; prints its port. `/hang…` never answers, `/fail…` answers 500, any other path
200. At the end of its input it prints, for each path, the ages in milliseconds of the events that came there first.
"""

import asyncio
import json
import sys
import time
from collections import defaultdict
from datetime import datetime


class Sink:
    """Takes CloudEvents over kept or closed connections."""

    def __init__(self) -> None:
        self.ages: dict[str, list[float]] = defaultdict(list)
        self._seen: set[tuple[str, str]] = set()

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        try:
            while await self._answer(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # also at the end, when the hanging ones are cancelled: asyncio's streams would complain
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        path = head.split(" ")[1]
        length = next(int(line[15:]) for line in head.split("\r\n") if line.startswith("content-length:"))
        self._note(path, json.loads(await reader.readexactly(length))["data"])
        if path.startswith("/hang"):
            await asyncio.sleep(600)
            return False
        status = b"500 Broken" if path.startswith("/fail") else b"200 OK"
        writer.write(b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        await writer.drain()
        return False

    def _note(self, path: str, event: dict[str, str]) -> None:
        if (path, event["id"]) not in self._seen:
            self._seen.add((path, event["id"]))
            age = time.time() - datetime.fromisoformat(event["received_at"]).timestamp()
            self.ages[path].append(age * 1000)


async def main() -> None:
    """Serve until the input ends."""
    sink = Sink()
    server = await asyncio.start_server(sink.take, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    print(json.dumps(sink.ages), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
