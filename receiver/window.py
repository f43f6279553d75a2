"""Window: so many starts within any span of time, counted in this process. Knows no clock and forgets with its process.

What has to hold for all processes together (a vendor's limits) is counted in the store.
"""

from collections import deque
from dataclasses import dataclass, field

from receiver.store.protocol import Rate

_SECOND = 1_000_000


@dataclass
class Window:
    """A sliding window over the starts of one lane; times are seconds of a monotonic clock. No rate: no bound."""

    rate: Rate | None
    _starts: deque[float] = field(default_factory=deque)

    def room(self, now: float) -> int | None:
        """How many more may start now; None: as many as want to."""
        if self.rate is None:
            return None
        while self._starts and self._starts[0] <= now - self.rate.window / _SECOND:
            self._starts.popleft()
        return self.rate.count - len(self._starts)

    def wait(self, now: float) -> float:
        """Seconds until one more may start."""
        if self.rate is None or self.room(now):
            return 0.0
        return self._starts[0] + self.rate.window / _SECOND - now

    def note(self, now: float) -> None:
        """Count a start."""
        if self.rate is not None:
            self._starts.append(now)
