"""Which handlers want an event, target by target. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from receiver.store.protocol import NewDelivery, Told
from schemas.event import Event, EventType, micros

#: Makes a new id from its prefix.
Mint = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Route:
    """One configured handler, as far as routing cares. Empty `vendors`, `tags` or `where`: all."""

    handler: str
    targets: tuple[str, ...]
    events: frozenset[EventType]
    vendors: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    #: What a job's metadata must say, name by name.
    where: Mapping[str, Any] = field(default_factory=dict)
    #: Its deliveries are worth the more the sooner the event's first URL dies.
    perishable: bool = False


def wants(route: Route, event: Event) -> bool:
    """Whether a handler is to be told.

    An event that belongs to no account, or to no job, is not held against a filter of these: an alert about the
    program itself must reach somebody.
    """
    return (
        event.type in route.events
        and (not route.vendors or event.account is None or event.account in route.vendors)
        and (not route.tags or event.job_id is None or not route.tags.isdisjoint(event.tags))
        and (not route.where or event.job_id is None or _says(event.metadata, route.where))
    )


def _says(metadata: Mapping[str, Any], where: Mapping[str, Any]) -> bool:
    return all(name in metadata and _same(metadata[name], wanted) for name, wanted in where.items())


def _same(said: Any, wanted: Any) -> bool:
    # to Python true equals 1, to whoever wrote the metadata it does not
    return bool(said == wanted) and isinstance(said, bool) == isinstance(wanted, bool)


@dataclass(frozen=True, slots=True)
class Router:
    """The configured handlers, and a source of ids for their deliveries."""

    routes: Sequence[Route]
    mint: Mint

    def told(self, event: Event, *, but: str | None = None) -> Told:
        """The event with a delivery for each target of each handler that wants it, except the handler `but`."""
        end = _first_end(event)
        deliveries = [
            NewDelivery(self.mint("dlv_"), route.handler, target, end if route.perishable else None)
            for route in self.routes
            if route.handler != but and wants(route, event)
            for target in route.targets
        ]
        return Told(event, tuple(deliveries))

    def to(self, handler: str, event: Event) -> tuple[NewDelivery, ...]:
        """Deliveries of an event to one handler by name, whether it would want it or not."""
        return tuple(
            NewDelivery(self.mint("dlv_"), route.handler, target)
            for route in self.routes
            if route.handler == handler
            for target in route.targets
        )


def _first_end(event: Event) -> int | None:
    return min([micros(v.expires_at) for v in event.videos if v.expires_at], default=None)
