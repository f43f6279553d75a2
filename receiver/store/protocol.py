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
from receiver.store.bookkeeping import Bookkeeping
from receiver.store.bookkeeping import Line as Line  # noqa: PLC0414
from receiver.store.bookkeeping import Totals as Totals  # noqa: PLC0414
from receiver.store.delivering import Attempt as Attempt  # noqa: PLC0414
from receiver.store.delivering import Claimed as Claimed  # noqa: PLC0414
from receiver.store.delivering import Delivering
from receiver.store.delivering import Delivery as Delivery  # noqa: PLC0414
from receiver.store.delivering import Finish as Finish  # noqa: PLC0414
from receiver.store.delivering import NewDelivery as NewDelivery  # noqa: PLC0414
from receiver.store.delivering import Told as Told  # noqa: PLC0414
from receiver.store.parking import Parking
from schemas.event import Event
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


class Store(Accounts, Auditing, Bookkeeping, Delivering, Parking, Protocol):
    """The durable memory. Safe to call from any event loop of the process."""

    # --- jobs ---

    async def place(
        self,
        job: Job,
        order: bytes,
        *,
        admit: Callable[[Totals], None] | None = None,
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

    # --- care ---

    async def release_leases(self, now: int) -> None:
        """At the start of the only process: whatever a dead one held is due now (SQLite; nothing on PostgreSQL)."""
        ...

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
