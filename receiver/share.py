"""Share: how much of a processor deliveries leave alone while many callbacks come.

Both run in one interpreter. A vendor waits for its 2xx and may never call again; a message may go out a little later.
"""

import time
from collections import deque
from collections.abc import Callable

from receiver import clock

#: The part of a processor that the process may have used lately for more deliveries to begin, and the seconds of work
#: that may be saved up, or owed.
PART, SAVED, OWED = 0.25, 0.05, 0.1
#: So many callbacks within so many seconds are many.
MANY, SOON = 10, 0.2


class Share:
    """The account of what the process used. Callbacks are noted in one thread, asked about in another."""

    def __init__(
        self, monotonic: Callable[[], float] = clock.monotonic, used: Callable[[], float] = time.process_time
    ) -> None:
        """`used` tells the seconds of a processor that the process took so far."""
        self._monotonic, self._used = monotonic, used
        self._called_at = deque([float("-inf")] * MANY, MANY)
        self._left, self._seen_at, self._seen_used = SAVED, monotonic(), used()

    def note_callback(self) -> None:
        """A callback has come."""
        self._called_at.append(self._monotonic())

    @property
    def is_used_up(self) -> bool:
        """Whether more deliveries should wait: many callbacks come, and the process is busy enough."""
        now, used = self._monotonic(), self._used()
        left = self._left + PART * (now - self._seen_at) - (used - self._seen_used)
        self._left, self._seen_at, self._seen_used = max(-OWED, min(SAVED, left)), now, used
        return left < 0 and now - self._called_at[0] < SOON
