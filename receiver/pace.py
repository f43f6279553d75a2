"""Pace: when a vendor is asked about a job, and when again. Pure; time, history and dice are arguments.

A vendor's file says how long its clips usually take, the operator may say otherwise, and the clips that came here say
how long they take for us: what is learned makes the first look sooner, never later. Looks slow down with a job's age,
and, where a vendor takes only so many calls, with the number of jobs that share them.
"""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace

from receiver.limits import spread
from receiver.store.accounts import Rate
from schemas.vendor import Pace, Vendor

#: So many clips of a model teach us something.
FEWEST = 5
#: Of the time in which a quarter of the clips was done, the part before which a look is of no use.
TOO_EARLY = 0.8
#: Between two looks that are known to be too early the pace is slower by this.
EASY = 4.0
#: A look waits for this part of the time by which a job is late, up to so many times the first pace.
LATENESS, SLOWEST = 1 / 8, 30.0
#: Seconds: no look follows another sooner.
SHORTEST = 1.0
#: Seconds to the second look at a claim that the first did not confirm; it doubles from there.
CLAIM_AGAIN = 2.0


@dataclass(frozen=True, slots=True)
class Learned:
    """How long the latest clips of a model took here, from acceptance to verdict, in seconds."""

    lower: float
    median: float
    upper: float


@dataclass(frozen=True, slots=True)
class Share:
    """What a job shares with others: the account's rates, how many calls each window holds, how many jobs look."""

    rates: Sequence[Rate] = ()
    used: Sequence[int] = ()
    jobs: int = 1


def learned(seconds: Iterable[float]) -> Learned | None:
    """What so many clips teach; None where they are too few."""
    known = [each for each in seconds if each > 0]
    if len(known) < FEWEST:
        return None
    lower, median, upper = statistics.quantiles(known, n=4, method="inclusive")
    return Learned(lower, median, upper)


def pace_of(vendor: Vendor, pace: Pace, model: str | None) -> Pace:
    """An account's pace for one model: the vendor's figures for it, but where the operator says otherwise."""
    own = vendor.model_paces.get(model) if model is not None else None
    if own is None:
        return pace
    said = {each.name: getattr(pace, each.name) for each in fields(Pace)}
    usual = vendor.pace
    return replace(own, **{name: value for name, value in said.items() if value != getattr(usual, name)})


def first_look(pace: Pace, lesson: Learned | None, *, by_callback: bool, early: bool) -> float:
    """Seconds from acceptance to the first look, never more than `poll_after`.

    `by_callback`: the vendor was given an address; `early`: what is sent there is not known to arrive.
    """
    if by_callback and not early:
        return pace.poll_after
    usual = pace.poll_every if by_callback else pace.poll_after
    wait = usual if lesson is None else TOO_EARLY * lesson.lower
    return min(max(wait, SHORTEST), pace.poll_after)


def next_look(pace: Pace, age: float, lesson: Learned | None, dice: float) -> float:
    """Seconds to the next look at a job of this age, spread by ±10 %."""
    soonest = TOO_EARLY * lesson.lower if lesson is not None else 0.0
    if age < soonest:
        wait = min(EASY * pace.poll_every, max(soonest - age, pace.poll_every))
    else:
        usual = lesson.upper if lesson is not None else pace.poll_after
        wait = pace.poll_every + max(age - usual, 0.0) * LATENESS
    return min(wait, SLOWEST * pace.poll_every) * (0.9 + 0.2 * dice)


def claim_look(wait: float, since: float) -> float:
    """Seconds to the next look at a job whose verdict was told `since` seconds ago and is not confirmed yet.

    A vendor's status may lag its callback: soon at first, then slower, up to the usual pace.
    """
    return min(wait, max(since, CLAIM_AGAIN))


def shared_look(wait: float, share: Share) -> float:
    """Seconds to the next look where all open jobs of an account have to live on the same windows."""
    waits = (
        spread(wait, rate, used, share.jobs)
        for rate, used in zip(share.rates, share.used, strict=True)
        if rate.kind is None
    )
    return max(waits, default=wait)
