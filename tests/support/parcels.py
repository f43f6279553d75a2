"""Events of the contract suite, and parcels of them, for all other tests too."""

from handlers.protocol import Parcel
from receiver.suite.events import (
    ALERT,
    CLEARED,
    FAILED,
    NOW,
    READY,
    SAVED,
    VIDEO,
    no_lines,
    nothing_fresh,
    tools,
)
from schemas.event import Event
from schemas.values import replace

__all__ = ["ALERT", "CLEARED", "FAILED", "NOW", "READY", "SAVED", "VIDEO", "no_lines", "nothing_fresh", "tools"]


def parcel(event: Event = READY, *, key: str = "dlv_1", target: str = "", elapsed: float | None = 75) -> Parcel:
    """A parcel for one target."""
    return Parcel(key, event, target, elapsed=elapsed)


def parcels(count: int, target: str = "") -> list[Parcel]:
    """So many parcels of different clips, the last of which failed."""
    ready = [replace(READY, id=f"evt_{n}", job_id=f"job_{n}", prompt=f"Clip {n}") for n in range(1, count)]
    events = [*ready, replace(FAILED, id=f"evt_{count}", job_id=f"job_{count}", prompt=f"Clip {count}")]
    return [parcel(event, key=f"dlv_{n}", target=target) for n, event in enumerate(events, 1)]
