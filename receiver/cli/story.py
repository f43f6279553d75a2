"""The story of a job: evidence, events, deliveries, files and money in the order in which they came."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from receiver.cli import words

if TYPE_CHECKING:
    from receiver.client import Clip, Clipbell, Delivery, Event, Evidence, Job, LedgerLine, Wait


@dataclass(frozen=True, slots=True)
class Story:
    """Everything that is known about one job."""

    job: "Job"
    evidence: "tuple[Evidence, ...]"
    events: "tuple[Event, ...]"
    deliveries: "tuple[Delivery, ...]"
    clips: "tuple[Clip, ...]"
    lines: "tuple[LedgerLine, ...]"
    #: Of a queued order: why it has not gone out yet.
    waits: "tuple[Wait, ...]" = ()

    def to_json(self) -> dict[str, Any]:
        """Say it as the job with its parts inside."""
        return {
            **self.job.raw,
            "evidence": [each.raw for each in self.evidence],
            "events": [each.raw for each in self.events],
            "deliveries": [each.raw for each in self.deliveries],
            "clips": [each.raw for each in self.clips],
            "ledger": [each.raw for each in self.lines],
            "waits": [each.raw for each in self.waits],
        }


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened."""

    at: datetime
    what: str
    id: str
    how: str


def gather(client: "Clipbell", job_id: str) -> Story:
    """Read everything about one job. Raises: NotFound."""
    job = client.job(job_id)
    return Story(
        job,
        client.evidence(job_id=job.id, limit=None).items,
        client.events(job_id=job.id, limit=None).items,
        client.deliveries(job_id=job.id, limit=None).items,
        client.clips(job_id=job.id, limit=None).items,
        client.ledger(job_id=job.id, limit=None).items,
        client.waits(job.id).items if job.state == "queued" else (),
    )


def waiting(story: Story) -> list[tuple[str, str]]:
    """Why a queued order waits, as names and values."""
    if story.job.state != "queued":
        return []
    reasons = [f"{each.text}{f', until {words.moment(each.until)}' if each.until else ''}" for each in story.waits]
    reasons = reasons or ["for nothing: it goes out in a moment, where a server works (clipbell serve)"]
    return [("waits" if not number else "and", words.clean(text)) for number, text in enumerate(reasons)]


def told(story: Story) -> list[Entry]:
    """The story, earliest first; what happened at once stays in the order cause to effect."""
    entries = [
        _ordered(story.job),
        *(_of_evidence(each) for each in reversed(story.evidence)),
        *(_of_event(each) for each in reversed(story.events)),
        *(_of_line(each) for each in reversed(story.lines)),
        *(entry for each in reversed(story.deliveries) for entry in _of_delivery(each)),
    ]
    return sorted(entries, key=lambda entry: entry.at)


def _ordered(job: "Job") -> Entry:
    how = f"estimate {job.estimate}" if job.estimate else ""
    return Entry(job.created_at, job.origin, job.id, how)


def _of_evidence(each: "Evidence") -> Entry:
    status = f"HTTP {each.status}, " if each.status else ""
    return Entry(each.at, each.kind, each.id, f"{status}{words.size(each.size)}, {each.verdict}")


def _of_event(each: "Event") -> Entry:
    detail = each.detail or {}
    how = detail.get("text") or f"by {each.source}, trust {each.trust}"
    if "path" in detail:
        how = f"{detail['path']} ({words.size(detail.get('bytes'))})"
    return Entry(each.received_at, each.type, each.id, words.clean(how))


def _of_line(each: "LedgerLine") -> Entry:
    return Entry(each.at, each.kind, each.id, f"{words.money(each.amount)}, {each.basis.replace('_', ' ')}")


def _of_delivery(each: "Delivery") -> list[Entry]:
    to, target = f"to {each.handler}", f"{each.target}: " if each.target else ""
    made = [
        Entry(attempt.at, to, each.id, words.clean(f"{target}{attempt.outcome}{_why(attempt.reason)}"))
        for attempt in each.attempts
    ]
    if each.state in ("done", "dead"):
        return made
    return [*made, Entry(each.created_at, to, each.id, words.clean(f"{target}{each.state}{_next(each.next_at)}"))]


def _why(reason: str | None) -> str:
    return f", {reason}" if reason else ""


def _next(when: datetime | None) -> str:
    return f", next {words.moment(when)}" if when else ""
