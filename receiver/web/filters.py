"""Filters: by what each list of the API can be asked for, and the words that a filter takes; None: any text."""

from collections.abc import Iterator, Mapping

from receiver.alerts import WORDS
from receiver.store import auditing
from schemas.errors import Problem
from schemas.event import EventType, Source
from schemas.job import JobState, Origin

#: filter -> its words
Filters = Mapping[str, tuple[str, ...] | None]

JOB_STATES = tuple(state.value for state in JobState)
DELIVERY_STATES = ("pending", "running", "done", "dead", "parked")
EVIDENCE_KINDS = ("submit", "status", "callback", "history", "person")
VERDICTS = ("accepted", "duplicate", "contradiction", "mismatch", "unknown_word", "unreadable")
LINE_KINDS = ("charge", "refund", "unknown")
BASES = ("vendor_figure", "price_list")

JOBS: Filters = {
    "state": JOB_STATES,
    "vendor": None,
    "account": None,
    "origin": tuple(origin.value for origin in Origin),
    "batch": None,
    "tag": None,
    "vendor_job_id": None,
    "model": None,
    "settled_by": tuple(source.value for source in Source if source is not Source.CLIPBELL),
}
EVENTS: Filters = {
    "type": tuple(kind.value for kind in EventType),
    "job_id": None,
    "vendor": None,
    "account": None,
    "batch": None,
}
DELIVERIES: Filters = {"state": DELIVERY_STATES, "handler": None, "target": None, "event_id": None, "job_id": None}
#: What can be tried again.
RETRIES: Filters = {**DELIVERIES, "state": ("dead", "pending")}
EVIDENCE: Filters = {"job_id": None, "account": None, "kind": EVIDENCE_KINDS, "verdict": VERDICTS, "sha256": None}
ALERTS: Filters = {"code": tuple(WORDS), "subject": None, "job_id": None, "all": ("true", "false")}
CLIPS: Filters = {"job_id": None, "handler": None, "sha256": None}
LEDGER: Filters = {
    "job_id": None,
    "vendor": None,
    "account": None,
    "kind": LINE_KINDS,
    "basis": BASES,
    "evidence_id": None,
}
FINDINGS: Filters = {"job_id": None, "vendor": None, "account": None, "kind": tuple(auditing.KINDS)}
SUMS: Filters = {"by": ("vendor", "account", "day", "model", "tag")}


def problems_in(given: Mapping[str, object], filters: Filters) -> Iterator[Problem]:
    """Every word that its filter does not know."""
    for name, value in given.items():
        words = filters.get(name)
        if words is not None and value not in words:
            yield Problem(name, f"must be one of {', '.join(words)}")
