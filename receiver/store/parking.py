"""Parking: what the store keeps of handlers that are left alone, and of what waits for them. A part of its promise.

When a handler is paused, for how long, and when it is well again is decided in `receiver/pausing.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from receiver.store.protocol import AlertCleared, AlertRaised, Claimed


@dataclass(frozen=True, slots=True)
class Pause:
    """A handler that is left alone. `until`: when one delivery may try it; None: when it is configured again."""

    handler: str
    since: int
    until: int | None
    reason: str
    #: How many pauses there were in a row, this one among them.
    pauses: int = 1


class Parking(Protocol):
    """What the store promises of handlers that are paused. Safe to call from any event loop of the process."""

    async def pause_handler(self, pause: Pause, raised: "AlertRaised | None" = None) -> None:
        """Pause a handler, or give its pause another end, and raise the alert; in one commit."""
        ...

    async def resume_handler(self, handler: str, cleared: "AlertCleared") -> bool:
        """End a handler's pause and clear the alert; in one commit. False where it was not paused."""
        ...

    async def pauses(self) -> list[Pause]:
        """All handlers that are paused, by name."""
        ...

    async def park_deliveries(self, handler: str, now: int) -> int:
        """Park what waits for a handler; answer how many were. What a worker holds stays his until its lease ends."""
        ...

    async def unpark_deliveries(self, handler: str, now: int, limit: int) -> int:
        """Make due the newest parked deliveries of a handler, with a fresh schedule, behind what is new.

        Answers how many there were, at most `limit`.
        """
        ...

    async def claim_probe(self, handler: str, now: int, until: int) -> "Claimed | None":
        """Take one parked delivery of a handler whose pause has ended, and prolong the pause to `until`.

        The one that was taken least often, of these the newest. None where nothing is parked or the pause lasts;
        of all that ask at once one gets it.
        """
        ...

    async def parked(self) -> Mapping[str, int]:
        """How many deliveries are parked, by handler."""
        ...
