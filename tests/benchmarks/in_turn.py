"""A client that calls two servers in turn, a burst each, so that both meet the same moments of a noisy machine.

Usage: python -m tests.benchmarks.in_turn CONNECTIONS PORT REPEATS PORT REPEATS < lines of {"path", "body"}; each of
`BURSTS` parts of the lines goes to each port, REPEATS times over, as fast as answers come. Prints one JSON list: the
requests a second of each burst, a list for each port.
"""

import asyncio
import json
import sys
import time
from collections.abc import Iterator

from tests.benchmarks.load import post, request_of

BURSTS = 12
Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def burst(pairs: list[Pair], requests: list[bytes]) -> float:
    """Send all requests over these connections; answer how many a second were answered."""
    todo = iter(requests)
    began = time.perf_counter()
    await asyncio.gather(*(_worker(pair, todo) for pair in pairs))
    return len(requests) / (time.perf_counter() - began)


async def _worker(pair: Pair, todo: Iterator[bytes]) -> None:
    for request in todo:
        status = await post(*pair, request)
        assert 200 <= status < 300, status


async def main(connections: int, servers: list[tuple[int, int]]) -> None:
    """Take turns, and print how it went."""
    requests = [request_of(line) for line in sys.stdin]
    size = len(requests) // BURSTS
    parts = [requests[start : start + size] for start in range(0, size * BURSTS, size)]
    pairs = [[await asyncio.open_connection("127.0.0.1", port) for _ in range(connections)] for port, _ in servers]
    speeds: list[list[float]] = [[] for _ in servers]
    for part in parts:
        for found, own, (_, repeats) in zip(speeds, pairs, servers, strict=True):
            found.append(await burst(own, part * repeats))
    print(json.dumps(speeds))


if __name__ == "__main__":
    numbers = [int(each) for each in sys.argv[1:]]
    asyncio.run(main(numbers[0], list(zip(numbers[1::2], numbers[2::2], strict=True))))
