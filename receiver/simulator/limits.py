"""Sliding windows of calls per key, in the simulator's own time. Counts; the vendors decide what a full one means."""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Limit:
    """So many calls in so many seconds."""

    calls: int
    seconds: float


@dataclass(frozen=True)
class Standing:
    """How a key stands after a call."""

    limit: int
    remaining: int
    reset_at: float
    retry_after: int | None
    """Seconds until a call is free; None if this one was within the limit."""


class Windows:
    """The calls of each key that still count."""

    def __init__(self) -> None:
        self._calls: dict[tuple[str, str, float], deque[float]] = {}

    def count(self, limits: Sequence[Limit], vendor: str, key: str, now: float) -> Standing:
        """Count a call if every window has room, and say how the key stands: in a full one, else in the first."""
        windows = [self._window(limit, vendor, key, now) for limit in limits]
        full = next((n for n, calls in enumerate(windows) if len(calls) >= limits[n].calls), None)
        if full is None:
            for calls in windows:
                calls.append(now)
        limit, calls = limits[full or 0], windows[full or 0]
        free_at = (calls[0] if calls else now) + limit.seconds
        retry_after = None if full is None else max(1, math.ceil(free_at - now))
        return Standing(limit.calls, limit.calls - len(calls), free_at, retry_after)

    def _window(self, limit: Limit, vendor: str, key: str, now: float) -> deque[float]:
        calls = self._calls.setdefault((vendor, key, limit.seconds), deque())
        while calls and calls[0] <= now - limit.seconds:
            calls.popleft()
        return calls
