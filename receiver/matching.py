"""Matching: which entry of a vendor's history is the order whose answer was lost. Pure.

The prompt, the model and the time have to agree, and no other job of ours may have the id. One entry left is ours.
Several are not guessed at, unless the orders that were lost are one and the same: then either may have either.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from receiver.limits import SECOND
from schemas.event import micros
from schemas.job import Job
from schemas.vendor import HistoryEntry

#: How far a vendor's clock may be from ours, and how long an order may lie in its hands before it notes it.
BEFORE, AFTER = 120 * SECOND, 300 * SECOND
#: A prompt that is cut must still say so much.
SHORTEST_CUT = 12
_CUT = re.compile(r"(\.\.\.|…)\s*$")
# a vendor's older names for the same model end otherwise
_VERSION = re.compile(r"-(preview|\d{3})$")


@dataclass(frozen=True, slots=True)
class Nothing:
    """No entry can be the order, for now."""


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """Several entries could be the order; `ids` at the vendor."""

    ids: tuple[str, ...]


Match = HistoryEntry | Nothing | Ambiguous


def began(job: Job) -> int:
    """When an order went out."""
    return job.sent_at or job.created_at


def may_be(entry: HistoryEntry, job: Job, submit_timeout: float) -> bool:
    """Whether an entry agrees with an order in all that both of them say."""
    if entry.created_at is None or entry.report.vendor_job_id is None or not _says(entry, _prompt_of(job)):
        return False
    sent = began(job)
    if not sent - BEFORE <= micros(entry.created_at) <= sent + int(submit_timeout * SECOND) + AFTER:
        return False
    return job.model is None or entry.report.model is None or _family(job.model) == _family(entry.report.model)


def chosen(job: Job, entries: Sequence[HistoryEntry], rivals: Sequence[Job]) -> Match:
    """The entry that is an order, out of those that it may be and that no job has.

    `rivals`: all lost orders, this one among them, that any of these entries may be.
    """
    found = sorted(entries, key=lambda entry: (micros(entry.created_at) if entry.created_at else 0, _id(entry)))
    if not found:
        return Nothing()
    others = [rival for rival in rivals if rival.id != job.id]
    if len(found) == 1 and not others:
        return found[0]
    same = sorted([job, *(rival for rival in others if rival.order_sha256 == job.order_sha256)], key=began)
    if len(same) <= len(others) or len(found) > len(same) or job.order_sha256 is None:
        return Ambiguous(tuple(_id(entry) for entry in found))
    # one order placed several times: the first gets the first, and whoever comes too late waits for his own
    place = [each.id for each in same].index(job.id)
    return found[place] if place < len(found) else Nothing()


def _prompt_of(job: Job) -> str:
    said = job.params.get("prompt")
    return (said if isinstance(said, str) else job.prompt or "").strip()


def _says(entry: HistoryEntry, prompt: str) -> bool:
    said = (entry.prompt or "").strip()
    if not said:
        return False
    cut = _CUT.sub("", said)
    return said == prompt or (len(said) > len(cut) >= SHORTEST_CUT and prompt.startswith(cut))


def _family(model: str) -> str:
    return _VERSION.sub("", model)


def _id(entry: HistoryEntry) -> str:
    return entry.report.vendor_job_id or ""
