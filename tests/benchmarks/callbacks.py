"""Callbacks acknowledged per second, as a ratio to a bare Starlette application; and their p99 while deliveries run.

Usage: python -m tests.benchmarks.callbacks [ROUNDS]. One server process (`clipbell serve`), the client in a second
one. Each callback: token, parse, settle, event, four deliveries, a ledger line, FULL commit on SQLite, then the 200.
For the ratio both servers run, and the client calls them in turn, a burst each: a machine that is twice as slow for a
second is so to both.
"""

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from receiver import clock
from receiver.store.opening import open_store
from receiver.tokens import Tokens
from schemas.job import Job, JobState
from tests.benchmarks.cores import alone, keep_apart
from tests.benchmarks.steady import Tail, tail_of, tails_told, watched
from tests.support.http_server import closed_port
from tests.support.program import SECRET_KEY, Program, program

JOBS = 6000
#: Connections that call at once. Vendors do not wait for one another: when more come than are acknowledged their calls
#: pile up, and a group takes this many. Fewer show what a client gets that waits for its answers.
CONNECTIONS = (256, 128, 64)
#: Connections of the calls at a pace.
PACED_CONNECTIONS = 64
#: How many times as many requests the bare application gets, so that its bursts last about as long.
BARE_REPEATS = 4
#: Calls at a pace, how many a second, and how often all of them are made.
PACED, RATE, PACED_ROUNDS = 2000, 200, 5


@dataclass(frozen=True)
class Stand:
    """Where messages and downloads go."""

    port: int


@dataclass(frozen=True)
class Paced:
    """A round of calls at a pace: our tail, our figures, the yardstick's."""

    tail: Tail
    ours: dict[str, Any]
    bare: dict[str, Any]


@contextmanager
def module(name: str, *, measured: bool = True) -> Iterator[int]:
    """Run a server of the benchmarks in a process of its own; gives its port."""
    command = [sys.executable, "-m", f"tests.benchmarks.{name}"]
    process = subprocess.Popen(alone(command) if measured else command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait()


@contextmanager
def others() -> Iterator[Stand]:
    """A server that takes messages and gives clips."""
    with module("stand", measured=False) as port:
        yield Stand(port)


async def lay_out(folder: Path, count: int, stand: Stand) -> str:
    """Put running jobs into a new database; answer the client's input."""
    store = await open_store(f"sqlite:///{folder}/clipbell.db")
    tokens = Tokens([SECRET_KEY])
    lines, now = [], clock.micros()
    for number in range(count):
        job = Job(clock.new_id("job_"), "vrex", "vrex", JobState.RUNNING, now, vendor_job_id=f"vg_{number}", prompt="A")
        await store.place(job, b"{}") if number % 500 == 0 else asyncio.ensure_future(store.place(job, b"{}"))
        body = {
            "event": "video.completed",
            "video_gen_id": f"vg_{number}",
            "video_url": f"http://127.0.0.1:{stand.port}/{number}.mp4",
            "duration_sec": 8,
            "actual_cost_usd": 0.136,
            "timestamp": "2025-01-01T12:01:15.000Z",
        }
        lines.append(json.dumps({"path": tokens.path("vrex", job.id), "body": json.dumps(body)}))
    await store.check()
    await store.close()
    return "\n".join(lines)


def load(port: int, lines: str, *, rate: int) -> dict[str, Any]:
    """Run the client at a pace."""
    arguments = [sys.executable, "-m", "tests.benchmarks.load", str(port), str(PACED_CONNECTIONS), str(rate)]
    done = subprocess.run(arguments, input=lines, capture_output=True, text=True, check=True, timeout=300)
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["not_2xx"] == 0, found
    assert found["per_second"] > 0.9 * rate, "the pace was not kept"
    return found


@contextmanager
def clipbell(stand: Stand, *, count: int, work: bool) -> Iterator[tuple[Program, str]]:
    """Our server with so many running jobs; gives it and the client's input."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = asyncio.run(lay_out(folder, count, stand))
        with program(folder, {"vrex": "http://127.0.0.1:9"}, closed_port()) as server:
            _configure(server, stand)
            server.start(*([] if work else ["--no-work"]))
            yield server, lines


def _configure(server: Program, stand: Stand) -> None:
    server.handlers = {
        "files": {"type": "downloader", "target": "clips"},
        "team": {"type": "slack", "url": f"http://127.0.0.1:{stand.port}/a"},
        "boss": {"type": "slack", "url": f"http://127.0.0.1:{stand.port}/b"},
        "books": {"type": "ledger"},
    }
    server.serve = alone(server.serve)


def in_turn(lines: str, connections: int, ours: int, yardstick: int) -> list[tuple[float, float]]:
    """Requests a second of each of our bursts, and of the yardstick's next to it."""
    arguments = [connections, ours, 1, yardstick, BARE_REPEATS]
    client = [sys.executable, "-m", "tests.benchmarks.in_turn", *map(str, arguments)]
    done = subprocess.run(client, input=lines, capture_output=True, text=True, check=True, timeout=300)
    return list(zip(*json.loads(done.stdout), strict=True))


def main(rounds: int) -> None:
    """Print the figures."""
    keep_apart()
    with others() as stand:
        for connections in CONNECTIONS:
            _print_ratio(stand, connections, rounds)
        told(f"p99 at {RATE}/s while deliveries run", [_paced(stand) for _ in range(PACED_ROUNDS)])


def _paced(stand: Stand) -> Paced:
    with clipbell(stand, count=PACED, work=True) as (server, lines), watched() as watch:
        ours = load(server.port, lines, rate=RATE)
        for handler in server.handlers:
            assert server.items("/v1/deliveries", handler=handler, state="done"), f"nothing was delivered: {handler}"
    with module("bare") as port:
        yardstick = load(port, lines, rate=RATE)
    return Paced(tail_of(ours["calls"], watch.spans), ours, yardstick)


def told(what: str, rounds: Sequence[Paced]) -> None:
    """Print what came of calls at a pace, and of the yardstick next to them."""
    p50 = statistics.median(each.ours["p50_ms"] for each in rounds)
    bare_p50, bare_p99 = (statistics.median(each.bare[name] for each in rounds) for name in ("p50_ms", "p99_ms"))
    print(f"{what}: {tails_told([each.tail for each in rounds])} (under 50); p50 {p50:.1f} ms")
    print(f"p99 of bare Starlette at the same pace: {bare_p99:.1f} ms, p50 {bare_p50:.1f} ms", flush=True)


def _print_ratio(stand: Stand, connections: int, rounds: int) -> None:
    bursts: list[tuple[float, float]] = []
    for _ in range(rounds):
        with clipbell(stand, count=JOBS, work=False) as (ours, lines), module("bare") as yardstick:
            bursts += in_turn(lines, connections, ours.port, yardstick)
    our_speed, bare_speed = (statistics.median(speeds) for speeds in zip(*bursts, strict=True))
    low, middle, high = statistics.quantiles([own / other for own, other in bursts], n=4)
    print(
        f"{connections} connections: clipbell {our_speed:.0f}/s, bare Starlette {bare_speed:.0f}/s, ratio {middle:.2f} "
        f"(at least 0.25; half of {len(bursts)} bursts between {low:.2f} and {high:.2f})",
        flush=True,
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
