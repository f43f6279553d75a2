"""Report: what one piece of evidence says of a job. Pure data; whether it is believed is settle's matter."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from msgspec import Struct, field

from schemas.event import Failure, Money, Video


class Said(StrEnum):
    """What a vendor's state word means. Its own word stays beside it, as a string."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


class Report(Struct, frozen=True):
    """What a callback, a status answer or a history entry says. None: it does not say."""

    #: The vendor's own word, untouched; "" where it has none.
    word: str
    #: None: a word that we do not know; never terminal.
    said: Said | None
    vendor_job_id: str | None = None
    #: `expires_at` only where the vendor states it.
    videos: tuple[Video, ...] = ()
    #: What the vendor says it took for the clip as it now stands.
    cost: Money | None = None
    #: `refunded` only where the vendor states it.
    failure: Failure | None = None
    occurred_at: datetime | None = None
    model: str | None = None
    duration_seconds: int | float | None = None
    resolution: str | None = None
    #: The vendor's own object, as plain JSON values.
    raw: Mapping[str, Any] = field(default_factory=dict)
