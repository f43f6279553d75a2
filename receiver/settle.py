"""settle(job, report) → Change: what one report changes. Pure, and the same for every door.

A verdict is reached once and is final; later evidence is kept and named, never acted upon. A report in doubt (another
job's id, an unknown word, nothing readable) changes nothing but makes us ask the vendor soon.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from msgspec import Struct

from receiver.alerts import Alarm, Notice
from receiver.money import Stub, book_verdict, refund_of
from receiver.routing import Mint, Router
from receiver.store.protocol import AlertCleared, Change
from schemas.event import Event, EventType, Source, Trust, Video, at
from schemas.job import Claim, Job, JobState
from schemas.report import Report, Said
from schemas.values import replace
from schemas.vendor import Vendor

SECOND = 1_000_000
STATES = {Said.COMPLETED: JobState.COMPLETED, Said.FAILED: JobState.FAILED}
#: States in which a job may be looked at: the vendor may have it.
LOOKABLE = frozenset({JobState.RUNNING, JobState.UNKNOWN, JobState.REJECTED, JobState.ABANDONED})


class AccountFacts(Protocol):
    """What settling needs to know of an account."""

    @property
    def vendor(self) -> Vendor:
        """The vendor's facts."""
        ...


@dataclass(frozen=True, slots=True)
class Rules:
    """What decisions go by: the accounts, whether callbacks are confirmed, who is told."""

    accounts: Mapping[str, AccountFacts]
    #: never, failures, always.
    confirm: str
    router: Router

    @property
    def mint(self) -> Mint:
        """A source of new ids."""
        return self.router.mint

    @property
    def alarm(self) -> Alarm:
        """A maker of alerts."""
        return Alarm(self.router)

    def wants_confirmation(self, source: Source, said: Said) -> bool:
        """Whether a verdict must be read again at the vendor before it is believed."""
        if source is not Source.CALLBACK:
            return False
        return self.confirm == "always" or (self.confirm == "failures" and said is Said.FAILED)


class Door(Struct, frozen=True):
    """How a report came in, and when."""

    source: Source
    evidence_id: str
    now: int


def settle(job: Job | None, report: Report, door: Door, rules: Rules) -> Change:
    """Decide what a report changes."""
    if job is None:
        return Change(verdict="mismatch")
    if report.vendor_job_id and job.vendor_job_id and report.vendor_job_id != job.vendor_job_id:
        return doubt(job, "mismatch", door.now)
    if report.said is None:
        return doubt(job, "unknown_word", door.now)
    return Change(verdict=_late(job, report.said)) if job.is_settled else _open(job, report, report.said, door, rules)


def _open(job: Job, report: Report, said: Said, door: Door, rules: Rules) -> Change:
    if job.vendor_job_id is None and report.vendor_job_id:
        job = replace(job, vendor_job_id=report.vendor_job_id)
    if said not in STATES or (said is Said.COMPLETED and not any(video.is_usable for video in report.videos)):
        return _still_running(job, report, door, rules)
    if rules.wants_confirmation(door.source, said):
        return _claim(job, said, door, rules)
    return _verdict(job, report, said, door, rules)


def doubt(job: Job | None, verdict: str, now: int) -> Change:
    """Keep what came under its verdict, and ask the vendor soon where that makes sense."""
    if job is None or job.is_settled or job.state not in LOOKABLE or not job.vendor_job_id:
        return Change(verdict=verdict)
    return Change(verdict=verdict, job=replace(job, next_at=now))


def _late(job: Job, said: Said) -> str:
    if said not in STATES:
        return "accepted"  # news from before the verdict that took longer
    return "duplicate" if STATES[said] is job.state else "contradiction"


def _still_running(job: Job, report: Report, door: Door, rules: Rules) -> Change:
    soon = door.now if report.said is Said.COMPLETED and door.source is Source.CALLBACK else None
    if job.state is JobState.RUNNING:
        return Change(job=replace(job, next_at=soon or job.next_at))
    cleared = mended(job, door.now, rules)
    # a submission in flight keeps its lease; its own answer sets the next look
    next_at = job.next_at if job.state is JobState.SUBMITTING else soon or door.now + 20 * SECOND
    return Change(job=replace(job, state=JobState.RUNNING, next_at=next_at, failure=None), cleared=cleared)


def _claim(job: Job, said: Said, door: Door, rules: Rules) -> Change:
    # one that was given up before its claim was confirmed is asked for again
    if job.claim is not None and job.claim.said == said.value and job.state in (JobState.RUNNING, JobState.SUBMITTING):
        return Change(verdict="duplicate")
    claimed = replace(job, claim=Claim(said.value, door.evidence_id, door.now))
    if job.state is JobState.SUBMITTING:
        return Change(job=claimed)  # looked at as soon as its own answer is in
    claimed = replace(claimed, state=JobState.RUNNING, next_at=door.now)
    return Change(job=claimed, cleared=mended(job, door.now, rules))


def _verdict(job: Job, report: Report, said: Said, door: Door, rules: Rules) -> Change:
    vendor = rules.accounts[job.account].vendor
    source, trust = _belief(job, said, door.source)
    failure = refund_of(vendor, report) if said is Said.FAILED else None
    moment = at(door.now)
    stub = Stub(rules.mint, door.now, door.evidence_id)
    books = book_verdict(job, vendor, report, failure, stub)
    settled = replace(
        job,
        state=STATES[said],
        videos=with_ends(report.videos, vendor, moment) if failure is None else (),
        failure=failure,
        cost=books.cost,
        booked=books.booked,
        settled_by=source,
        settled_at=door.now,
        next_at=None,
        claim=None,
    )
    event = _event(settled, report, moment, trust, rules.mint("evt_"))
    return Change(
        job=settled,
        told=(rules.router.told(event),),
        lines=books.lines,
        cleared=mended(job, door.now, rules, ended=True),
    )


def _belief(job: Job, said: Said, source: Source) -> tuple[Source, Trust]:
    if source is Source.CALLBACK:
        return source, Trust.TOKEN
    if source is Source.PERSON:
        return source, Trust.OWN
    if job.claim is not None and job.claim.said == said.value:
        return Source.CALLBACK, Trust.CONFIRMED
    return source, Trust.POLLED


def with_ends(videos: tuple[Video, ...], vendor: Vendor, arrived: datetime) -> tuple[Video, ...]:
    """The videos with their URLs' ends: the vendor's word, else its known life counted from arrival, else None."""
    life = vendor.url_life
    if life is None:
        return videos
    end = arrived + timedelta(seconds=life)
    return tuple(v if v.expires_at or not v.is_url else Video(v.url, v.mime_type, end) for v in videos)


def _event(job: Job, report: Report, received_at: datetime, trust: Trust, event_id: str) -> Event:
    assert job.settled_by is not None  # noqa: S101 - a verdict always has it; tells the type checker
    return Event(
        id=event_id,
        type=EventType.COMPLETED if job.state is JobState.COMPLETED else EventType.FAILED,
        vendor=job.vendor,
        account=job.account,
        job_id=job.id,
        vendor_job_id=job.vendor_job_id,
        occurred_at=report.occurred_at or received_at,
        received_at=received_at,
        source=job.settled_by,
        trust=trust,
        prompt=job.prompt,
        model=job.model or report.model,
        duration_seconds=report.duration_seconds if report.duration_seconds is not None else job.seconds,
        resolution=report.resolution,
        videos=job.videos,
        cost=job.cost,
        failure=job.failure,
        tags=job.tags,
        metadata=job.metadata,
        batch=job.batch,
        raw=report.raw,
    )


def mended(job: Job, now: int, rules: Rules, *, ended: bool = False) -> tuple[AlertCleared, ...]:
    """Clear what was raised for a job that moves on; known from the job alone, so that the usual path asks nothing.

    One that is only known to run again, and has not `ended`, is as overdue as it was.
    """
    codes = []
    if ended and job.overdue_at is not None:
        codes.append("job.overdue")
    if job.state in (JobState.UNKNOWN, JobState.ABANDONED):
        codes.append("job.unknown")  # it stands on where the job was given up as unknown
    if job.state is JobState.ABANDONED:
        codes.append("job.abandoned")
    if not codes:
        return ()
    return tuple(rules.alarm.cleared(Notice(code, job.id, now, job), f"{job.id} moved on") for code in codes)
