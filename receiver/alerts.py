"""Alerts: raised once, cleared once for each subject. Their words, and the events that tell of them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from receiver.routing import Router
from receiver.store.protocol import AlertCleared, AlertRaised, Told
from schemas.event import Event, EventType, Source, Trust, at
from schemas.job import Job
from schemas.units import say_span


@dataclass(frozen=True, slots=True)
class Word:
    """What an alert says: the text, and what to do next; both are formatted with the subject's facts."""

    text: str
    next_step: str


WORDS: Mapping[str, Word] = {
    "job.overdue": Word(
        "{job} at {account} has no result after {age}",
        "It is looked for until it is given up; look yourself with: clipbell refresh {job}",
    ),
    "job.unknown": Word(
        "Whether {account} has the order {job} is not known: {reason}",
        "Look at the vendor, then settle it with: clipbell job {job} --resolve sent VENDOR_JOB_ID (or: not-sent)",
    ),
    "job.abandoned": Word(
        "{job} at {account} was given up after {age} without a result",
        "Ask the vendor about {vendor_job_id}; a late callback or clipbell refresh {job} still settles it",
    ),
    "delivery.dead": Word(
        "{event} for {handler} was given up: {reason}",
        "Mend the cause, then deliver it with: clipbell retry {delivery}",
    ),
    "clip.at_risk": Word(
        "The clip of {job} is not saved yet after {tries} tries: {reason}",
        "{end}; mend the cause, or fetch it by hand from the URL that clipbell job {job} shows",
    ),
    "clip.mismatch": Word(
        "The clip of {job} is not as ordered: {what}",
        "Look at it; ask {account} for the difference, or order it again with: clipbell again {job}",
    ),
    # what the folder's handler says of it: a disk's words, or a floor's
    "disk.low": Word(
        "Clips wait for room: {reason}",
        "Make room there (keep_free of [handlers.{handler}] says how much stays free); downloads wait and go on by"
        " themselves, callbacks are still taken",
    ),
    "handler.failing": Word("{handler} {trouble}", "{step}"),
    "account.stopped": Word(
        "{account} refuses our calls: {reason}",
        "Check the key and the balance at the vendor; calls are tried again by themselves",
    ),
    "callbacks.missing": Word(
        "Callbacks do not come in: {reason}",
        "Check public_url, its name, proxy and firewall (clipbell doctor); until then jobs are looked at sooner",
    ),
    # a budget knows best what to say of itself: budget.py
    "budget.reached": Word("{what}", "{step}"),
}


@dataclass(frozen=True, slots=True)
class Notice:
    """One alert to be: its code and subject, when, and the job, or an event of the job, that it is about, if any."""

    code: str
    subject: str
    at: int
    job: Job | Event | None = None

    @property
    def job_id(self) -> str | None:
        """The job that it is about."""
        return self.job.job_id if isinstance(self.job, Event) else self.job.id if self.job else None


@dataclass(frozen=True, slots=True)
class Alarm:
    """Makes alerts. `router` says who is told."""

    router: Router

    def raised(
        self, notice: Notice, facts: Mapping[str, Any], *, but: str | None = None, silent: bool = False
    ) -> AlertRaised:
        """An alert to raise; told to everybody who wants alerts, except the handler `but`, or nobody if `silent`."""
        word = WORDS[notice.code]
        text, step = word.text.format(**facts), word.next_step.format(**facts)
        event = self._event(EventType.RAISED, notice, text, step)
        return AlertRaised(
            id=self.router.mint("alr_"),
            at=notice.at,
            code=notice.code,
            subject=notice.subject,
            job_id=notice.job_id,
            text=text,
            next_step=step,
            told=Told(event) if silent else self.router.told(event, but=but),
        )

    def cleared(self, notice: Notice, text: str) -> AlertCleared:
        """An alert to clear, told to the same people."""
        event = self._event(EventType.CLEARED, notice, text, "Nothing to do")
        return AlertCleared(at=notice.at, code=notice.code, subject=notice.subject, told=self.router.told(event))

    def _event(self, kind: EventType, notice: Notice, text: str, step: str) -> Event:
        job = notice.job
        return Event(
            id=self.router.mint("evt_"),
            type=kind,
            vendor=job.vendor if job else None,
            account=job.account if job else None,
            job_id=notice.job_id,
            vendor_job_id=job.vendor_job_id if job else None,
            occurred_at=at(notice.at),
            received_at=at(notice.at),
            source=Source.CLIPBELL,
            trust=Trust.OWN,
            prompt=job.prompt if job else None,
            model=job.model if job else None,
            tags=job.tags if job else (),
            metadata=job.metadata if job else {},
            batch=job.batch if job else None,
            detail={"code": notice.code, "subject": notice.subject, "text": text, "next_step": step},
        )


def span(microseconds: int) -> str:
    """A length of time for a sentence: `45 s`, `31 min`, `2 h`, `3 d`."""
    return say_span(microseconds // 1_000_000)
