"""Vendor: what one vendor file must supply, and the shapes that go to a vendor and come back.

A vendor file is functions without IO and one constant `VENDOR`. Facts about a vendor are data here, so that an
operator may override them (`Terms`). How HTTP answers are classified, the same way for all, is `schemas/answers.py`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Protocol

from schemas.errors import InvalidRequest, Problem
from schemas.event import Money, Video
from schemas.order import Order
from schemas.reading import Reading, is_job_id
from schemas.report import Report, Said


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a multipart body: a form field, or a file where `filename` is set."""

    name: str
    content: bytes
    filename: str | None = None
    content_type: str | None = None
    #: Where the caller has to get the content (and its type) from before the call; then `content` is empty.
    url: str | None = None
    #: The most bytes to get from there, and the types to take.
    max_bytes: int | None = None
    types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """A call to a vendor, before its key is added. `path` is appended to the account's `base_url`."""

    method: str
    path: str
    json: Mapping[str, Any] | None = None
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Submission:
    """A checked order: the call that places it, and what we know before it is made."""

    request: Request
    model: str | None
    #: Seconds of film; None where the vendor does not let one choose and does not say.
    seconds: int | None
    #: None: the price is unknown. Never zero.
    estimate: Money | None
    #: The picture's size or its ratio, as far as the order says so: `1280x720`, `16:9`.
    picture: str | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The vendor took the order. `estimate`: its own figure of the price where it gives one."""

    vendor_job_id: str
    estimate: Money | None = None


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One job as a vendor's history lists it, and what tells whose order it was. Its report may lack the videos."""

    report: Report
    created_at: datetime | None
    prompt: str | None


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """A page of a vendor's history, newest first."""

    entries: tuple[HistoryEntry, ...]
    #: Whether there are older ones.
    more: bool


@dataclass(frozen=True, slots=True)
class VendorError:
    """A vendor's refusal in its own words; `code` "" where it has none."""

    code: str
    message: str
    #: Seconds to wait, where the body says so.
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """What the operator says of one account, over the vendor file's facts."""

    words: Mapping[str, Said]
    prices: Mapping[str, Money]
    allow_unknown_params: bool = False
    status_path: str | None = None

    def said(self, word: str) -> Said | None:
        """What a state word means; None: unknown. Upper and lower case are one."""
        return self.words.get(word.lower())


class StatusRequest(Protocol):
    """From a vendor's job id to the call that reads it; `model`: as ordered, where a vendor has several doors."""

    def __call__(self, vendor_job_id: str, terms: Terms, model: str | None = None, /) -> Request:
        """Raises: InvalidRequest for an id that no vendor gives."""
        ...


@dataclass(frozen=True, slots=True)
class Pace:
    """When to look, in seconds: first, then every, backing off; overdue; given up."""

    poll_after: float = 120
    poll_every: float = 20
    overdue_after: float = 1800
    give_up_after: float = 86_400


@dataclass(frozen=True, slots=True)
class Vendor:
    """Everything the program knows of one vendor."""

    name: str
    title: str
    #: The vendor's own page.
    docs: str
    base_url: str
    #: From the API key to the headers that carry it.
    auth: Callable[[str], Mapping[str, str]]
    #: Check an order and turn it into a call; the last argument is the callback URL to register, if any.
    #: Raises InvalidOrder with every problem.
    submission: Callable[[Order, Terms, str | None], Submission]
    #: Read the body of a 2xx answer to a submission. Raises Unreadable.
    accepted: Callable[[Reading], Accepted]
    #: The call that reads a job. Raises InvalidRequest for an id that no vendor gives.
    status_request: StatusRequest
    #: Read the body of a 2xx answer to it. Raises Unreadable.
    report_from_status: Callable[[Reading, Terms], Report]
    #: Read a refusal; never raises for a shape that it does not know.
    error: Callable[[Reading], VendorError]
    #: state word (lower case) -> meaning
    words: Mapping[str, Said]
    #: what is charged for -> price, as of `prices_as_of`
    prices: Mapping[str, Money]
    prices_as_of: date
    #: What its page asks for a credit. Budgets go by the account's own figure, since packs differ in price.
    usd_per_credit: Decimal | None = None
    #: What it makes and out of what, for people: one thing in each.
    can: tuple[str, ...] = ()
    #: "accept": the vendor takes the money when it accepts; "completion": when the clip is done.
    charges: str = "accept"
    #: Whether its page promises a refund for every failed job.
    refunds_failed: bool = False
    #: Read the body of a callback; None: it sends none. Raises Unreadable.
    report_from_callback: Callable[[Reading, Terms], Report] | None = None
    #: Whether a 2xx body nevertheless says no.
    says_no: Callable[[Reading], bool] = lambda _: False
    models: tuple[str, ...] = ()
    #: Rates of all calls, of orders alone, and how many jobs may be open: `10/minute`, `24/hour`.
    limits: tuple[str, ...] = ()
    order_limits: tuple[str, ...] = ()
    max_open: int | None = None
    #: Seconds that a video's URL lives from its arrival, where the vendor does not say in its answers.
    url_life: float | None = None
    pace: Pace = Pace()
    #: model -> its pace, where it differs
    model_paces: Mapping[str, Pace] = field(default_factory=dict)
    #: Codes of a 5xx that say for certain that no job was made.
    unsent_codes: frozenset[str] = frozenset()
    #: Codes that mean an empty purse, whatever the HTTP status.
    balance_codes: frozenset[str] = frozenset()
    #: Codes of a 429 that hold until midnight UTC.
    midnight_codes: frozenset[str] = frozenset()
    #: Codes of a 429 that hold for hours: a quota of a rolling day.
    quota_codes: frozenset[str] = frozenset()
    #: Codes of a 429 that hold for orders alone: its queue is full.
    order_codes: frozenset[str] = frozenset()
    #: Codes that stop the account until a person acts.
    stop_codes: frozenset[str] = frozenset()
    #: The call that gives fresh URLs for a completed job, and how to read its answer; None: a status read does.
    renew_request: StatusRequest | None = None
    videos_from_renewal: Callable[[Reading], tuple[Video, ...]] = lambda _: ()
    #: The call for so many jobs after skipping so many, newest first, and how to read its answer. Raises Unreadable.
    history_request: Callable[[int, int], Request] | None = None
    history_page: Callable[[Reading, Terms], HistoryPage] = lambda _, __: HistoryPage((), more=False)
    #: A free call that tells whether the key works.
    key_check: Request | None = None
    #: What the vendor's callbacks want as an answer.
    callback_answer: tuple[int, bytes] = (200, b"")
    quirks: tuple[str, ...] = ()
    #: code in the vendor's words -> plain words for a person
    plain_words: Mapping[str, str] = field(default_factory=dict)


def until_midnight(now: datetime) -> float:
    """Seconds from a moment to the next midnight UTC."""
    now = now.astimezone(UTC)
    return 86_400 - (now.hour * 3600 + now.minute * 60 + now.second)


def words(*, pending: str = "", running: str = "", completed: str, failed: str) -> dict[str, Said]:
    """A table of state words, out of the words for each meaning."""
    spoken = {Said.PENDING: pending, Said.RUNNING: running, Said.COMPLETED: completed, Said.FAILED: failed}
    return {word: said for said, text in spoken.items() for word in text.split()}


def bearer(api_key: str) -> dict[str, str]:
    """The header that carries most vendors' keys."""
    return {"authorization": f"Bearer {api_key}"}


def reads(template: str, *, fixed: bool = False) -> StatusRequest:
    """The call that reads a job at a path such as `/videos/{id}`; not fixed: or where `status_path` says."""

    def request(vendor_job_id: str, terms: Terms, model: str | None = None, /) -> Request:
        path = None if fixed else terms.status_path
        return Request("GET", job_path(path or template, vendor_job_id))

    return request


def job_path(template: str, vendor_job_id: str) -> str:
    """Put a job's id into a path such as `/videos/{id}`.

    Raises: InvalidRequest for an id that would lead elsewhere.
    """
    if not is_job_id(vendor_job_id):
        wanted = "must be the vendor's id of the job: at most 128 letters, digits, _ . -"
        raise InvalidRequest([Problem("vendor_job_id", wanted)])
    return template.replace("{id}", vendor_job_id)
