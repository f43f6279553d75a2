"""The clock: the only caller of now(), and with it the only maker of ids.

Ids are ULIDs: they sort by creation, and within this process strictly so, whichever thread asks and whatever the
system's clock does. They are no secrets.
"""

import random
import threading
import time
from datetime import UTC, datetime

#: Of the 80 random bits of an id, those that an id shares with its neighbours; and the last number of the others.
_STEM_BITS, _LAST = 70, 1023


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
    """Strictly rising ULIDs. python-ulid's own generator falls back where the clock does, or between threads.

    Written out here because a callback needs seven ids before its answer: python-ulid spells one in 8 µs, this in less
    than 1.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # the system's own source would let go of the interpreter's lock while ours is held
        self._dice = random.Random()  # noqa: S311 - ids are no secrets
        #: The latest id's millisecond; all but its last ten bits, and how they are spelled, which nearly always is how
        #: the next one's are; and those ten.
        self._moment, self._stem, self._letters, self._low = 0, 0, "", _LAST

    def new(self, prefix: str) -> str:
        """Make an id: the prefix and a ULID in lower case, greater than every one made before."""
        now = time.time_ns() // 1_000_000
        with self._lock:
            if now > self._moment or self._low == _LAST:
                self._begin(now)
            self._low += 1
            return f"{prefix}{self._letters}{_PAIRS[self._low]}"

    def _begin(self, now: int) -> None:
        if now > self._moment:
            self._moment = now
            self._stem = now << _STEM_BITS | self._dice.getrandbits(_STEM_BITS)
        else:
            self._stem += 1
            self._moment = self._stem >> _STEM_BITS
        self._letters = _spelled(self._stem)
        self._low = self._dice.getrandbits(9) - 1


_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]


def _spelled(stem: int) -> str:
    """Spell the first 120 of an id's 130 bits in Crockford's base 32, two letters at a time."""
    # https://github.com/ulid/spec
    return "".join([_PAIRS[stem >> shift & 1023] for shift in range(110, -1, -10)])


def id_at(prefix: str, at: int) -> str:
    """What every id of this kind made at a moment (microseconds) or later is greater than, and every older one less."""
    return f"{prefix}{_spelled(at // 1000 << _STEM_BITS)[:10]}"


#: Make an id with a prefix (`job_`, `evt_`, …), greater than every one this process made before.
# state of the process itself: two makers in one process could not keep the order
new_id = Ids().new
