"""Filters: by what each list of the API can be asked for, and what a filter takes.

Some words, whole numbers of a range, or any text (None).
"""

from collections.abc import Iterator, Mapping

from receiver.alerts import WORDS
from receiver.store import auditing
from schemas.errors import Problem
from schemas.event import EventType, Source, Trust
from schemas.job import JobState, Origin

Taken = tuple[str, ...] | range | None
#: filter -> what it takes
Filters = Mapping[str, Taken]

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
    "vendor_job_id": None,
    "source": tuple(source.value for source in Source),
    "trust": tuple(trust.value for trust in Trust),
    "model": None,
    "tag": None,
    "batch": None,
}
DELIVERIES: Filters = {"state": DELIVERY_STATES, "handler": None, "target": None, "event_id": None, "job_id": None}
#: What can be tried again.
RETRIES: Filters = {**DELIVERIES, "state": ("dead", "pending")}
EVIDENCE: Filters = {
    "job_id": None,
    "account": None,
    "kind": EVIDENCE_KINDS,
    "verdict": VERDICTS,
    "status": range(100, 1000),
    "sha256": None,
}
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
    """Everything that its filter does not take."""
    for name, value in given.items():
        taken = filters.get(name)
        if isinstance(taken, range):
            if value_of(value, taken) is None:
                yield Problem(name, f"must be a whole number from {taken[0]} to {taken[-1]}")
        elif taken is not None and value not in taken:
            yield Problem(name, f"must be one of {', '.join(taken)}")


def value_of(text: object, taken: range) -> int | None:
    """The number that a text says; None: it says none of these."""
    said = str(text)
    number = int(said) if said.isascii() and said.isdecimal() and len(said) <= len(str(taken[-1])) else None
    return number if number in taken else None
