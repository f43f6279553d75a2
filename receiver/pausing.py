"""Pausing: when a handler whose deliveries keep failing is left alone, for how long, and when it is well again. Pure.

A handler that fails five times in a row, each time with another delivery, is paused. At the end of a pause one
delivery tries it; the pauses grow until one succeeds. What perishes is not parked, since it would be lost rather than
late: of such a handler people are only told. A refusal of one delivery (any other GiveUp) says nothing of its handler,
nor do failures of one target while another has not failed: a full mailbox must not hold up everybody's mail.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from handlers.protocol import Done, GiveUp, Outcome, TryLater
from receiver.store.parking import Pause

_SECOND = 1_000_000
#: So many different deliveries that fail without a success between them.
FAILURES = 5
#: Seconds of the first, the second, … and of every later pause.
PAUSES = (30, 60, 120, 240, 480, 900)


class Act(Enum):
    """What is to be done about a handler after a call."""

    NOTHING = "nothing"
    #: Tell that it fails, and go on.
    ALARM = "alarm"
    #: Leave it alone, and tell of it.
    PAUSE = "pause"
    #: Leave it alone for longer.
    PROLONG = "prolong"
    #: It is well: let out what is parked, and tell of it.
    RESUME = "resume"


@dataclass(frozen=True, slots=True)
class Health:
    """What is known of a handler. `failed`, `targets`: since its last success; `is_told`: an alert may stand."""

    pause: Pause | None = None
    #: Some of the deliveries that failed, as many as it takes to pause.
    failed: frozenset[str] = frozenset()
    #: Whom they were for.
    targets: frozenset[str] = frozenset()
    is_told: bool = True


@dataclass(frozen=True, slots=True)
class Tried:
    """An attempt as it ended. `is_probe`: it was made to see whether the handler is well again.

    `targets`: how many the handler has.
    """

    handler: str
    delivery_id: str
    outcome: Outcome
    now: int
    is_probe: bool = False
    perishable: bool = False
    target: str = ""
    targets: int = 1


def telling(health: Health, batch: Sequence[Tried]) -> Tried:
    """Of all that went in one call, the attempt that says most of the handler: one call fails once."""

    def weight(tried: Tried) -> int:
        match tried.outcome:
            case Done():
                return 0
            case GiveUp(gone=True):
                return 1
            case GiveUp():
                return 4
        return 3 if tried.delivery_id in health.failed else 2

    return min(batch, key=weight)


def judged(health: Health, tried: Tried) -> tuple[Health, Act]:
    """What an attempt tells of its handler."""
    outcome = tried.outcome
    if isinstance(outcome, Done):
        is_news = health.pause is not None or health.is_told
        return Health(is_told=False), Act.RESUME if is_news else Act.NOTHING
    is_about_all = isinstance(outcome, TryLater) or outcome.gone
    reason = outcome.reason if is_about_all else None
    if health.pause is not None:
        return _prolonged(health, health.pause, tried, reason)
    return (health, Act.NOTHING) if reason is None else _failed(health, tried, reason)


def _failed(health: Health, tried: Tried, reason: str) -> tuple[Health, Act]:
    if len(health.failed) < FAILURES:
        health = replace(health, failed=health.failed | {tried.delivery_id})
    health = replace(health, targets=health.targets | {tried.target})
    is_gone = isinstance(tried.outcome, GiveUp)
    if not is_gone and (len(health.failed) < FAILURES or len(health.targets) < tried.targets):
        return health, Act.NOTHING
    if tried.perishable:
        # counted anew, so that a long trouble is not told with every attempt
        return Health(), Act.ALARM
    pauses = len(PAUSES) if is_gone else 1
    return Health(Pause(tried.handler, tried.now, tried.now + _length(pauses), reason, pauses)), Act.PAUSE


def _prolonged(health: Health, pause: Pause, tried: Tried, reason: str | None) -> tuple[Health, Act]:
    """After an attempt in a pause: what was under way when it began says nothing, a probe does."""
    if not tried.is_probe:
        return health, Act.NOTHING
    pauses = pause.pauses if reason is None else pause.pauses + 1
    longer = replace(pause, until=tried.now + _length(pauses), reason=reason or pause.reason, pauses=pauses)
    return Health(longer), Act.PROLONG


def _length(pauses: int) -> int:
    return PAUSES[min(pauses, len(PAUSES)) - 1] * _SECOND


# --- in words ----------------------------------------------------------------------------------------------


def facts_of(tried: Tried) -> Mapping[str, str]:
    """What the alert about a handler that fails says."""
    reason = "" if isinstance(tried.outcome, Done) else tried.outcome.reason
    trouble = "wants no more" if isinstance(tried.outcome, GiveUp) else f"failed {FAILURES} times in a row"
    waits = "each clip goes on being tried" if tried.perishable else "what waits for it is kept and delivered then"
    step = f"Mend the cause; {waits}. Try it with: clipbell handlers test {tried.handler}"
    return {"handler": tried.handler, "trouble": f"{trouble}: {reason}", "step": step}


def facts_of_absent(handler: str, waiting: int) -> Mapping[str, str]:
    """What the alert about a handler that left the configuration says."""
    what = "1 delivery waits" if waiting == 1 else f"{waiting} deliveries wait"
    step = f"Put the section [handlers.{handler}] back and start again; they are delivered then"
    return {"handler": handler, "trouble": f"is not in the configuration, and {what} for it", "step": step}
