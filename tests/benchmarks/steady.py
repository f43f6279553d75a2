"""The machine's own pace, watched while something else is measured: when everything on it took several times as long.

A shared machine has such moments, whatever runs on it, and a p99 shows them before it shows anything else. So calls
that met one are told apart. Usage: python -m tests.benchmarks.steady SLOW; it watches until its input ends, and prints
a JSON list of the slow spans: from, to, in seconds of the system's monotonic clock.
"""

import json
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

#: The piece of work that is timed (about 0.1 ms), the seconds between two, and how many times its usual time is slow.
STEPS, PAUSE, SLOW = 1_500, 0.004, 3.0
Span = tuple[float, float]


class Probe(NamedTuple):
    """One timed piece of work; `took`: its processor time, so that waiting for a processor does not count."""

    began: float
    ended: float
    took: float


def slow_spans(probes: Sequence[Probe], slow: float = SLOW) -> list[Span]:
    """From the end of the last usual piece of work to the beginning of the next."""
    usual = statistics.median(probe.took for probe in probes)
    spans: list[Span] = []
    for before, probe, after in zip(probes, probes[1:], probes[2:], strict=False):
        if probe.took > slow * usual:
            joined = bool(spans) and spans[-1][1] >= before.ended
            began = spans.pop()[0] if joined else before.ended
            spans.append((began, after.began))
    return spans


def _probe() -> Probe:
    began, cpu = time.perf_counter(), time.thread_time()
    total = 0
    for number in range(STEPS):
        total += number * number
    return Probe(began, time.perf_counter(), time.thread_time() - cpu)


@dataclass(slots=True)
class Watch:
    """What was seen; `spans` is there once the watch is over."""

    spans: list[Span] = field(default_factory=list)


@contextmanager
def watched(slow: float = SLOW) -> Iterator[Watch]:
    """Watch the machine from a process of its own; what takes `slow` times as long as usual is slow."""
    arguments = [sys.executable, "-m", "tests.benchmarks.steady", str(slow)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        watch = Watch()
        yield watch
        watch.spans = [(began, ended) for began, ended in json.loads(process.communicate()[0])]


@dataclass(frozen=True, slots=True)
class Tail:
    """The slowest hundredth of some calls, in milliseconds: of all, and of the `calm` part that met no slow moment."""

    p99: float
    p99_calm: float
    calm: float


def tails_told(tails: Sequence[Tail]) -> str:
    """What several rounds came to, in words: the medians of their tails, and between what these lie."""
    whole, part = ([tail.p99 for tail in tails], [tail.p99_calm for tail in tails])
    calm = statistics.mean(tail.calm for tail in tails)
    return (
        f"median of {len(tails)} rounds {_spread(whole)}; "
        f"{_spread(part)} of the {calm:.0%} that met no slow moment of the machine"
    )


def _spread(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.1f} ms ({min(values):.1f} to {max(values):.1f})"


def tail_of(calls: Sequence[tuple[float, float]], spans: Sequence[Span]) -> Tail:
    """The tail of calls, each given as when it began and how many seconds it took."""
    calm = [(began, took) for began, took in calls if not any(a < began + took and began < b for a, b in spans)]
    whole, part = (p99([took * 1000 for _, took in some]) for some in (calls, calm))
    return Tail(whole, part, len(calm) / len(calls))


def p99(values: Sequence[float]) -> float:
    """What 99 of 100 do not exceed."""
    return sorted(values)[int(len(values) * 0.99)]


def main(slow: float) -> None:
    """Watch until the input ends."""
    over = threading.Event()

    def wait() -> None:
        sys.stdin.read()
        over.set()

    threading.Thread(target=wait, daemon=True).start()
    probes = [_probe() for _ in range(3)]
    while not over.wait(PAUSE):
        probes.append(_probe())
    print(json.dumps(slow_spans(probes, slow)))


if __name__ == "__main__":
    main(float(sys.argv[1]))
