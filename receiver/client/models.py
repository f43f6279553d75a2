"""What the server answers, typed: jobs, events, deliveries, evidence, alerts, clips, money. No behaviour.

Times are datetimes in UTC, amounts Decimals, words the server's own strings.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar, overload

from .records import Amount, MaybeMoment, Moment, Object, Record, Words, many, one

T = TypeVar("T")

#: States in which nothing more is awaited of a job.
ENDED = frozenset({"completed", "failed", "rejected", "abandoned"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Money(Record):
    """An exact amount in `USD` or `credits`."""

    amount: Amount
    unit: str

    def __str__(self) -> str:
        """Say it for a person: `$0.136`, `40 credits`."""
        sign, size = ("-" if self.amount < 0 else ""), abs(self.amount)
        return f"{sign}${size:f}" if self.unit == "USD" else f"{sign}{size:f} {self.unit}"


def _prices(value: Mapping[str, Any] | None) -> Mapping[str, Money]:
    return {name: Money.from_json(price) for name, price in (value or {}).items()}


MaybeMoney = Annotated[Money | None, one(Money)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Video(Record):
    """One file of a clip; `expires_at`: when `url` dies, where that is known."""

    url: str
    mime_type: str | None
    expires_at: MaybeMoment


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure(Record):
    """Why a clip failed; `refunded` None: nobody said."""

    code: str
    message: str
    refunded: bool | None
    refund_basis: str | None


Videos = Annotated[tuple[Video, ...], many(Video)]
MaybeFailure = Annotated[Failure | None, one(Failure)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job(Record):
    """One order and what became of it."""

    id: str
    vendor: str
    account: str
    origin: str
    state: str
    vendor_job_id: str | None
    prompt: str | None
    model: str | None
    params: Object
    tags: Words
    metadata: Object
    batch: str | None
    estimate: MaybeMoney
    cost: MaybeMoney
    videos: Videos
    failure: MaybeFailure
    overdue_at: MaybeMoment
    callback: bool
    settled_by: str | None
    created_at: Moment
    submitted_at: MaybeMoment
    settled_at: MaybeMoment
    event_ids: Words
    #: Given once, by `expect`: the address to give to the vendor.
    callback_url: str | None

    @property
    def has_ended(self) -> bool:
        """Whether nothing more is awaited: completed, failed, rejected or abandoned."""
        return self.state in ENDED


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait(Record):
    """Why a queued order has not gone out yet; `until`: when that is over or looked at again, where it is known."""

    code: str
    text: str
    until: MaybeMoment


@dataclass(frozen=True, slots=True, kw_only=True)
class Event(Record):
    """Something people and programs are told of."""

    id: str
    type: str
    vendor: str | None
    account: str | None
    job_id: str | None
    vendor_job_id: str | None
    occurred_at: Moment
    received_at: Moment
    source: str
    trust: str
    prompt: str | None
    model: str | None
    duration_seconds: float | None
    resolution: str | None
    videos: Videos
    cost: MaybeMoney
    failure: MaybeFailure
    tags: Words
    metadata: Object
    batch: str | None
    detail: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt(Record):
    """One try at a delivery."""

    at: Moment
    outcome: str
    reason: str | None
    answer: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery(Record):
    """One event for one target of one handler."""

    id: str
    event_id: str
    job_id: str | None
    handler: str
    target: str
    state: str
    attempts: Annotated[tuple[Attempt, ...], many(Attempt)]
    next_at: MaybeMoment
    created_at: Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence(Record):
    """What others sent about a job, and what was made of it. Its bytes: `evidence_body`."""

    id: str
    at: Moment
    job_id: str | None
    account: str
    kind: str
    verdict: str
    status: int | None
    headers: Object
    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert(Record):
    """Something a person should know or mend; `cleared_at` None: it still stands."""

    id: str
    code: str
    subject: str
    job_id: str | None
    text: str
    next_step: str
    raised_at: Moment
    cleared_at: MaybeMoment


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip(Record):
    """A file that was saved."""

    id: str
    job_id: str
    number: int
    handler: str
    path: str
    bytes: int
    sha256: str
    mime_type: str
    poster: str | None
    at: Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss(Record):
    """So many orders of a batch that ended, or hang, in one state for one reason."""

    state: str
    code: str | None
    #: The vendor's words for the first of them.
    message: str | None
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost(Record):
    """What was paid to one account, and what is still expected to be."""

    account: str
    unit: str
    total: Amount
    open_estimate: Amount


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch(Record):
    """How the orders of one batch stand. `stuck`: of unknown fate for long; `retaken`: failed, but ordered again."""

    batch: str
    jobs: int
    #: state -> how many
    states: Object
    done: bool
    stuck: int
    retaken: int
    failures: Annotated[tuple[Loss, ...], many(Loss)]
    costs: Annotated[tuple[Cost, ...], many(Cost)]
    began_at: Moment
    settled_at: MaybeMoment


@dataclass(frozen=True, slots=True, kw_only=True)
class Handler(Record):
    """A configured handler and how it fares; `health`: `ok`, `failing`, `paused`, `unused`."""

    name: str
    type: str
    events: Words
    vendors: Words
    tags: Words
    targets: Words
    health: str | None
    last_outcome: str | None
    last_reason: str | None
    #: When one delivery tries a paused handler; None: when it is configured again, or it is not paused.
    paused_until: MaybeMoment
    #: Deliveries that are kept for it meanwhile.
    parked: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed(Record):
    """Calls of an account (`all`, `order`, `queue`, `look`) that are not made before `until`.

    `stopped`: it refuses us until a person acts, and is tried gently.
    """

    calls: str
    until: Moment
    reason: str
    stopped: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen(Record):
    """What the newest jobs of an account show; `median_seconds` None: no clip was completed yet."""

    account: str
    jobs: int
    #: state -> how many
    states: Object
    #: `on_time`, `late`, `lost` -> how many
    callbacks: Object
    median_seconds: float | None
    closed: Annotated[tuple[Closed, ...], many(Closed)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms(Record):
    """The limits and prices that hold for an account: the vendor's, but where the configuration says otherwise."""

    account: str
    limits: Words
    order_limits: Words
    max_open: int | None
    prices: Annotated[Mapping[str, Money], _prices]
    usd_per_credit: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor(Record):
    """What is known of a vendor, and which accounts of it are configured."""

    name: str
    title: str
    docs: str
    accounts: Words
    can: Words
    callbacks: bool
    models: Words
    limits: Words
    order_limits: Words
    max_open: int | None
    #: What is charged for -> price.
    prices: Annotated[Mapping[str, Money], _prices]
    prices_as_of: str | None
    #: What the vendor's page asks for a credit.
    usd_per_credit: str | None
    charges: str | None
    refunds_failed: bool
    url_life_seconds: float | None
    quirks: Words
    #: By account.
    terms: Annotated[tuple[Terms, ...], many(Terms)]
    #: By account; empty where nobody asked the server.
    seen: Annotated[tuple[Seen, ...], many(Seen)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed(Record):
    """A notice of the stream: `kind` (`job`, `delivery`, `alert`) and the id of what changed."""

    kind: str
    id: str


class Page(Sequence[T], Generic[T]):
    """A part of a list, newest first; `next`: the cursor of the part that follows, None at the end."""

    def __init__(self, items: Sequence[T], next: str | None) -> None:  # noqa: A002 - the contract's word
        self.items = tuple(items)
        self.next = next

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[T, ...]: ...
    def __getitem__(self, index: int | slice) -> T | tuple[T, ...]:
        """Take one item, or some."""
        return self.items[index]

    def __len__(self) -> int:
        """Count the items of this part."""
        return len(self.items)

    def __iter__(self) -> Iterator[T]:
        """Go through the items of this part."""
        return iter(self.items)

    def __repr__(self) -> str:
        """Show the items."""
        return f"Page({list(self.items)!r}, next={self.next!r})"
