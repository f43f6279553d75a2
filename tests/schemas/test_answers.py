"""How answers are classified: every class of an answer to an order and to a look, and every form of `Retry-After`.

What single vendors' answers become stands in the golden cases; here is what holds for all of them.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.answers import (
    Busy,
    Missing,
    Refused,
    Unclear,
    denies_success,
    error_from,
    failure_from,
    money_from,
    price_from,
    read_history,
    read_look,
    read_renewal,
    read_submission,
    retry_after,
)
from schemas.event import Failure, Money, Video
from schemas.reading import Reading
from schemas.report import Report, Said
from schemas.values import replace
from schemas.vendor import Accepted, Answer, HistoryPage, VendorError
from tests.support.vendors import terms_of, vendor_named

NOW = datetime(2025, 1, 1, 12, 0, 0, tzinfo=UTC)
VREX = replace(
    vendor_named("vrex"),
    says_no=denies_success,
    quota_codes=frozenset({"QUOTA"}),
    stop_codes=frozenset({"STOP"}),
    videos_from_renewal=lambda payload: (Video(payload["url"].known_text()),),
    history_page=lambda payload, _: HistoryPage((), more=payload["more"].flag() is True),
)
NO_BODY = VendorError("", "")


def answer(status: int, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(status, headers or {}, body if isinstance(body, bytes) else json.dumps(body).encode())


def submitted(status: int, body: Any = None, headers: Mapping[str, str] | None = None) -> Any:
    return read_submission(VREX, answer(status, body, headers), NOW)


def coded(code: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": "m"}}


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_with_an_id_is_an_acceptance(status: int) -> None:
    assert submitted(status, {"id": "vg_1"}) == Accepted("vg_1")


@pytest.mark.parametrize("status", [400, 404, 405, 409, 413, 415, 422, 425, 451, 499])
@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b'"no"', b"{}"])
def test_a_4xx_is_a_refusal_whatever_its_body(status: int, body: bytes) -> None:
    assert submitted(status, body) == Refused(status, NO_BODY)


@pytest.mark.parametrize("status", [401, 402, 403])
def test_a_bad_key_and_an_empty_purse_stop_the_account(status: int) -> None:
    assert submitted(status, coded("X")) == Refused(status, VendorError("X", "m"), balance=status == 402, stops=True)


@pytest.mark.parametrize("status", [100, 301, 302, 307, 408, 500, 502, 503, 504, 520, 599])
@pytest.mark.parametrize("body", [b"", b"<html>", b'{"id": "vg_1"}'])
def test_whatever_leaves_open_whether_the_vendor_has_it_is_unclear(status: int, body: bytes) -> None:
    assert submitted(status, body) == Unclear(f"the vendor answered HTTP {status}")


def test_a_5xx_whose_code_says_that_no_job_was_made_is_a_refusal() -> None:
    assert submitted(500, coded("UPLOAD_ERROR")) == Refused(500, VendorError("UPLOAD_ERROR", "m"))
    assert submitted(500, coded("OTHER")) == Unclear("the vendor answered HTTP 500 OTHER")


@pytest.mark.parametrize(
    "body", [b"", b"accepted", b"\xff", b"{}", b"[]", b"null", b'{"id": 7}', b'{"id": ""}', b'{"id": ".."}']
)
def test_a_2xx_without_a_usable_id_is_unclear(body: bytes) -> None:
    assert isinstance(submitted(200, body), Unclear)


def test_a_2xx_that_says_no_is_a_refusal_even_with_an_id() -> None:
    assert submitted(200, {"success": False, "id": "vg_1", **coded("X")}) == Refused(200, VendorError("X", "m"))
    assert submitted(200, {"success": True, "id": "vg_1"}) == Accepted("vg_1")
    assert submitted(200, {"success": "false", "id": "vg_1"}) == Accepted("vg_1")


def test_a_code_of_an_empty_purse_counts_whatever_the_status() -> None:
    found = submitted(400, coded("WALLET_NOT_FOUND"))
    assert (found.balance, found.stops) == (True, True)


@pytest.mark.parametrize(
    ("code", "headers", "wait", "stops"),
    [
        ("RATE_LIMITED", {}, 60.0, False),
        ("RATE_LIMITED", {"retry-after": "7"}, 7.0, False),
        ("QUOTA", {}, 3600.0, False),
        ("QUOTA", {"retry-after": "90"}, 90.0, False),
        ("STOP", {}, 3600.0, True),
        ("DAILY_CAP_REACHED", {"retry-after": "7"}, 43_200.0, False),
    ],
)
def test_a_429_says_when_to_come_again(code: str, headers: dict[str, str], wait: float, stops: bool) -> None:
    expected = Busy(wait, VendorError(code, "m"), stops=stops)
    assert submitted(429, coded(code), headers) == expected
    assert read_look(VREX, answer(429, coded(code), headers), terms_of(VREX), NOW) == expected


def test_a_429_may_say_the_wait_in_its_body() -> None:
    body = {"error": {"code": "RATE_LIMIT_EXCEEDED", "message": "m", "details": {"retry_after": 42}}}
    assert submitted(429, body).retry_after == 42
    assert submitted(429, body, {"retry-after": "5"}).retry_after == 5
    odd: list[Any] = ["soon", "NaN", [], True, None]
    for wait in odd:
        assert submitted(429, {"error": {"code": "X", "details": {"retry_after": wait}}}).retry_after == 60
    assert submitted(429, b"slow down").retry_after == 60


def test_a_cap_of_the_day_that_is_told_right_after_midnight_is_yesterdays() -> None:
    def told_at(hour: int, minute: int, second: int) -> float:
        moment = datetime(2025, 1, 1, hour, minute, second, tzinfo=UTC)
        found = read_submission(VREX, answer(429, coded("DAILY_CAP_REACHED")), moment)
        assert isinstance(found, Busy)
        return found.retry_after

    # else a clock that goes a second before the vendor's would close the account for a day
    assert (told_at(0, 0, 0), told_at(0, 5, 0), told_at(0, 5, 1)) == (30.0, 30.0, 86_099.0)
    assert told_at(23, 59, 59) == 1


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("30", 30.0),
        (" 30 ", 30.0),
        ("1.5", 1.5),
        ("0", 1.0),
        ("-5", 1.0),
        ("+5", 5.0),
        ("999999", 3600.0),
        ("9" * 400, 3600.0),
        ("Wed, 01 Jan 2025 12:00:30 GMT", 30.0),
        ("Wednesday, 01-Jan-25 12:00:30 GMT", 30.0),
        ("Wed, 01 Jan 2025 13:00:30 +0100", 30.0),
        ("Wed, 01 Jan 2025 11:00:00 GMT", 1.0),
        ("Fri, 01 Jan 2100 00:00:00 GMT", 3600.0),
        ("", None),
        ("soon", None),
        ("NaN", None),
        ("inf", None),
        ("1e3", None),
        ("5-", None),
        ("1.2.3", None),
        ("٣", None),
        ("Wed, 99 Jan 2025 12:00:30 GMT", None),
        ("Wed, 01 Jan 99999999999 12:00:30 GMT", None),
    ],
)
def test_every_form_of_retry_after(value: str, seconds: float | None) -> None:
    assert retry_after(answer(429, headers={"retry-after": value}), NOW) == seconds
    assert retry_after(answer(429, headers={"x-ratelimit-retry-after": value}), NOW) == seconds


def test_without_the_header_there_is_no_wait_and_the_usual_header_goes_first() -> None:
    assert retry_after(answer(429), NOW) is None
    assert retry_after(answer(429, headers={"retry-after": "3", "x-ratelimit-retry-after": "9"}), NOW) == 3


def test_a_header_that_cannot_be_read_leaves_the_word_to_the_next() -> None:
    headers = {"retry-after": "soon", "x-ratelimit-retry-after": "", "x-ratelimit-reset": "7"}
    assert retry_after(answer(429, headers=headers), NOW) == 7
    body = {"error": {"code": "X", "details": {"retry_after": 9}}}
    assert submitted(429, body, {"retry-after": "soon"}).retry_after == 9


@given(st.text(max_size=30))
def test_any_retry_after_is_within_bounds_or_nothing(value: str) -> None:
    found = retry_after(answer(429, headers={"retry-after": value}), NOW)
    assert found is None or 1 <= found <= 3600


def looked(status: int, body: Any = None) -> Any:
    return read_look(VREX, answer(status, body), terms_of(VREX), NOW)


@pytest.mark.parametrize("status", [404, 410])
def test_a_job_that_the_vendor_does_not_know_is_missing_not_failed(status: int) -> None:
    assert looked(status, coded("NOT_FOUND")) == Missing()
    assert looked(status, b"<html>") == Missing()


@pytest.mark.parametrize("status", [301, 304, 400, 405, 408, 409, 422, 500, 502, 503])
def test_any_other_answer_to_a_look_says_nothing(status: int) -> None:
    assert looked(status, {"id": "vg_1", "status": "failed"}) == Unclear(f"the vendor answered HTTP {status}")


@pytest.mark.parametrize("status", [401, 402, 403])
def test_a_look_with_a_bad_key_is_refused(status: int) -> None:
    assert looked(status, coded("X")) == Refused(status, VendorError("X", "m"), balance=status == 402, stops=True)


def test_a_look_gives_a_report_or_why_it_cannot_be_read() -> None:
    assert isinstance(looked(200, {"id": "vg_1", "status": "processing"}), Report)
    assert looked(200, b"<html>") == Unclear("the vendor answered HTTP 200 with a body that is not JSON")
    assert looked(200, {"id": "vg_1"}).reason.startswith("the vendor's answer cannot be read: status")


def test_renewals_and_histories_are_read_alike() -> None:
    assert read_renewal(VREX, answer(200, {"url": "https://e.com/a"}), NOW) == (Video("https://e.com/a"),)
    assert isinstance(read_renewal(VREX, answer(200, {}), NOW), Unclear)
    assert read_renewal(VREX, answer(404), NOW) == Missing()
    assert read_history(VREX, answer(200, {"more": True}), terms_of(VREX), NOW) == HistoryPage((), more=True)
    assert isinstance(read_history(VREX, answer(503), terms_of(VREX), NOW), Unclear)


def test_a_vendor_without_renewal_and_history_has_none() -> None:
    plain = vendor_named("vrex")
    assert read_renewal(plain, answer(200, {}), NOW) == ()
    assert read_history(plain, answer(200, {}), terms_of(plain), NOW) == HistoryPage((), more=False)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"error": {"code": "X", "message": "m"}}, VendorError("X", "m")),
        ({"error": {"code": "X", "message": "m", "type": "billing_error"}}, VendorError("X", "m")),
        ({"error": {"code": 7, "message": ["m"]}}, VendorError("7", "")),
        ({"error": {"message": "m", "details": "why"}}, VendorError("", "m (why)")),
        ({"error": "invalid_api_key", "message": "m"}, VendorError("invalid_api_key", "m")),
        ({"error": "INVALID", "message": "m", "details": "why", "field": "f"}, VendorError("INVALID", "f: m (why)")),
        ({"error": "INVALID", "message": "f must be m", "field": "f"}, VendorError("INVALID", "f must be m")),
        (
            {"error": "A prompt, please", "details": {"prompt": "missing"}},
            VendorError("", "A prompt, please (prompt: missing)"),
        ),
        ({"error": "Prompt is required", "details": {"n": 1}}, VendorError("", "Prompt is required")),
        ({"code": 400, "msg": "m"}, VendorError("400", "m")),
        ({"message": "m"}, VendorError("", "m")),
        ({"detail": "Not found."}, VendorError("", "Not found.")),
        ({"error": None}, NO_BODY),
        ({"error": ["x"]}, NO_BODY),
        ({"error": True, "code": False}, NO_BODY),
        ({}, NO_BODY),
    ],
)
def test_every_shape_of_a_refusal(body: dict[str, Any], error: VendorError) -> None:
    assert error_from(Reading(body)) == error


def test_a_vendors_words_are_cut_to_a_sane_length() -> None:
    assert len(error_from(Reading({"error": {"code": "x" * 9000, "message": "y" * 9000}})).message) == 2000
    failure = failure_from(Reading({"error": "y " * 9000}), Said.FAILED)
    assert failure is not None
    assert len(failure.message) == 2000


@pytest.mark.parametrize(
    ("body", "said", "failure"),
    [
        ({"error": {"code": "X", "message": "m"}}, Said.FAILED, Failure("X", "m")),
        ({"error": {"message": "m"}}, Said.FAILED, Failure("generation_failed", "m")),
        ({"error": {}}, Said.FAILED, Failure("generation_failed", "the vendor gave no reason")),
        ({"error": "It broke"}, Said.FAILED, Failure("generation_failed", "It broke")),
        ({"error": "TIMEOUT"}, Said.FAILED, Failure("TIMEOUT", "TIMEOUT")),
        ({"error": "TIMEOUT", "message": "It took too long"}, Said.FAILED, Failure("TIMEOUT", "It took too long")),
        ({"error_message": "It broke"}, Said.FAILED, Failure("generation_failed", "It broke")),
        ({"message": "It broke"}, Said.FAILED, Failure("generation_failed", "It broke")),
        ({"error": None}, Said.FAILED, Failure("generation_failed", "the vendor gave no reason")),
        ({"error": [1]}, Said.FAILED, Failure("generation_failed", "the vendor gave no reason")),
        ({"error": None, "message": "Going on"}, Said.RUNNING, None),
        ({"error": "warming up"}, None, Failure("generation_failed", "warming up")),
    ],
)
def test_every_shape_of_a_failure(body: dict[str, Any], said: Said | None, failure: Failure | None) -> None:
    assert failure_from(Reading(body), said) == failure


@pytest.mark.parametrize(
    ("value", "amount"),
    [
        (Decimal("0.136"), "0.136"),
        ("240", "240"),
        (0, "0"),
        (10**9, "1000000000"),
        # what is booked is what is told: millionths
        (Decimal("0.30000000000000004"), "0.3"),
        (Decimal("0.1234565"), "0.123457"),
        (Decimal("0.0000005"), "0.000001"),
        (Decimal("0.0000004"), None),
        (10**9 + 1, None),
        (-1, None),
        (None, None),
        ("free", None),
        (True, None),
        ([], None),
    ],
)
def test_an_amount_is_exact_or_nothing(value: Any, amount: str | None) -> None:
    assert money_from(Reading(value), "USD") == (None if amount is None else Money(Decimal(amount), "USD"))


def test_a_price_of_zero_at_acceptance_is_none_yet() -> None:
    assert price_from(Reading(0), "credits") is None
    assert price_from(Reading(None), "credits") is None
    assert price_from(Reading("240"), "credits") == Money(Decimal(240), "credits")


@given(
    st.integers(100, 599),
    st.binary(max_size=40) | st.sampled_from([b'{"error": {"code": []}}', b'{"error": {"details": 1}}']),
)
def test_no_answer_makes_us_stumble(status: int, body: bytes) -> None:
    found = submitted(status, body)
    assert isinstance(found, Accepted | Refused | Busy | Unclear)
    assert isinstance(looked(status, body), Report | Missing | Refused | Busy | Unclear)


@pytest.mark.parametrize(
    ("reset", "seconds"), [("1735732830", 30.0), ("1735732000", 1.0), ("45", 45.0), ("1735999999", 3600.0)]
)
def test_the_end_of_a_window_is_a_moment_or_seconds(reset: str, seconds: float) -> None:
    assert retry_after(answer(429, headers={"x-ratelimit-reset": reset}), NOW) == seconds
    assert retry_after(answer(429, headers={"x-ratelimit-retry-after": "9", "x-ratelimit-reset": reset}), NOW) == 9


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"code": "X", "retry_after": 9}},
        {"error": {"code": "X"}, "retryAfter": "9"},
        {"error": "X", "details": {"retry_after": 9}},
        {"error": "Slow down please", "retry_after": 9},
        {"message": "Slow down", "retry_after": 9},
        {"error": {"code": "X", "details": {"limit": 60, "remaining": 0, "reset": NOW.timestamp() + 9}}},
    ],
)
def test_a_wait_is_found_wherever_a_body_says_it(body: Any) -> None:
    assert submitted(429, body).retry_after == 9


def test_a_wait_is_told_unless_we_guess_it_and_some_hold_for_orders_alone() -> None:
    assert not submitted(429, coded("RATE_LIMITED")).told
    assert submitted(429, coded("RATE_LIMITED"), {"retry-after": "7"}).told
    assert submitted(429, coded("QUOTA")).told
    assert submitted(429, coded("QUEUE_FULL")).orders_only
    assert submitted(429, coded("DAILY_CAP_REACHED")).orders_only
    assert not submitted(429, coded("RATE_LIMITED")).orders_only
