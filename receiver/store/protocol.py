"""Store: what the durable memory promises, and the rows that go in and out.

Every writing method returns after its commit, and may be repeated with the same ids without a second effect. All
writes of one moment share one commit, with a savepoint each. A store that cannot commit raises `StoreUnavailable`.
Times are microseconds since 1970 UTC. Ids are given by the caller.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct, field

from receiver.store.accounts import Accounts
from receiver.store.accounts import Rate as Rate  # noqa: PLC0414 - a row like the others, wherever it stands
from receiver.store.auditing import Auditing
from receiver.store.parking import Parking
from schemas.event import Event, Money
from schemas.job import Job

# --- rows ------------------------------------------------------------------------------------------------


class Evidence(Struct, frozen=True):
    """Bytes that others sent us about a job, as they came. `kind`: submit, status, callback, history, person."""

    id: str
    at: int
    job_id: str | None
    account: str
    kind: str
    body: bytes
    sha256: str
    #: The HTTP status of an answer; None for what was sent to us.
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    #: What we made of it: accepted, duplicate, contradiction, mismatch, unknown_word, unreadable.
    verdict: str = "accepted"


class NewDelivery(Struct, frozen=True):
    """An event to be told to one target of one handler. `deadline`: when it is too late (the URL's end)."""

    id: str
    handler: str
    target: str
    deadline: int | None = None


class Told(Struct, frozen=True):
    """An event, and whom it is for."""

    event: Event
    deliveries: tuple[NewDelivery, ...] = ()


class Line(Struct, frozen=True):
    """A ledger line: charge, refund (negative) or unknown (no amount). At most one for (job, evidence, kind)."""

    id: str
    at: int
    job_id: str
    vendor: str
    account: str
    kind: str
    amount: Money | None
    #: vendor_figure or price_list.
    basis: str
    evidence_id: str | None


class AlertRaised(Struct, frozen=True):
    """An alert to raise, unless it stands for this (code, subject) already; then `told` is dropped with it."""

    id: str
    at: int
    code: str
    subject: str
    job_id: str | None
    text: str
    next_step: str
    told: Told


class AlertCleared(Struct, frozen=True):
    """An alert to clear, if it stands; else `told` is dropped with it."""

    at: int
    code: str
    subject: str
    told: Told


class Change(Struct, frozen=True):
    """What a decision wants done, in one commit."""

    #: For the evidence that was brought along.
    verdict: str = "accepted"
    #: The job as it shall be; None: as it is.
    job: Job | None = None
    told: tuple[Told, ...] = ()
    lines: tuple[Line, ...] = ()
    raised: tuple[AlertRaised, ...] = ()
    cleared: tuple[AlertCleared, ...] = ()
    #: The job shall not exist (it provably never reached the vendor); what was kept of it stays.
    forget: bool = False
    #: Whatever the decider wants to give back to its caller.
    note: Any = None


#: From the locked row (None: no such job) to what shall change. Pure; may run again if its group has to be redone.
Decide = Callable[[Job | None], Change]


class Applied(Struct, frozen=True):
    """What was done: the job as it now is, and the change."""

    job: Job | None
    change: Change


class Placed(Struct, frozen=True):
    """The job of an order: a new one, or the first one under the same idempotency key."""

    job: Job
    is_new: bool


class Attempt(Struct, frozen=True):
    """One try at a delivery. `outcome`: done, later, gave_up, crashed, no_room (`answer`: our folder, for nobody)."""

    at: int
    outcome: str
    reason: str | None = None
    answer: str | None = None


class Delivery(Struct, frozen=True):
    """One event for one target of one handler. `state`: pending, running, done, dead, parked."""

    id: str
    event_id: str
    job_id: str | None
    handler: str
    target: str
    state: str
    created_at: int
    next_at: int | None
    deadline: int | None = None
    #: Moves with every claim; what a late worker brings under an older one is not taken.
    fence: int = 0
    #: Claims since the last recorded attempt: a worker that dies each time never gets to record one.
    claims: int = 0
    #: How often it was replayed with --again; part of the idempotency key.
    replays: int = 0
    #: Attempts before its schedule began anew: `retry` and `replay` give it a fresh one.
    skipped: int = 0
    #: 0: news; 1: what is delivered again by a person's wish, or after a pause; news go first.
    lane: int = 0
    attempts: tuple[Attempt, ...] = ()

    @property
    def tried(self) -> int:
        """Attempts of the schedule that it is on."""
        return len(self.attempts) - self.skipped

    @property
    def key(self) -> str:
        """The idempotency key that its handler is given."""
        return f"{self.id}-{self.replays}" if self.replays else self.id


class Claimed(Struct, frozen=True):
    """A delivery in a worker's hands, with its event. `elapsed`: seconds from acceptance to verdict."""

    delivery: Delivery
    event: Event
    elapsed: float | None


class Clip(Struct, frozen=True):
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
    at: int


class Finish(Struct, frozen=True):
    """How an attempt ended: the delivery's new state, the attempt, and what follows from it, in one commit.

    `attempt` None: the worker stops before it tried; nothing is recorded and `claims` goes back to 0.
    """

    state: str
    attempt: Attempt | None
    next_at: int | None = None
    told: tuple[Told, ...] = ()
    clips: tuple[Clip, ...] = ()
    raised: tuple[AlertRaised, ...] = ()
    cleared: tuple[AlertCleared, ...] = ()


class Query(Struct, frozen=True):
    """Which rows of a list: equal to every filter, newest first, below the id `before`."""

    filters: Mapping[str, Any] = field(default_factory=dict)
    limit: int = 50
    before: str | None = None


class Swept(Struct, frozen=True):
    """One step of retention: how many rows went, and the id that the next step begins after; None: that was all."""

    gone: int
    after: str | None


class Changed(Struct, frozen=True):
    """Whose rows a commit changed. `handlers`: those for whom something became due. Claims are not told of."""

    jobs: frozenset[str] = frozenset()
    deliveries: frozenset[str] = frozenset()
    alerts: frozenset[str] = frozenset()
    handlers: frozenset[str] = frozenset()


# --- the promise -------------------------------------------------------------------------------------------


class Store(Accounts, Auditing, Parking, Protocol):
    """The durable memory. Safe to call from any event loop of the process."""

    # --- jobs ---

    async def place(
        self,
        job: Job,
        order: bytes,
        *,
        admit: Callable[["Totals"], None] | None = None,
        max_open: int | None = None,
    ) -> Placed:
        """Keep a new job and the bytes of its order (under `job.order_sha256`).

        With `max_open`: unless so many jobs of the account are open at the vendor.

        A job with the same `idempotency_key` is answered instead, untouched; the very same job placed again counts
        as new, so that who lost the answer may go on. `admit` is called in the transaction (again, if its group has to
        be redone) with what is spent and reserved, and may raise a `RequestRefused`, which is passed on with nothing
        kept.

        Raises: VendorBusy where too many jobs are open.
        """
        ...

    def apply(self, job_id: str, decide: Decide, evidence: Evidence | None = None) -> Awaitable[Applied]:
        """Lock the job, decide, write everything the change asks for with the evidence, and commit.

        The evidence is kept whatever is decided, and under the change's verdict; it is kept also for a job that
        does not exist. If `evidence.id` is there already nothing is done again. Many calls for one job in one group
        see each other's effects in order. An exception of `decide` is passed on and undoes this member only.

        Raises: Taken where the change gives the job a vendor's id that another job of the account has.
        """
        ...

    async def claim_jobs(self, now: int, until: int, limit: int) -> list[Job]:
        """Take the jobs that are due (`next_at` <= now), earliest first: `next_at` becomes `until`, the fence moves.

        No two claimers get the same job before `until`.
        """
        ...

    async def extend_jobs(self, fences: Mapping[str, int], until: int) -> None:
        """Hold jobs longer, each only while its fence is still ours."""
        ...

    async def job(self, job_id: str) -> Job | None:
        """Read one job."""
        ...

    async def job_by_key(self, idempotency_key: str) -> Job | None:
        """Read the job that holds this idempotency key."""
        ...

    async def job_by_vendor_id(self, account: str, vendor_job_id: str) -> Job | None:
        """Read the job that has this id at its vendor."""
        ...

    async def jobs(self, query: Query) -> list[Job]:
        """List jobs. Filters: state, vendor, account, origin, batch, tag, vendor_job_id, model, settled_by."""
        ...

    async def event_ids(self, job_ids: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        """The events of each of these jobs, oldest first."""
        ...

    async def body(self, sha256: str) -> bytes | None:
        """Read kept bytes: an order's or an evidence's."""
        ...

    # --- what was sent, what was told ---

    async def evidence(self, query: Query) -> list[Mapping[str, Any]]:
        """List evidence in the contract's shape. Filters: id, job_id, account, kind, verdict."""
        ...

    async def events(self, query: Query) -> list[Event]:
        """List events. Filters: id, type, job_id, vendor, account, batch."""
        ...

    async def ledger(self, query: Query) -> list[Line]:
        """List money lines. Filters: job_id, vendor, account, kind."""
        ...

    async def ledger_sums(self, by: str) -> list[Mapping[str, Any]]:
        """Sum lines and open estimates by vendor, account, day (UTC), model or tag.

        Rows `{"key", "unit", "vendor", "charged", "refunded", "total", "open_estimate", "unknown_lines", "jobs"}`
        with amounts as Decimals, one for each key and unit, and of credits one for each `vendor` (None for dollars),
        ordered by key. Exact: sums are of integers. `open_estimate` is of
        jobs queued, submitting, running or unknown, less what is booked for them already. `refunded` is negative,
        as its lines are; a line of unknown amount counts under the unit of its job. The key None, for what has no
        model or tag, comes first; a job with several tags counts under each.
        """
        ...

    async def totals(self, at: int) -> "Totals":
        """What is spent and reserved in the UTC day and month of a moment."""
        ...

    async def batch(self, batch: str) -> Mapping[str, Any] | None:
        """How the orders of a batch stand; None: there are none.

        `{"batch", "jobs", "states", "done", "stuck", "retaken", "failures", "costs", "began_at", "settled_at"}` with
        times as microseconds and amounts as Decimals. `failures`: `{"state", "code", "message", "count"}`, most
        frequent first, without those that a later take (a key that ends in `~2`) stands in for: `retaken` counts
        these. `stuck`: jobs of unknown fate that are overdue. `costs`: `{"account", "unit", "total",
        "open_estimate"}`, one for each account and unit.
        """
        ...

    async def seen(self, account: str) -> Mapping[str, Any]:
        """What the newest jobs of an account show.

        `{"jobs", "states", "callbacks": {"on_time", "late", "lost"}, "median_seconds"}`; the median is that of
        completed clips, from acceptance to verdict, None where there is none.
        """
        ...

    async def alerts(self, query: Query) -> list[Mapping[str, Any]]:
        """List alerts.

        They are `{"id", "code", "subject", "job_id", "text", "next_step", "raised_at", "cleared_at"}` with times as
        microseconds. Filters: id, code, subject, job_id, standing (True: only what is raised now).
        """
        ...

    async def clips(self, query: Query) -> list[Clip]:
        """List saved files, one for each job, number and handler: what is saved again replaces what was noted.

        Filters: id, job_id, handler.
        """
        ...

    async def revoke_link(self, job_id: str, now: int) -> None:
        """Note that no living link of a job shall open any more; for good."""
        ...

    async def is_link_revoked(self, job_id: str) -> bool:
        """Whether a job's links were revoked."""
        ...

    async def alert(self, change: AlertRaised | AlertCleared) -> bool:
        """Raise or clear one alert; False where it stood, or did not stand, already."""
        ...

    # --- deliveries ---

    async def claim_deliveries(
        self, handler: str, now: int, until: int, limit: int, *, again: int | None = None
    ) -> list[Claimed]:
        """Take due deliveries of one handler (pending and `next_at` <= now, or running past their lease).

        Those with a deadline come first, nearest first; then news by `next_at`; then by `next_at` what is delivered
        again (`lane` 1), of which at most `again` are taken. State becomes running, `next_at` `until`, `fence` and
        `claims` go up by one. No two claimers get the same one before `until`.
        """
        ...

    async def extend_deliveries(self, fences: Mapping[str, int], until: int) -> None:
        """Hold deliveries longer, each only while its fence is still ours."""
        ...

    async def finish_delivery(self, delivery_id: str, fence: int, finish: Finish) -> bool:
        """Record how an attempt ended, if the fence is still ours; False (and nothing written) where it is not."""
        ...

    async def deliveries(self, query: Query) -> list[Delivery]:
        """List deliveries with their attempts. Filters: id, state, handler, target, event_id, job_id."""
        ...

    async def short_of_room(self) -> Sequence[str]:
        """The folders at which deliveries under way found no room at their last attempt."""
        ...

    async def retry_deliveries(self, ids: Sequence[str], now: int) -> list[str]:
        """Make dead and pending deliveries due now, with a fresh schedule and behind what is new.

        Answers the ids that were, in order.
        """
        ...

    async def replay(self, event_id: str, deliveries: Sequence[NewDelivery], now: int, *, again: bool) -> list[str]:
        """Deliver an event again to these targets; answer the ids that will run, those under way among them.

        Missing ones are made, dead ones made due, and with `again` done ones too (their `replays` goes up); they
        get a fresh schedule and the deadline given here, and stand behind what is new. What waits or runs already
        is left as it is.
        """
        ...

    async def adopt_handlers(self, names: Sequence[str], now: int) -> Mapping[str, int]:
        """Park what waits for a handler that is not among these.

        Answers how many are parked for such handlers. What a worker holds is not touched before its lease has run out.
        """
        ...

    async def release_leases(self, now: int) -> None:
        """At the start of the only process: whatever a dead one held is due now (SQLite; nothing on PostgreSQL)."""
        ...

    # --- care ---

    def subscribe(self, listener: Callable[[Changed], None]) -> Callable[[], None]:
        """Have `listener` called after each commit of this process that changed something; answer what ends that.

        It is called on the store's own thread: it must be quick, and hand on what takes longer. A hint, not a
        promise: what other processes commit is found by looking.
        """
        ...

    async def sweep(self, kind: str, before: int, after: str = "") -> Swept:
        """Delete a few of the rows that are older than `before`: evidence, events, (cleared) alerts, or jobs.

        Nothing about a job goes while it is unsettled, while something about it is undelivered, or while an alert
        about it stands; a job goes with everything about it but its ledger lines and its saved files. Bodies go with
        the last row that refers to them.
        """
        ...

    async def counts(self) -> Mapping[str, int]:
        """Rows that matter for health: jobs and deliveries by state (`jobs.running`, `deliveries.dead`), alerts."""
        ...

    async def check(self) -> None:
        """Commit something small. Raises: StoreUnavailable."""
        ...

    async def close(self) -> None:
        """Finish what is queued, checkpoint, let go of the file."""
        ...


class Totals(Struct, frozen=True):
    """What is spent and reserved, for a budget: (account, unit) -> micros, of the UTC day and month of `at`.

    Ledger sums of the period by when the job's order went out, plus the estimates of what is open beyond its lines.
    What waits in the queue is not reserved: it is let go when there is money for it.
    `unpriced`: open jobs without an estimate.
    """

    day: Mapping[tuple[str, str], int]
    month: Mapping[tuple[str, str], int]
    unpriced: int = 0
