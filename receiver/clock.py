"""The clock: the only caller of now(), and with it the only maker of ids.

Ids are ULIDs: they sort by creation, and within this process strictly so, whichever thread asks and whatever the
system's clock does. They are no secrets.
"""

import secrets
import threading
import time
from datetime import UTC, datetime

from ulid import ULID

_RANDOM_BITS = 80


def now() -> datetime:
    """The moment it is, in UTC."""
    return datetime.now(UTC)


def micros() -> int:
    """The moment it is, in microseconds since 1970 UTC, as the store keeps times."""
    return time.time_ns() // 1000


def monotonic() -> float:
    """Seconds on a clock that only goes forward, for spans and deadlines within this process."""
    return time.monotonic()


class Ids:
    """Strictly rising ULIDs. python-ulid's own generator falls back where the clock does, or between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def new(self, prefix: str) -> str:
        """Make an id: the prefix and a ULID in lower case, greater than every one made before."""
        with self._lock:
            fresh = (time.time_ns() // 1_000_000) << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS)
            self._last = last = max(fresh, self._last + 1)
        return prefix + str(ULID.from_int(last)).lower()


# state of the process itself: two makers in one process could not keep the order
_ids = Ids()


def new_id(prefix: str) -> str:
    """Make an id with a prefix (`job_`, `evt_`, …), greater than every one this process made before."""
    return _ids.new(prefix)
