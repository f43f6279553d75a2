"""Delivering: events on their way to handlers, and what the store promises of them. A part of its promise.

When a delivery is tried again is decided in `receiver/retry.py`; of handlers that are paused see `parking.py`.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from schemas.event import Event

if TYPE_CHECKING:
    from receiver.store.protocol import AlertCleared, AlertRaised, Clip, Query


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


class Finish(Struct, frozen=True):
    """How an attempt ended: the delivery's new state, the attempt, and what follows from it, in one commit.

    `attempt` None: the worker stops before it tried; nothing is recorded and `claims` goes back to 0.
    """

    state: str
    attempt: Attempt | None
    next_at: int | None = None
    told: tuple[Told, ...] = ()
    clips: "tuple[Clip, ...]" = ()
    raised: "tuple[AlertRaised, ...]" = ()
    cleared: "tuple[AlertCleared, ...]" = ()


class Delivering(Protocol):
    """What the store promises of deliveries. Safe to call from any event loop of the process."""

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

    async def deliveries(self, query: "Query") -> list[Delivery]:
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
