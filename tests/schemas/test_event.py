"""Event, Money, Video, Failure: exact, and the same after a trip through JSON."""

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.json import decode

from schemas.event import (
    Event,
    EventType,
    Failure,
    Money,
    Source,
    Trust,
    Video,
    at,
    micros,
    moment,
    money_from_json,
    rfc3339,
)

WHEN = datetime(2025, 1, 1, 12, 1, 15, tzinfo=UTC)
WHOLE = Event(
    id="evt_1",
    type=EventType.COMPLETED,
    vendor="vrex",
    account="vrex-client",
    job_id="job_1",
    vendor_job_id="vg_1",
    occurred_at=WHEN,
    received_at=WHEN + timedelta(milliseconds=250),
    source=Source.CALLBACK,
    trust=Trust.CONFIRMED,
    prompt="A cat 🎬",
    model="veo-3.1-lite",
    duration_seconds=7.5,
    resolution="720p",
    videos=(Video("https://e.com/a.mp4", "video/mp4", WHEN + timedelta(hours=1)), Video("key", None)),
    cost=Money(Decimal("0.136"), "USD"),
    tags=("a", "b"),
    metadata={"k": {"v": [1, None]}},
    batch="night",
    raw={"id": "vg_1"},
)
FAILED = Event(
    "evt_2", EventType.FAILED, None, None, None, None, WHEN, WHEN, Source.PERSON, Trust.OWN, failure=Failure("x", "y")
)
ALERT = Event(
    "evt_3",
    EventType.RAISED,
    None,
    None,
    None,
    None,
    WHEN,
    WHEN,
    Source.CLIPBELL,
    Trust.OWN,
    detail={"code": "disk.low"},
)


def test_an_event_has_the_shape_of_the_contract_to_the_letter() -> None:
    assert WHOLE.to_json() == {
        "id": "evt_1",
        "version": 1,
        "type": "video.completed",
        "vendor": "vrex",
        "account": "vrex-client",
        "job_id": "job_1",
        "vendor_job_id": "vg_1",
        "occurred_at": "2025-01-01T12:01:15Z",
        "received_at": "2025-01-01T12:01:15.250Z",
        "source": "callback",
        "trust": "confirmed",
        "prompt": "A cat 🎬",
        "model": "veo-3.1-lite",
        "duration_seconds": 7.5,
        "resolution": "720p",
        "videos": [
            {"url": "https://e.com/a.mp4", "mime_type": "video/mp4", "expires_at": "2025-01-01T13:01:15Z"},
            {"url": "key", "mime_type": None, "expires_at": None},
        ],
        "cost": {"amount": "0.136", "unit": "USD"},
        "failure": None,
        "tags": ["a", "b"],
        "metadata": {"k": {"v": [1, None]}},
        "batch": "night",
        "detail": None,
        "raw": {"id": "vg_1"},
    }


def test_a_failure_says_whether_money_came_back_and_who_says_so() -> None:
    failed = Failure("upstream_error", "It broke", refunded=True, refund_basis="vendor_policy")
    assert failed.to_json() == {
        "code": "upstream_error",
        "message": "It broke",
        "refunded": True,
        "refund_basis": "vendor_policy",
    }


@pytest.mark.parametrize("event", [WHOLE, FAILED, ALERT], ids=["completed", "failed", "alert"])
def test_an_event_is_the_same_after_a_trip_through_json(event: Event) -> None:
    assert decode(json.dumps(event.to_json()), type=Event) == event


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("0.136", "0.136"),
        ("0.1360", "0.136"),
        ("40", "40"),
        ("40.0", "40"),
        ("3000", "3000"),
        ("3E+3", "3000"),
        ("-0.102", "-0.102"),
        ("0.000001", "0.000001"),
        ("0.0000001", "0.0000001"),
        ("1E-7", "0.0000001"),
        ("0", "0"),
        ("0.00", "0"),
        ("-0.0", "0"),
        ("0E+5", "0"),
        ("123456789012345.678901", "123456789012345.678901"),
    ],
)
def test_an_amount_is_a_plain_decimal_string(amount: str, text: str) -> None:
    money = Money(Decimal(amount), "USD")
    assert money.to_json() == {"amount": text, "unit": "USD"}
    assert money_from_json(money.to_json()) == money


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        ("0.136", 136_000),
        ("-0.136", -136_000),
        ("240", 240_000_000),
        ("0.000001", 1),
        ("0.0000004", 0),
        ("0.0000005", 1),
        ("0.0000015", 2),
        ("0.0000025", 3),
        ("-0.0000005", -1),
        ("1000000000.000001", 1_000_000_000_000_001),
    ],
)
def test_an_amount_is_stored_in_millionths_rounded_half_up(amount: str, expected: int) -> None:
    assert Money(Decimal(amount), "credits").micros == expected


@given(st.integers(-(10**15), 10**15))
def test_what_is_stored_comes_back_exactly(stored: int) -> None:
    money = Money.of_micros(stored, "USD")
    assert money.micros == stored
    assert money_from_json(money.to_json()) == money


def test_unknown_is_never_zero() -> None:
    assert money_from_json(None) is None
    assert money_from_json({"amount": "0", "unit": "USD"}) == Money(Decimal(0), "USD")


@pytest.mark.parametrize(
    ("url", "is_url"),
    [
        ("https://e.com/a.mp4", True),
        ("http://e.com/a", True),
        ("video-gen/a.mp4", False),
        ("", False),
        ("s3://b/a", False),
    ],
)
def test_a_key_of_an_object_is_no_url(url: str, is_url: bool) -> None:
    assert Video(url).is_url is is_url


@pytest.mark.parametrize(
    ("when", "text"),
    [
        (WHEN, "2025-01-01T12:01:15Z"),
        (WHEN.replace(microsecond=250_000), "2025-01-01T12:01:15.250Z"),
        (WHEN.replace(microsecond=1), "2025-01-01T12:01:15.000001Z"),
        (WHEN.astimezone(timezone(timedelta(hours=-7))), "2025-01-01T12:01:15Z"),
    ],
)
def test_times_are_rfc_3339_in_utc(when: datetime, text: str) -> None:
    assert rfc3339(when) == text
    assert moment(text) == when


def test_no_time_stays_no_time() -> None:
    assert rfc3339(None) is None
    assert moment(None) is None


@given(st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - hypothesis adds the zone
def test_a_moment_survives_both_of_its_written_forms(when: datetime) -> None:
    assert at(micros(when)) == when
    assert moment(rfc3339(when)) == when
