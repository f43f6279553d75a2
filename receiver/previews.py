"""Previews: a page of what a configured handler's messages look like, made from samples. Nothing is sent or stored."""

import itertools
from collections.abc import Sequence
from importlib.resources import files

from handlers.preview import page
from handlers.protocol import Parcel, Tools
from receiver import clock
from receiver.links import Links
from receiver.net import Net
from receiver.samples import sample_messages
from receiver.settings import Settings
from schemas.errors import NotFound
from schemas.event import Event, EventType


def preview_of(settings: Settings, name: str) -> str:
    """The page of one handler. Raises: NotFound where there is none of this name, or it shows nothing to anybody."""
    config = settings.handlers.get(name)
    if config is None:
        known = ", ".join(settings.handlers) or "none"
        raise NotFound(f"There is no handler of this name; configured: {known}.")
    if config.type.preview is None:
        raise NotFound(f"A {config.type.name} writes to nobody, so there is nothing to look at.")
    given = Tools(Net(), settings.folder, clock.now, _nothing, _nothing, Links(settings).of)
    samples = []
    for what, events in sample_messages(clock.micros(), clock.new_id):
        picture = _picture() if events[0].type in (EventType.COMPLETED, EventType.SAVED) else None
        samples.append((what, config.type.preview(config.options, given, _parcels(events), picture)))
    return page(f"What {name} would say", samples)


def _parcels(events: Sequence[Event]) -> list[Parcel]:
    return [Parcel(f"sample-{n}", event, "", elapsed=75) for n, event in zip(itertools.count(1), events, strict=False)]


def _picture() -> bytes:
    return (files("receiver.simulator") / "clips" / "sample.jpg").read_bytes()


async def _nothing(*_: str) -> tuple[()]:
    """Nothing fresh, and no lines: the job of a sample never was."""
    return ()
