"""When a delivery is tried again, and when not. Pure: randomness and time are arguments."""

from collections.abc import Sequence

from receiver.store.protocol import Attempt

SECOND = 1_000_000
#: Seconds between one attempt and the next; after the last the delivery is dead.
SCHEDULE = (5, 30, 120, 600, 3600, 10_800, 21_600, 43_200, 86_400, 86_400)
JITTER = 0.2
SHORTEST_AFTER, LONGEST_AFTER = 1.0, 3600.0
#: A perishable delivery: from 1 s, doubling to 5 min, for a week at the most.
PERISHABLE_FIRST, PERISHABLE_LONGEST, PERISHABLE_LIFE = 1.0, 300.0, 7 * 86_400.0
#: For room on a disk: a quarter of the time waited so far, from 5 s to a minute.
ROOM_FIRST, ROOM_LONGEST = 5.0, 60.0


def failures_in_a_row(attempts: Sequence[Attempt]) -> int:
    """How many tries of the running schedule are used up; a dead delivery that is retried begins a new one."""
    count = 0
    for attempt in reversed(attempts):
        if attempt.outcome not in ("later", "crashed"):
            break
        count += 1
    return count


def next_try(
    failed: int, now: int, dice: float, after: float | None = None, schedule: Sequence[float] = SCHEDULE
) -> int | None:
    """When to try again after `failed` tries of the schedule, the last just now; None: never.

    `dice` within 0..1 spreads the wait by ±20 %. `after`: seconds that the other side asked for, instead of the step.
    """
    if failed > len(schedule):
        return None
    if after is not None:
        return now + int(min(max(after, SHORTEST_AFTER), LONGEST_AFTER) * SECOND)
    return now + int(_spread(schedule[failed - 1], dice) * SECOND)


def next_perishable_try(failed: int, created: int, now: int, dice: float, after: float | None = None) -> int | None:
    """As `next_try`, for what must happen within the life of a URL."""
    if now - created > PERISHABLE_LIFE * SECOND:
        return None
    wait = min(PERISHABLE_FIRST * 2.0 ** min(failed - 1, 20), PERISHABLE_LONGEST)
    if after is not None:
        wait = min(max(after, SHORTEST_AFTER), PERISHABLE_LONGEST)
    return now + int(_spread(wait, dice) * SECOND)


def next_try_for_room(began: int, now: int, dice: float) -> int:
    """When to try again what waits for room on a disk since `began`; such tries are not counted."""
    wait = min(max((now - began) / SECOND / 4, ROOM_FIRST), ROOM_LONGEST)
    return now + int(_spread(wait, dice) * SECOND)


def _spread(seconds: float, dice: float) -> float:
    return seconds * (1 - JITTER + 2 * JITTER * dice)
