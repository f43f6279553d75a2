"""Showing: what messages may show of a clip: the file that a downloader saved, and its poster.

People are told when a clip is done, which is seconds before its file is saved. So whoever tells waits a moment for it,
but only while the event is young and only where a handler is about to save it, and has not failed to. Nothing here
holds a message back for longer, whatever happens to the file.
"""

import asyncio

from handlers.protocol import Saved
from receiver.kit import Kit
from receiver.routing import Route, wants
from receiver.settle import SECOND
from receiver.store.protocol import Clip, Query
from schemas.errors import ClipbellError
from schemas.event import Event, EventType, micros

#: How long after an event its file is waited for, and from one look to the next (seconds).
PATIENCE, LOOK = 10 * SECOND, 0.25


class Showing:
    """Finds saved clips; it is a `SavedClip`."""

    def __init__(self, kit: Kit, routes: list[Route]) -> None:
        self._kit = kit
        self._savers = [route for route in routes if route.perishable]
        # what is saved in a bucket is on no disk of ours: a poster is small enough to be got from there, a clip is not
        self._far = {
            name for name, each in kit.settings.handlers.items() if "://" in str(getattr(each.options, "target", ""))
        }
        self._drawers = {
            name for name, each in kit.settings.handlers.items() if getattr(each.options, "posters", False)
        }

    async def __call__(self, event: Event, *, with_poster: bool = False) -> Saved | None:
        """The first file, with its poster from a bucket, too; waits some seconds for one that is on its way."""
        if event.type not in (EventType.COMPLETED, EventType.SAVED) or event.job_id is None:
            return None
        savers = {saver.handler for saver in self._savers if wants(saver, event)}
        asked = savers & self._drawers if with_poster else savers - self._far
        try:
            while True:
                in_time = self._kit.now() < micros(event.received_at) + PATIENCE
                # asked first: one that is saved between the two questions is found by the second
                is_coming = bool(asked) and in_time and await self._is_coming(event, asked)
                clips = await self._kit.store.clips(Query({"job_id": event.job_id}, 200))
                found = _first([clip for clip in clips if self._serves(clip, with_poster=with_poster)], event)
                if found or not is_coming:
                    return found
                await asyncio.sleep(LOOK)
        except ClipbellError:
            return None

    def _serves(self, clip: Clip, *, with_poster: bool) -> bool:
        return clip.handler in self._drawers if with_poster else "://" not in clip.path

    async def _is_coming(self, event: Event, savers: set[str]) -> bool:
        """Whether one of these is about to save a file of the job, and has not failed to."""
        deliveries = await self._kit.store.deliveries(Query({"job_id": event.job_id}, 200))
        return any(
            each.handler in savers and each.state in ("pending", "running") and not each.attempts for each in deliveries
        )


def _first(clips: list[Clip], event: Event) -> Saved | None:
    """The file that the event is about, else the first of the job, best one with a poster."""
    path = (event.detail or {}).get("path") if event.type is EventType.SAVED else None
    here = [clip for clip in clips if path in (None, clip.path)]
    if not here:
        return None
    clip = min(here, key=lambda each: (each.number, each.poster is None, "://" in each.path, each.at))
    return Saved(clip.number, clip.path, clip.bytes, clip.sha256, clip.mime_type, clip.poster)
