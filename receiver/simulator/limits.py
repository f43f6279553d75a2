"""Sliding windows of calls per key, in the simulator's own time. Counts; the vendors decide what a full one means."""

import math
from collections import deque
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
        self._calls: dict[tuple[str, str], deque[float]] = {}

    def count(self, limit: Limit, vendor: str, key: str, now: float) -> Standing:
        """Count a call if there is room for it, and say how the key stands."""
        calls = self._calls.setdefault((vendor, key), deque())
        while calls and calls[0] <= now - limit.seconds:
            calls.popleft()
        is_full = len(calls) >= limit.calls
        if not is_full:
            calls.append(now)
        free_at = (calls[0] if calls else now) + limit.seconds
        retry_after = max(1, math.ceil(free_at - now)) if is_full else None
        return Standing(limit.calls, limit.calls - len(calls), free_at, retry_after)
