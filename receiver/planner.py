"""Planner: when those ask again who were refused a turn, and which vendors are too slow to be given all hands.

Without it a hundred thousand due jobs of one account would ask all day for ten calls a minute. Held in memory: after a
restart whoever is refused is planned anew. Decides by figures that it is given; knows no store and no clock.
"""

from collections.abc import Mapping

from receiver.limits import SECOND

#: Nobody is planned further away than this beyond the time that he was told: limits change, and so do operators.
FURTHEST = 600 * SECOND
#: Even where nothing limits the pace, those who were refused together do not come back together.
CLOSEST = 0.02
#: Seconds after which one look makes its account slow, and for how long it then counts as slow.
SLOW, SLOW_FOR = 2.0, 60.0
#: How many at a time look at a slow account.
SLOW_SHARE = 8


class Planner:
    """One for each keeper."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}
        self._slow_until: dict[str, float] = {}

    def slot(self, account: str, again: int, step: float, dice: float) -> int:
        """When the next of an account's refused jobs asks again: one after another from `again`, `step` s apart."""
        planned = max(again, self._last.get(account, 0) + int(max(step, CLOSEST) * SECOND))
        if planned > again + FURTHEST:
            return again + int(FURTHEST * (0.5 + 0.5 * dice))
        self._last[account] = planned
        return planned

    def note(self, account: str, took: float, now: float) -> None:
        """Note how long it took to tend a job, and when that was; in seconds."""
        if took > SLOW:
            self._slow_until[account] = now + SLOW_FOR

    def has_hands_for(self, account: str, busy_with: Mapping[str, int], now: float) -> bool:
        """Whether one more job of an account may be tended, so that a vendor that hangs holds up no other."""
        return now >= self._slow_until.get(account, 0.0) or busy_with.get(account, 0) < SLOW_SHARE
