"""Event, Video, Money, Failure: the one shape in which everybody is told, whichever vendor it was.

The JSON form is that of the contract (version 1): times RFC 3339 in UTC, amounts decimal strings. Nothing here
knows a vendor.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import Any, Literal

from msgspec import Struct, field

Unit = Literal["USD", "credits"]
MICROS = 1_000_000
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class EventType(StrEnum):
    """What an event can be."""

    COMPLETED = "video.completed"
    FAILED = "video.failed"
    SAVED = "clip.saved"
    RAISED = "alert.raised"
    CLEARED = "alert.cleared"


class Source(StrEnum):
    """Which door the news came through."""

    CALLBACK = "callback"
    POLL = "poll"
    HISTORY = "history"
    PERSON = "person"
    CLIPBELL = "clipbell"


class Trust(StrEnum):
    """Why we believe it: the callback's token, a second look at the vendor, a look, or our own word."""

    TOKEN = "token"  # noqa: S105 - a word of the contract, not a secret
    CONFIRMED = "confirmed"
    POLLED = "polled"
    OWN = "own"


class Money(Struct, frozen=True):
    """An exact amount. `amount` is in `unit`; negative for a refund. Stored as integer millionths."""

    amount: Decimal
    unit: Unit

    @property
    def micros(self) -> int:
        """The amount in millionths of its unit, rounded half up where a vendor is finer than that."""
        return int((self.amount * MICROS).to_integral_value(ROUND_HALF_UP))

    @classmethod
    def of_micros(cls, micros: int, unit: Unit) -> "Money":
        """Read a stored amount."""
        return cls(Decimal(micros) / MICROS, unit)

    def to_json(self) -> dict[str, str]:
        """Say the amount as a plain decimal string: `{"amount": "0.136", "unit": "USD"}`."""
        text = f"{self.amount:f}" if self.amount else "0"
        return {"amount": text.rstrip("0").rstrip(".") if "." in text else text, "unit": self.unit}


class Video(Struct, frozen=True):
    """One file of a clip. `expires_at`: when `url` dies, None where nobody knows or it does not."""

    url: str
    mime_type: str | None = "video/mp4"
    expires_at: datetime | None = None

    @property
    def is_url(self) -> bool:
        """Whether `url` can be fetched at all (Vrex's `raw_key` gives an object key instead)."""
        return self.url.startswith(("https://", "http://"))

    @property
    def is_usable(self) -> bool:
        """Whether `url` is one that can be fetched, or an object key, and not an address of some other kind."""
        return self.is_url or not _SCHEME.match(self.url)

    def to_json(self) -> dict[str, str | None]:
        """Say it in the contract's shape."""
        return {"url": self.url, "mime_type": self.mime_type, "expires_at": rfc3339(self.expires_at)}


class Failure(Struct, frozen=True):
    """Why a clip failed. `refunded` None: nobody said; `refund_basis`: `vendor_figure` or `vendor_policy`."""

    code: str
    message: str
    refunded: bool | None = None
    refund_basis: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Say it in the contract's shape."""
        return {
            "code": self.code,
            "message": self.message,
            "refunded": self.refunded,
            "refund_basis": self.refund_basis,
        }


class Event(Struct, frozen=True):
    """Something people and programs are told of. Field by field the contract's section 5."""

    id: str
    type: EventType
    vendor: str | None
    account: str | None
    job_id: str | None
    vendor_job_id: str | None
    occurred_at: datetime
    received_at: datetime
    source: Source
    trust: Trust
    #: As ordered, not as the vendor echoes it.
    prompt: str | None = None
    model: str | None = None
    #: The vendor's word, else as ordered.
    duration_seconds: int | float | None = None
    resolution: str | None = None
    videos: tuple[Video, ...] = ()
    cost: Money | None = None
    failure: Failure | None = None
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    batch: str | None = None
    #: What an alert or a saved clip is about; None for videos.
    detail: Mapping[str, Any] | None = None
    #: The vendor's own object, untouched.
    raw: Mapping[str, Any] = field(default_factory=dict)
    version: int = 1

    def to_json(self) -> dict[str, Any]:
        """Say it in the contract's shape."""
        return {
            "id": self.id,
            "version": self.version,
            "type": self.type.value,
            "vendor": self.vendor,
            "account": self.account,
            "job_id": self.job_id,
            "vendor_job_id": self.vendor_job_id,
            "occurred_at": rfc3339(self.occurred_at),
            "received_at": rfc3339(self.received_at),
            "source": self.source.value,
            "trust": self.trust.value,
            "prompt": self.prompt,
            "model": self.model,
            "duration_seconds": self.duration_seconds,
            "resolution": self.resolution,
            "videos": [v.to_json() for v in self.videos],
            "cost": self.cost.to_json() if self.cost else None,
            "failure": self.failure.to_json() if self.failure else None,
            "tags": list(self.tags),
            "metadata": dict(self.metadata),
            "batch": self.batch,
            "detail": dict(self.detail) if self.detail is not None else None,
            "raw": dict(self.raw),
        }


def money_from_json(data: Mapping[str, Any] | None) -> Money | None:
    """Read an amount in the contract's shape; None stays None (unknown is never zero)."""
    return Money(Decimal(data["amount"]), data["unit"]) if data else None


def rfc3339(when: datetime | None) -> str | None:
    """Say a moment in UTC, with as many digits as it needs: `2025-01-01T12:01:15Z`, `…15.250Z`."""
    if when is None:
        return None
    if when.tzinfo is not UTC:
        when = when.astimezone(UTC)
    # what isoformat says ends in +00:00, before it six digits or none
    text = when.isoformat()
    return f"{text[:-9] if when.microsecond and not when.microsecond % 1000 else text[:-6]}Z"


def moment(text: str | None) -> datetime | None:
    """Read an RFC 3339 time of our own writing."""
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)


def at(micros: int) -> datetime:
    """Turn stored microseconds since 1970 UTC into a moment."""
    return _EPOCH + timedelta(microseconds=micros)


def micros(when: datetime) -> int:
    """Turn a moment into microseconds since 1970 UTC, as the store keeps them."""
    since = when - _EPOCH
    return (since.days * 86_400 + since.seconds) * MICROS + since.microseconds
