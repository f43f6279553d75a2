"""Accounts: what the store keeps of limits, and what an installation knows of its accounts. A part of its promise.

Calls are counted in sliding windows for all processes together; who goes first is decided in `receiver/limits.py`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from schemas.job import Job

if TYPE_CHECKING:
    from receiver.store.protocol import Totals

# --- rows ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rate:
    """So many calls within any window of so many microseconds. `kind` None: calls of every kind count."""

    count: int
    window: int
    kind: str | None = None


@dataclass(frozen=True, slots=True)
class Gate:
    """An account that is closed: no call of this kind ("": of any; "queue": no order from the queue) before `until`.

    `stopped`: until a person acts; at `until` one call is let through, and the next after a longer while.
    """

    account: str
    kind: str
    until: int
    since: int
    reason: str
    stopped: bool = False
    #: Calls that were let through since it was closed.
    probes: int = 0


@dataclass(frozen=True, slots=True)
class Demand:
    """What an order wants of its account: a turn under these rates and, of `max_open` jobs, a place.

    `keep`: calls of each window that it leaves to others.
    """

    account: str
    rates: Sequence[Rate]
    max_open: int | None = None
    keep: int = 0


@dataclass(frozen=True, slots=True)
class Begun:
    """The queued job as it is now submitted, or when to ask again; neither: somebody else did something with it."""

    job: Job | None
    again: int = 0


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a queued order stands: how many of its account are before it, and how many places are taken there."""

    ahead: int
    places: int


@dataclass(frozen=True, slots=True)
class Standing:
    """How many jobs of an account are in a state, with or without a callback to wait for."""

    account: str
    state: str
    callback: bool
    number: int


@dataclass(frozen=True, slots=True)
class Past:
    """What a settled job tells of its account."""

    account: str
    model: str | None
    state: str
    callback: bool
    settled_by: str | None
    submitted_at: int | None
    settled_at: int


# --- the promise -------------------------------------------------------------------------------------------


class Accounts(Protocol):
    """What the store promises of accounts. Safe to call from any event loop of the process."""

    async def take_turn(
        self, account: str, kind: str, rates: Sequence[Rate], now: int, *, max_open: int | None = None
    ) -> int:
        """Count one call of an account if every rate allows it and answer 0; else answer when to ask again.

        Kinds that are less urgent (`limits.KINDS`) leave room for those that are more. A closed gate lets nothing
        through but its probes, and orders by hand as `limits.opens_at` says.
        """
        ...

    async def close_gate(self, gate: Gate) -> None:
        """Close an account for a kind of calls; the later end holds. What was stopped goes on being tried gently."""
        ...

    async def open_gates(self, account: str, kinds: Sequence[str]) -> tuple[int, int]:
        """Open the stopped gates of an account for these kinds; answer how many, and how many stopped ones are left."""
        ...

    async def gates(self) -> list[Gate]:
        """All gates, also those whose time has passed."""
        ...

    async def standings(self) -> list[Standing]:
        """Count what is queued, submitting, running or unknown."""
        ...

    async def used_turns(self, account: str, rates: Sequence[Rate], now: int) -> list[int]:
        """How many calls each window holds now."""
        ...

    async def recent_past(self, limit: int) -> list[Past]:
        """The newest jobs that were settled, newest order first."""
        ...

    async def latest_callbacks(self, after: str) -> Mapping[str, tuple[str, int]]:
        """Each account's latest callback of those later than the evidence `after`: its id, and when it came."""
        ...

    async def line(self, account: str, limit: int) -> list[Job]:
        """The queued orders of an account that wait for nothing but their turn (no `next_at`), the oldest first."""
        ...

    async def spot(self, job: Job) -> Spot:
        """Where a queued order stands; `ahead`: those in line (no `next_at`) that are older than it."""
        ...

    async def begin_order(
        self, job_id: str, demand: Demand, now: int, until: int, *, admit: "Callable[[Totals], None] | None" = None
    ) -> Begun:
        """Take a turn for a queued job and make it `submitting` with a lease, both or neither, in one commit.

        `admit` is called in the transaction with what is spent and reserved, and may raise a `RequestRefused`, which
        is passed on with nothing done. From then on the job's money counts, at `now` (`sent_at`).
        """
        ...

    async def hasten_jobs(self, account: str | None, now: int, *, expecting: bool) -> int:
        """Make due the jobs at their vendor of an account (None: of any); answer how many.

        `expecting`: those that wait for a callback and were not looked at yet; else all others.
        """
        ...
