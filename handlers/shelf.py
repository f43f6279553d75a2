"""Shelf: under which names a job's files, its event and its posters stand in a place. Loads nothing from the web."""

import errno
import json
from dataclasses import dataclass
from pathlib import PurePosixPath

from handlers.fetching import Stop
from handlers.landing import Partial, in_thread
from handlers.naming import belongs_to_job, file_name
from handlers.places import Measured, Place
from handlers.posters import poster_of
from handlers.protocol import GiveUp, Saved
from schemas.event import Event


@dataclass(frozen=True, slots=True)
class Spot:
    """One file of a job, by its number from 1."""

    event: Event
    number: int
    mime_type: str


class Shelf:
    """The files of jobs in one place, named by one template."""

    def __init__(self, place: Place, template: str, *, posters: bool) -> None:
        self._place, self._template, self._posters = place, template, posters

    async def write_event(self, event: Event) -> None:
        """Put a job's event beside its first file."""
        name = self._name(Spot(event, 1, "video/mp4")).with_name(f"{event.job_id}.json")
        content = json.dumps(event.to_json(), indent=2, ensure_ascii=False) + "\n"
        await self._place.prepare(name)
        await self._place.write(name, content.encode("utf-8", "backslashreplace"))

    async def partial(self, spot: Spot, key: str) -> Partial:
        """Make room for a file on its way."""
        name = self._name(spot)
        await self._place.prepare(name)
        return self._place.partial(name, key)

    async def drop(self, spot: Spot, key: str) -> None:
        """Remove what is left of a file on its way."""
        await in_thread(self._place.partial(self._name(spot), key).remove)

    async def there(self, spot: Spot) -> Saved | None:
        """The file that stands there already, if its name says that it is this job's.

        Raises: Stop where it is no whole video.
        """
        name = self._name(spot)
        found = await self._place.measure(name, spot.mime_type) if belongs_to_job(self._template) else None
        if found is None:
            return None
        if found.problem:
            where = self._place.address(name)
            raise Stop(GiveUp(f"the file at {where} is no whole video ({found.problem}); move it away, then retry"))
        picture = name.with_suffix(".jpg")
        has_picture = self._posters and await self._place.measure(picture, "image/jpeg") is not None
        return self._saved(spot, name, found, picture if has_picture else None)

    async def land(self, spot: Spot, partial: Partial, found: Measured) -> Saved:
        """Give a whole file its name; one that another file has is not taken, the job's id is added then.

        Raises: Stop where that is taken, too.
        """
        content = await poster_of(partial.path) if self._posters else None
        for apart in (False, True):
            name = self._name(spot, apart=apart)
            if not await self._has_kept(partial, name, spot, found):
                continue
            picture = name.with_suffix(".jpg") if content else None
            if picture and content:
                await self._place.write(picture, content)
            return self._saved(spot, name, found, picture)
        raise Stop(GiveUp(f"another file is at {self._place.address(name)}; move it away, then retry"))

    async def _has_kept(self, partial: Partial, name: PurePosixPath, spot: Spot, found: Measured) -> bool:
        try:
            await self._place.keep(partial, name)
        except FileExistsError:
            there = await self._place.measure(name, spot.mime_type)
            if there is None:
                # a store says so, too, while somebody else writes there
                raise OSError(errno.EAGAIN, "a name was taken for a moment") from None
            return there.sha256 == found.sha256
        return True

    def _name(self, spot: Spot, *, apart: bool = False) -> PurePosixPath:
        suffix = ".webm" if spot.mime_type == "video/webm" else ".mp4"
        return file_name(self._template, spot.event, spot.number, suffix, apart=apart)

    def _saved(self, spot: Spot, name: PurePosixPath, found: Measured, picture: PurePosixPath | None) -> Saved:
        return Saved(
            number=spot.number,
            path=self._place.address(name),
            bytes=found.bytes,
            sha256=found.sha256,
            mime_type=spot.mime_type,
            poster=self._place.address(picture) if picture else None,
            seconds=found.film.seconds,
            width=found.film.width,
            height=found.film.height,
        )
