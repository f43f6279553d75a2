"""Job, its states and the table of transitions: every legal step is an entry, what is not in it is an error.

A verdict (`completed`, `failed`) is final. `unknown` is never sent again by itself. `unknown`, `rejected` and
`abandoned` still yield to evidence that is bound to the job. Times are microseconds since 1970 UTC.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from msgspec import Struct, field

from schemas.errors import IllegalTransition
from schemas.event import Failure, Money, Source, Trust, Video, at, rfc3339


class JobState(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    SUBMITTING = "submitting"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    ABANDONED = "abandoned"


class Origin(StrEnum):
    """Who placed the order: we, another program whose job we took over, or one that we expect to."""

    ORDERED = "ordered"
    ADOPTED = "adopted"
    EXPECTED = "expected"


S = JobState
_VERDICTS = frozenset({S.COMPLETED, S.FAILED})
_EVIDENCE = _VERDICTS | {S.RUNNING}
TRANSITIONS: Mapping[JobState, frozenset[JobState]] = {
    # back to queued: provably not sent, or the vendor was busy, and the order may wait
    S.QUEUED: frozenset({S.SUBMITTING, S.REJECTED}),
    S.SUBMITTING: _EVIDENCE | {S.QUEUED, S.REJECTED, S.UNKNOWN},
    S.RUNNING: _VERDICTS | {S.ABANDONED},
    S.UNKNOWN: _EVIDENCE | {S.REJECTED, S.ABANDONED},
    S.REJECTED: _EVIDENCE,
    # a person may still say that one of unknown fate was never sent
    S.ABANDONED: _EVIDENCE | {S.REJECTED},
    S.COMPLETED: frozenset(),
    S.FAILED: frozenset(),
}
VERDICTS = _VERDICTS


def check_transition(old: JobState, new: JobState) -> None:
    """Refuse a step that the table does not know; staying is always legal.

    Raises: IllegalTransition.
    """
    if new is not old and new not in TRANSITIONS[old]:
        raise IllegalTransition(f"a job cannot go from {old} to {new}")


class Claim(Struct, frozen=True):
    """A verdict told by callback that awaits a second look at the vendor before it is believed."""

    said: str
    evidence_id: str
    at: int


class Job(Struct, frozen=True):
    """One order and what became of it. The fields up to `settled_at` are the contract's."""

    id: str
    vendor: str
    account: str
    state: JobState
    created_at: int
    origin: Origin = Origin.ORDERED
    vendor_job_id: str | None = None
    prompt: str | None = None
    model: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    batch: str | None = None
    estimate: Money | None = None
    cost: Money | None = None
    videos: tuple[Video, ...] = ()
    failure: Failure | None = None
    overdue_at: int | None = None
    #: Whether a callback URL was registered with the vendor.
    callback: bool = False
    settled_by: Source | None = None
    submitted_at: int | None = None
    settled_at: int | None = None
    # --- ours alone ---
    idempotency_key: str | None = None
    #: SHA-256 of the whole order, under which its bytes are kept.
    order_sha256: str | None = None
    #: Seconds of film as ordered, where the vendor has such a choice.
    seconds: int | None = None
    #: The picture's size or ratio as ordered: `1280x720`, `16:9`.
    picture: str | None = None
    #: What the ledger holds for this job so far, with the unit of the account.
    booked: Money | None = None
    #: The estimate as it was when the order was placed; `estimate` follows the vendor's own figure.
    quote: Money | None = None
    claim: Claim | None = None
    #: When the keeper should next do something about it; None: never.
    next_at: int | None = None
    give_up_at: int | None = None
    #: When an order that waited in the queue was let go, last; its money counts from then. None: it did not wait.
    sent_at: int | None = None
    #: Looks made so far, and how often a submission was tried.
    looks: int = 0
    tries: int = 0
    #: Moves with every claim of the keeper; a late writer's is stale.
    fence: int = 0

    @property
    def is_settled(self) -> bool:
        """Whether a verdict was reached."""
        return self.state in VERDICTS

    def to_json(self, event_ids: tuple[str, ...] = ()) -> dict[str, Any]:
        """Say it in the contract's shape."""
        return {
            "id": self.id,
            "vendor": self.vendor,
            "account": self.account,
            "origin": self.origin.value,
            "state": self.state.value,
            "vendor_job_id": self.vendor_job_id,
            "prompt": self.prompt,
            "model": self.model,
            "params": dict(self.params),
            "tags": list(self.tags),
            "metadata": dict(self.metadata),
            "batch": self.batch,
            "estimate": self.estimate.to_json() if self.estimate else None,
            "cost": self.cost.to_json() if self.cost else None,
            "videos": [v.to_json() for v in self.videos],
            "failure": self.failure.to_json() if self.failure else None,
            "overdue_at": _time(self.overdue_at),
            "callback": self.callback,
            "settled_by": self.settled_by.value if self.settled_by else None,
            "created_at": _time(self.created_at),
            "submitted_at": _time(self.submitted_at),
            "settled_at": _time(self.settled_at),
            "event_ids": list(event_ids),
        }


def _time(micros: int | None) -> str | None:
    return None if micros is None else rfc3339(at(micros))


__all__ = [
    "TRANSITIONS",
    "VERDICTS",
    "Claim",
    "Job",
    "JobState",
    "Origin",
    "Source",
    "Trust",
    "check_transition",
]
