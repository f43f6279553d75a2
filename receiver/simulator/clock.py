"""The simulator's own time, which can be moved forward, and a timetable of what happens when.

The vendors are another party with another clock, so nothing of clipbell's own clock is used here. One heap and one
task serve thousands of jobs; what is due also happens before any read, so that no answer lags behind the clock.
"""

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable
from datetime import UTC, datetime


class Clock:
    """Unix seconds: true time plus what was added by hand. A leap of the host's clock is not followed."""

    def __init__(self) -> None:
        self._start = time.time() - time.monotonic()
        self.advanced = 0.0

    def now(self) -> float:
        """Seconds since 1970."""
        return self._start + time.monotonic() + self.advanced


def iso(moment: float) -> str:
    """Write a moment as the vendors do: ISO 8601 with milliseconds and `Z`."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Timetable:
    """Actions with the time at which each is due."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._changed = asyncio.Event()

    def at(self, when: float, action: Callable[[], None]) -> None:
        """Have `action` done at a moment; it must not block, and it may add others."""
        heapq.heappush(self._due, (when, next(self._order), action))
        if self._due[0][0] == when:
            self._changed.set()

    def run_due(self) -> None:
        """Do all that is due by now, the earliest first."""
        while self._due and self._due[0][0] <= self.clock.now():
            heapq.heappop(self._due)[2]()

    def advance(self, seconds: float) -> None:
        """Move time forward and do what became due."""
        self.clock.advanced += seconds
        self.run_due()
        self._changed.set()

    def clear(self) -> None:
        """Forget everything that was to come."""
        self._due.clear()
        self._changed.set()

    async def run(self) -> None:
        """Do things as they become due, until cancelled."""
        while True:
            self.run_due()
            self._changed.clear()
            wait = self._due[0][0] - self.clock.now() if self._due else None
            try:
                await asyncio.wait_for(self._changed.wait(), None if wait is None else max(wait, 0))
            except TimeoutError:
                continue
