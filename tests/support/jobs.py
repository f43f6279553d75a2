"""Jobs, accounts and rules for tests of pure decisions: real vendor files, ids that count, a fixed clock."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from receiver.routing import Route, Router
from receiver.settle import Door, Rules
from schemas.event import EventType, Money, Source, Video
from schemas.job import Job, JobState
from schemas.report import Report, Said
from schemas.values import replace
from schemas.vendor import Pace, Terms, Vendor
from schemas.vendors.aivideoapi import VENDOR as AIVIDEOAPI
from schemas.vendors.vrex import VENDOR as VREX

__all__ = [
    "AIVIDEOAPI",
    "EVERYTHING",
    "NOON",
    "SECOND",
    "VREX",
    "PlainAccount",
    "counting",
    "door",
    "job",
    "report",
    "rules",
    "usd",
]

#: 2025-01-01T12:00:00Z
NOON = 1_735_732_800_000_000
SECOND = 1_000_000
EVERYTHING = frozenset(EventType)


@dataclass(frozen=True)
class PlainAccount:
    """An account, as far as decisions care."""

    vendor: Vendor
    name: str = "vrex"
    pace: Pace = field(default_factory=Pace)

    @property
    def terms(self) -> Terms:
        """The vendor's own facts."""
        return Terms(self.vendor.words, self.vendor.prices)


def counting() -> Callable[[str], str]:
    """A source of ids that counts."""
    numbers = itertools.count(1)
    return lambda prefix: f"{prefix}{next(numbers)}"


def rules(confirm: str = "failures", *routes: Route) -> Rules:
    """Rules with a handler `slack` that wants everything, unless told otherwise."""
    accounts = {"vrex": PlainAccount(VREX), "aivideoapi": PlainAccount(AIVIDEOAPI, "aivideoapi")}
    return Rules(accounts, confirm, Router(routes or (Route("slack", ("",), EVERYTHING),), counting()))


def door(source: Source = Source.CALLBACK, now: int = NOON + 75 * SECOND) -> Door:
    """A door that a report came through."""
    return Door(source, "evd_1", now)


def job(**fields: Any) -> Job:
    """A running job at Vrex for 8 seconds, charged at accept."""
    usual = Job(
        id="job_1",
        vendor="vrex",
        account="vrex",
        state=JobState.RUNNING,
        created_at=NOON - SECOND,
        submitted_at=NOON,
        vendor_job_id="vg_1",
        prompt="A coast",
        model="veo-3.1-lite",
        estimate=usd("0.136"),
        booked=usd("0.136"),
        seconds=8,
        next_at=NOON + 120 * SECOND,
        give_up_at=NOON + 86_400 * SECOND,
    )
    return replace(usual, **fields)


def report(said: Said | None = Said.COMPLETED, **fields: Any) -> Report:
    """A report that the clip is done, or something else."""
    videos = (Video("https://r2.getvrex.com/v.mp4"),) if said is Said.COMPLETED else ()
    usual = Report(word=said.value if said else "dreaming", said=said, vendor_job_id="vg_1", videos=videos)
    return replace(usual, **fields)


def usd(amount: str) -> Money:
    """So many dollars."""
    return Money(Decimal(amount), "USD")
