"""Rows for tests of the store, with ids that say their order, and a way to play a scenario on an open store."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any, TypeVar

from receiver.store.opening import open_store
from receiver.store.protocol import (
    AlertCleared,
    AlertRaised,
    Attempt,
    Change,
    Claimed,
    Decide,
    Evidence,
    Finish,
    Line,
    NewDelivery,
    Store,
    Told,
)
from schemas.event import Event, EventType, Money, Source, Trust, Unit, at
from schemas.job import Job, JobState
from schemas.values import replace

T = TypeVar("T")
SECOND = 1_000_000
MINUTE, HOUR, DAY = 60 * SECOND, 3600 * SECOND, 86_400 * SECOND
#: 2025-01-01T12:00:00Z
NOON = 1_735_732_800 * SECOND
ORDER = b'{"prompt":"A coast"}'

Scenario = Callable[[Store], Awaitable[T]]


def played(url: str, scenario: Scenario[T]) -> T:
    """Play a scenario on the store of a URL, and close it."""

    async def main() -> T:
        async with open_store(url) as store:
            return await scenario(store)

    return asyncio.run(main())


# --- jobs ------------------------------------------------------------------------------------------------


def a_job(number: int = 1, **fields: Any) -> Job:
    """A running job, due at noon; jobs with higher numbers are newer."""
    usual = Job(
        id=f"job_{number:04d}",
        vendor="vrex",
        account="vrex",
        state=JobState.RUNNING,
        created_at=NOON - HOUR,
        vendor_job_id=f"vg_{number}",
        prompt="A coast",
        model="veo-3.1-lite",
        order_sha256=hashlib.sha256(ORDER).hexdigest(),
        next_at=NOON,
    )
    return replace(usual, **fields)


def usd(amount: str, unit: Unit = "USD") -> Money:
    """So much money."""
    return Money(Decimal(amount), unit)


async def placed(store: Store, *jobs: Job) -> None:
    """Place these jobs."""
    await asyncio.gather(*[store.place(job, ORDER) for job in jobs])


def becoming(**fields: Any) -> Decide:
    """Decide that a job shall have these fields."""
    return lambda job: Change(job=replace(the(job), **fields))


def changing(change: Change) -> Decide:
    """Decide on this change, whatever the job."""
    return lambda _: change


def the(thing: T | None) -> T:
    """The thing, which has to be there."""
    assert thing is not None
    return thing


# --- what was sent and told ------------------------------------------------------------------------------


def evidence(number: int = 1, job_id: str | None = "job_0001", body: bytes = b"{}", **fields: Any) -> Evidence:
    """A callback."""
    usual = Evidence(
        id=f"evd_{number:04d}",
        at=NOON,
        job_id=job_id,
        account="vrex",
        kind="callback",
        body=body,
        sha256=hashlib.sha256(body).hexdigest(),
    )
    return replace(usual, **fields)


def an_event(number: int = 1, **fields: Any) -> Event:
    """An event about job 1, received at noon."""
    usual = Event(
        id=f"evt_{number:04d}",
        type=EventType.SAVED,
        vendor="vrex",
        account="vrex",
        job_id="job_0001",
        vendor_job_id="vg_1",
        occurred_at=at(NOON - SECOND),
        received_at=at(NOON),
        source=Source.CALLBACK,
        trust=Trust.TOKEN,
    )
    return replace(usual, **fields)


def delivery(number: int = 1, handler: str = "team", target: str = "", deadline: int | None = None) -> NewDelivery:
    """A delivery to be made."""
    return NewDelivery(f"dlv_{number:04d}", handler, target, deadline)


def told(number: int = 1, *deliveries: NewDelivery, **fields: Any) -> Told:
    """An event and whom it is for."""
    return Told(an_event(number, **fields), deliveries)


async def tell(store: Store, *news: Told) -> None:
    """Tell of events."""
    await store.apply("job_none", changing(Change(told=news)))


async def taken(store: Store, handler: str = "team", now: int = NOON, limit: int = 10) -> list[Claimed]:
    """Claim for a minute."""
    return await store.claim_deliveries(handler, now, now + MINUTE, limit)


async def finished(store: Store, claimed: Claimed, state: str = "done", **fields: Any) -> bool:
    """Finish what was claimed, with an attempt."""
    finish = replace(Finish(state, Attempt(NOON, state)), **fields)
    return await store.finish_delivery(claimed.delivery.id, claimed.delivery.fence, finish)


# --- money and alerts ------------------------------------------------------------------------------------


def line(number: int = 1, amount: Money | None = None, **fields: Any) -> Line:
    """A line of job 1: a charge, unless told otherwise."""
    usual = Line(
        id=f"ldg_{number:04d}",
        at=NOON,
        job_id="job_0001",
        vendor="vrex",
        account="vrex",
        kind="charge",
        amount=amount,
        basis="vendor_figure",
        evidence_id=f"evd_{number:04d}",
    )
    return replace(usual, **fields)


def raised(number: int = 1, code: str = "job.overdue", subject: str = "job_0001", **fields: Any) -> AlertRaised:
    """An alert to raise, which tells handler `team` of event 100 + `number`."""
    usual = AlertRaised(
        id=f"alr_{number:04d}",
        at=NOON,
        code=code,
        subject=subject,
        job_id=None,
        text="It is late",
        next_step="Look",
        told=told(100 + number, delivery(100 + number), type=EventType.RAISED),
    )
    return replace(usual, **fields)


def cleared(number: int = 1, code: str = "job.overdue", subject: str = "job_0001") -> AlertCleared:
    """An alert to clear, which tells handler `team` of event 200 + `number`."""
    return AlertCleared(NOON + HOUR, code, subject, told(200 + number, delivery(200 + number), type=EventType.CLEARED))
