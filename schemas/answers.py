"""How a vendor's HTTP answers are classified, in one way for every vendor. Pure.

To an order: accepted, refused, busy, or unclear (the vendor may have it). To a look: a report, or why there is none.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

from schemas.errors import Unreadable
from schemas.event import Failure, Money, Unit, Video
from schemas.reading import Reading
from schemas.report import Report, Said
from schemas.units import DAY
from schemas.vendor import Accepted, Answer, HistoryPage, Terms, Vendor, VendorError, until_midnight

_SECONDS = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?")
_UNIX = 1_500_000_000.0
#: Headers that say how long to wait, and fields of a body; the first that can be read goes first.
_WAITS = ("retry-after", "x-ratelimit-retry-after", "x-ratelimit-reset")
_WAIT_FIELDS = ("retry_after", "retryAfter", "reset")
#: A cap of the day that is told so soon after midnight is yesterday's: the vendor's clock is a little behind ours.
_NEW_DAY, _NEW_DAY_WAIT = 300.0, 30.0
SHORTEST_WAIT, LONGEST_WAIT, USUAL_WAIT = 1.0, 3600.0, 60.0
#: More than any clip costs, in any unit; keeps a mad figure out of the books.
MOST = 1_000_000_000
LONGEST_WORDS = 2000


@dataclass(frozen=True, slots=True)
class Refused:
    """The vendor said no; no job was made. `balance`: for want of money. `stops`: until a person acts."""

    status: int
    error: VendorError
    balance: bool = False
    stops: bool = False


@dataclass(frozen=True, slots=True)
class Busy:
    """Too many requests; come again after so many seconds. `stops`: a spending limit that a person must lift."""

    retry_after: float
    error: VendorError
    stops: bool = False
    #: Whether the vendor said or documents how long; else it is a guess of ours.
    told: bool = field(default=True, compare=False)
    #: Whether it holds for orders alone, so that looks may go on.
    orders_only: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Unclear:
    """No verdict can be drawn from this answer; `reason` in words."""

    reason: str


@dataclass(frozen=True, slots=True)
class Missing:
    """The vendor does not know the job, or not yet."""


SubmitOutcome = Accepted | Refused | Busy | Unclear
T = TypeVar("T")
NoNews = Missing | Refused | Busy | Unclear
LookOutcome = Report | NoNews


def read_submission(vendor: Vendor, answer: Answer, now: datetime) -> SubmitOutcome:
    """Classify the answer to an order. In doubt it is `Unclear`: such an order is never sent again."""
    payload = _payload(answer)
    if 200 <= answer.status < 300:
        return _read_success(vendor, answer, payload)
    error = _error(vendor, payload)
    if answer.status == 429:
        return _busy(vendor, answer, error, now)
    if 400 <= answer.status < 500 and answer.status != 408:
        return _refused(vendor, answer.status, error)
    if answer.status >= 500 and error.code in vendor.unsent_codes:
        return _refused(vendor, answer.status, error)
    return Unclear(f"the vendor answered HTTP {answer.status}{f' {error.code}' if error.code else ''}")


def _read_success(vendor: Vendor, answer: Answer, payload: Reading | None) -> SubmitOutcome:
    if payload is None:
        return Unclear(f"the vendor answered HTTP {answer.status} with a body that is not JSON")
    try:
        if vendor.says_no(payload):
            return _refused(vendor, answer.status, _error(vendor, payload))
        return vendor.accepted(payload)
    except Unreadable as error:
        return Unclear(f"the vendor answered HTTP {answer.status}, but {error}")


def read_look(vendor: Vendor, answer: Answer, terms: Terms, now: datetime) -> LookOutcome:
    """Classify the answer to a look at one job."""
    return _read(vendor, answer, now, lambda payload: vendor.report_from_status(payload, terms))


def read_renewal(vendor: Vendor, answer: Answer, now: datetime) -> tuple[Video, ...] | NoNews:
    """Classify the answer to `renew_request`: the videos with fresh URLs, or why there are none."""
    return _read(vendor, answer, now, vendor.videos_from_renewal)


def read_history(vendor: Vendor, answer: Answer, terms: Terms, now: datetime) -> HistoryPage | NoNews:
    """Classify the answer to `history_request`."""
    return _read(vendor, answer, now, lambda payload: vendor.history_page(payload, terms))


def _read(vendor: Vendor, answer: Answer, now: datetime, read: Callable[[Reading], T]) -> T | NoNews:
    payload = _payload(answer)
    if answer.status == 429:
        return _busy(vendor, answer, _error(vendor, payload), now)
    if answer.status in (404, 410):
        return Missing()
    if answer.status in (401, 402, 403):
        return _refused(vendor, answer.status, _error(vendor, payload))
    is_success = 200 <= answer.status < 300
    if not is_success or payload is None:
        odd = " with a body that is not JSON" if is_success else ""
        return Unclear(f"the vendor answered HTTP {answer.status}{odd}")
    try:
        return read(payload)
    except Unreadable as error:
        return Unclear(f"the vendor's answer cannot be read: {error}")


def denies_success(payload: Reading) -> bool:
    """Whether a body says `success: false`."""
    return payload["success"].value is False


def retry_after(answer: Answer, now: datetime) -> float | None:
    """Seconds that the headers ask for, within 1 s to 1 h; None where they say nothing.

    `Retry-After` (a number or a date) goes before a vendor's own header, and that before the end of the window.
    """
    texts = (answer.headers.get(name, "").strip() for name in _WAITS)
    return next((wait for text in texts if text and (wait := _wait(text, now)) is not None), None)


def _wait(text: str, now: datetime) -> float | None:
    try:
        seconds = float(text) if _SECONDS.fullmatch(text) else _seconds_to(text, now)
    except (ValueError, TypeError, OverflowError):
        return None
    return _until(seconds, now)


def _until(seconds: float, now: datetime) -> float:
    # so large a number is a moment: Unix seconds
    return clamp(seconds - now.timestamp() if _UNIX < seconds < 2 * _UNIX else seconds)


def clamp(seconds: float) -> float:
    """Hold a wait within 1 s to 1 h."""
    return min(max(seconds, SHORTEST_WAIT), LONGEST_WAIT)


def _seconds_to(text: str, now: datetime) -> float:
    when = parsedate_to_datetime(text)
    return ((when if when.tzinfo else when.replace(tzinfo=UTC)) - now).total_seconds()


def _payload(answer: Answer) -> Reading | None:
    try:
        return Reading.parse(answer.body)
    except Unreadable:
        return None


def _error(vendor: Vendor, payload: Reading | None) -> VendorError:
    if payload is None or not isinstance(payload.value, dict):
        return VendorError("", "")
    return vendor.error(payload)


def _refused(vendor: Vendor, status: int, error: VendorError) -> Refused:
    balance = status == 402 or error.code in vendor.balance_codes
    return Refused(status, error, balance=balance, stops=status in (401, 402, 403) or balance)


def _busy(vendor: Vendor, answer: Answer, error: VendorError, now: datetime) -> Busy:
    code = error.code
    stops = code in vendor.stop_codes
    orders_only = stops or code in vendor.order_codes or code in vendor.midnight_codes
    if code in vendor.midnight_codes:
        return Busy(_until_next_day(now), error, orders_only=orders_only)
    wait = retry_after(answer, now)
    if wait is None and error.retry_after is not None:
        wait = _until(error.retry_after, now)
    if wait is not None:
        return Busy(wait, error, stops=stops, orders_only=orders_only)
    told = stops or code in vendor.quota_codes
    return Busy(LONGEST_WAIT if told else USUAL_WAIT, error, stops=stops, told=told, orders_only=orders_only)


def _until_next_day(now: datetime) -> float:
    left = until_midnight(now)
    return left if left < DAY - _NEW_DAY else _NEW_DAY_WAIT


def error_from(payload: Reading) -> VendorError:
    """Read the usual refusal shapes: `{"error": {"code", "message"}}`, `{"error": "code", "message"}`, a sentence."""
    found = payload.maybe("error")
    if isinstance(found.value, dict):
        return VendorError(_word(found, "code"), _sentence(found), _wait_in(found) or _wait_in(payload))
    said, wait = _word(found), _wait_in(payload)
    if not said:
        return VendorError(_word(payload, "code"), _sentence(payload), wait)
    if " " in said:
        return VendorError("", said + _details(payload), wait)
    return VendorError(said, _sentence(payload), wait)


def _wait_in(payload: Reading) -> float | None:
    """Seconds to wait, where a refusal's body says them."""
    for place in (payload.maybe("details"), payload):
        for name in _WAIT_FIELDS:
            wait = place.maybe(name).maybe_number()
            if wait is not None:
                return float(wait)
    return None


def failure_from(payload: Reading, said: Said | None, refunded: bool | None = None) -> Failure | None:
    """Read why a clip failed: `error` is a string, an object `{"code", "message"}` or null, beside it a `message`.

    One that failed always has a reason; one that did not has what its `error` says, if it says anything.
    """
    code = words = ""
    found = payload.maybe("error")
    if found.is_null and said is not Said.FAILED:
        return None
    if isinstance(found.value, dict):
        code, words = _word(found, "code"), _word(found, "message")
    else:
        text = _word(found)
        code, words = ("", text) if " " in text else (text, "")
    if not (code or words) and said is not Said.FAILED:
        return None
    words = words or _word(payload, "error_message") or _word(payload, "message") or code
    return Failure(code or "generation_failed", words or "the vendor gave no reason", refunded)


def money_from(amount: Reading, unit: Unit) -> Money | None:
    """Read an amount as it is kept, in millionths; what is no sensible amount, or too fine to be kept, says nothing."""
    found = amount.maybe_number()
    if found is None or not 0 <= found <= MOST:
        return None
    # a binary fraction written out, 0.30000000000000004, would be told so and booked as 0.3
    kept = Money.of_micros(Money(found, unit).micros, unit)
    return None if found and not kept.amount else kept


def price_from(amount: Reading, unit: Unit) -> Money | None:
    """Read what an order costs out of the answer that takes it; a zero there only says that nothing is taken yet."""
    found = money_from(amount, unit)
    return found if found is not None and found.amount else None


def _sentence(payload: Reading) -> str:
    words = _word(payload, "message") or _word(payload, "msg") or _word(payload, "detail")
    field = _word(payload, "field")
    return (f"{field}: {words}" if field and field.lower() not in words.lower() else words) + _details(payload)


def _details(payload: Reading) -> str:
    """What a refusal says beside its sentence: `details`, as text or by field."""
    details = payload.maybe("details").value
    if isinstance(details, str):
        return f" ({details[:LONGEST_WORDS]})"
    if not isinstance(details, dict):
        return ""
    by_field = "; ".join(f"{name}: {why}" for name, why in details.items() if isinstance(why, str))
    return f" ({by_field[:LONGEST_WORDS]})" if by_field else ""


def _word(payload: Reading, *names: str) -> str:
    value = payload.maybe(*names).value
    return str(value)[:LONGEST_WORDS] if isinstance(value, (str, int)) and not isinstance(value, bool) else ""
