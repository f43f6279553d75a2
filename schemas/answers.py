"""How a vendor's HTTP answers are classified, in one way for every vendor. Pure.

To an order: accepted, refused, busy, or unclear (the vendor may have it). To a look: a report, or why there is none.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from schemas.errors import Unreadable
from schemas.event import Failure
from schemas.reading import Reading
from schemas.report import Report, Said
from schemas.vendor import Accepted, Answer, Terms, Vendor, VendorError, until_midnight

SHORTEST_WAIT, LONGEST_WAIT, USUAL_WAIT = 1.0, 3600.0, 60.0


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


@dataclass(frozen=True, slots=True)
class Unclear:
    """No verdict can be drawn from this answer; `reason` in words."""

    reason: str


@dataclass(frozen=True, slots=True)
class Missing:
    """The vendor does not know the job, or not yet."""


SubmitOutcome = Accepted | Refused | Busy | Unclear
LookOutcome = Report | Missing | Refused | Busy | Unclear


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
    payload = _payload(answer)
    if answer.status == 429:
        return _busy(vendor, answer, _error(vendor, payload), now)
    if answer.status in (404, 410):
        return Missing()
    if answer.status in (401, 402, 403):
        return _refused(vendor, answer.status, _error(vendor, payload))
    if not 200 <= answer.status < 300:
        return Unclear(f"the vendor answered HTTP {answer.status}")
    if payload is None:
        return Unclear(f"the vendor answered HTTP {answer.status} with a body that is not JSON")
    try:
        return vendor.report_from_status(payload, terms)
    except Unreadable as error:
        return Unclear(f"the vendor's answer cannot be read: {error}")


def retry_after(answer: Answer, now: datetime) -> float | None:
    """Seconds that a `Retry-After` asks for (a number or a date), within 1 s to 1 h; None where it says nothing."""
    text = (answer.headers.get("retry-after") or answer.headers.get("x-ratelimit-retry-after") or "").strip()
    if not text:
        return None
    try:
        seconds = float(text) if text.replace(".", "", 1).lstrip("+-").isdecimal() else _seconds_to(text, now)
    except (ValueError, TypeError, OverflowError):
        return None
    return clamp(seconds)


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
    if error.code in vendor.midnight_codes:
        return Busy(until_midnight(now), error)
    wait = retry_after(answer, now)
    if wait is None and error.retry_after is not None:
        wait = clamp(error.retry_after)
    stops = error.code in vendor.stop_codes
    return Busy(wait if wait is not None else LONGEST_WAIT if stops else USUAL_WAIT, error, stops=stops)


def error_from(payload: Reading, *, code: str = "code", message: str = "message") -> VendorError:
    """Read the usual refusal shapes: `{"error": {"code", "message"}}`, `{"error": "code", "message"}`, a sentence."""
    found = payload.value.get("error")
    if isinstance(found, dict):
        details = found.get("details")
        wait = details.get("retry_after") if isinstance(details, dict) else None
        return VendorError(_word(found.get(code)), _word(found.get(message)), _seconds(wait))
    said = _word(payload.value.get(message)) or _word(payload.value.get("msg"))
    if isinstance(found, str):
        return VendorError(found, said) if " " not in found else VendorError("", found)
    return VendorError(_word(payload.value.get(code)), said)


def failure_from(error: Reading, said: Said | None, *, message: Reading | None = None) -> Failure | None:
    """Read why a clip failed, out of a string, an object `{"code", "message"}` or null; a failed one always has one."""
    code = words = ""
    if isinstance(error.value, dict):
        code, words = _word(error.value.get("code")), _word(error.value.get("message"))
    elif (said_so := _word(error.value)) and " " in said_so:
        words = said_so
    else:
        code = said_so
    words = words or (message.maybe_text() or "" if message else "")
    if not (code or words) and said is not Said.FAILED:
        return None
    return Failure(code or "generation_failed", words or "The vendor gave no reason.")


def _word(value: object) -> str:
    return str(value)[:2000] if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _seconds(value: object) -> float | None:
    try:
        return float(str(value)) if value is not None else None
    except ValueError:
        return None
