"""The client of the benchmarks, in a process of its own: posts bodies over kept connections and times each answer.

Usage: python -m tests.benchmarks.load PORT CONNECTIONS RATE < lines of {"path", "body"}; prints one JSON object. The
requests are sent at that pace (open loop). Raw sockets, since an HTTP library would be the slowest part.
"""

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Iterator

from tests.benchmarks.steady import p99


async def post(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> int:
    """Send one request and read its whole answer; answer its status."""
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    status = int(head[9:12])
    length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
    if length:
        await reader.readexactly(length)
    return status


def request_of(line: str) -> bytes:
    """Turn a line of the input into the bytes of a request."""
    wanted = json.loads(line)
    body: bytes = wanted["body"].encode()
    head = f"POST {wanted['path']} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


#: A call's status, when it began on the system's monotonic clock, and how many seconds it took.
Call = tuple[int, float, float]


async def worker(port: int, todo: Iterator[tuple[float, bytes]], began: float, seen: list[Call]) -> None:
    """Send what is due, one after another, on one connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for due, request in todo:
        wait = began + due - time.perf_counter()
        if wait > 0:
            await asyncio.sleep(wait)
        start = time.perf_counter()
        status = await post(reader, writer, request)
        seen.append((status, start, time.perf_counter() - start))
    writer.close()


async def main(port: int, connections: int, rate: float) -> None:
    """Post everything, and print how it went."""
    requests = [request_of(line) for line in sys.stdin]
    todo = ((number / rate, request) for number, request in enumerate(requests))
    seen: list[Call] = []
    began = time.perf_counter()
    await asyncio.gather(*(worker(port, todo, began, seen) for _ in range(connections)))
    seconds = time.perf_counter() - began
    times = [took * 1000 for _, _, took in seen]
    print(
        json.dumps(
            {
                "not_2xx": sum(not 200 <= status < 300 for status, _, _ in seen),
                "per_second": len(seen) / seconds,
                "p50_ms": statistics.median(times),
                "p99_ms": p99(times),
                "calls": [(start, took) for _, start, took in seen],
            }
        )
    )


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
