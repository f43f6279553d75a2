"""Downloader: saves a finished clip's files before their URLs die, whole or not at all.

Streams into a hidden partial, checks that it is a whole video, and only then gives it its name. A URL that the host no
longer honours, or that is near its end, is renewed at the vendor once an attempt. A broken download goes on where it
stopped, if the host says that the file is still the same. What is saved is not loaded again, and never overwritten.

https://www.rfc-editor.org/rfc/rfc9110#name-range-requests
"""

import asyncio
from collections.abc import Mapping, Sequence
from importlib.util import find_spec

from pydantic import Field, StrictBool, field_validator

from handlers.fetching import DeadUrl, Fetcher, Source, Stop
from handlers.landing import Partial, in_thread
from handlers.naming import check_template
from handlers.places import Measured, place_of, target_problem
from handlers.protocol import Done, GiveUp, HandlerType, Options, Outcome, Parcel, Saved, Tools, TryLater
from handlers.room import Room
from handlers.shelf import Shelf, Spot
from handlers.words import size
from schemas.errors import AddressRefused, NetError
from schemas.event import EventType
from schemas.units import parse_size

_SECONDS = 3600


class DownloaderOptions(Options):
    """`target`: a folder or s3://bucket/prefix; `name`: a template; `max_size` of one file; `posters` beside it.

    `keep_free`: with less room on the disk, downloads wait.
    """

    target: str
    name: str = Field("{vendor}/{job_id}-{n}", examples=["{vendor}/{job_id}-{n}"])
    max_size: str = Field("2GiB", examples=["2GiB"])
    keep_free: str = Field("1GiB", examples=["1GiB"])
    posters: StrictBool = Field(False, examples=[True])

    @field_validator("target")
    @classmethod
    def _is_a_place(cls, value: str) -> str:
        if problem := target_problem(value, lambda module: find_spec(module) is not None):
            raise ValueError(problem)
        return value

    @field_validator("name")
    @classmethod
    def _is_a_template(cls, value: str) -> str:
        check_template(value)
        return value

    @field_validator("max_size")
    @classmethod
    def _is_a_size(cls, value: str) -> str:
        if parse_size(value) < 1:
            raise ValueError("must be more than nothing")
        return value

    @field_validator("keep_free")
    @classmethod
    def _is_room(cls, value: str) -> str:
        parse_size(value)
        return value

    @field_validator("posters")
    @classmethod
    def _can_be_drawn(cls, value: bool) -> bool:
        if value and find_spec("av") is None:
            raise ValueError("needs the extra video: pip install 'clipbell[video]'")
        return value


class Downloader:
    """Saves files to one place."""

    def __init__(self, options: DownloaderOptions, tools: Tools) -> None:
        self._tools = tools
        largest = parse_size(options.max_size)
        self._place = place_of(options.target, tools.folder, largest)
        self._shelf = Shelf(self._place, options.name, posters=options.posters)
        self._room = Room(self._place.disk, parse_size(options.keep_free))
        self._fetcher = Fetcher(tools, largest, self._room)

    async def deliver(self, parcels: Sequence[Parcel]) -> Mapping[str, Outcome]:
        """Save the files of each clip."""
        return {parcel.key: await self._save(parcel) for parcel in parcels}

    async def _save(self, parcel: Parcel) -> Outcome:
        source = Source(self._tools, parcel.event)
        if not source.numbers:
            return Done("nothing to download: the vendor gave no web address")
        end = asyncio.get_running_loop().time() + _SECONDS
        try:
            await self._hold_room(parcel, source)
            await self._shelf.write_event(parcel.event)
            saved = [await self._save_one(parcel, source, number, end) for number in source.numbers]
        except Stop as stop:
            return stop.outcome
        except AddressRefused as error:
            return GiveUp(str(error))
        except NetError as error:
            return TryLater(str(error))
        except OSError as error:
            return self._room.verdict(error, self._place.name)
        return Done(f"{len(saved)} saved, {size(sum(file.bytes for file in saved))}", tuple(saved))

    async def _hold_room(self, parcel: Parcel, source: Source) -> None:
        try:
            await self._room.hold()
        except OSError:
            # what broken downloads have left of this clip goes first
            for number in source.numbers:
                await self._shelf.drop(Spot(parcel.event, number, source.mime_type(number)), parcel.key)
            await self._room.hold()

    async def _save_one(self, parcel: Parcel, source: Source, number: int, end: float) -> Saved:
        spot = Spot(parcel.event, number, source.mime_type(number))
        if there := await self._shelf.there(spot):
            return there
        partial = await self._shelf.partial(spot, parcel.key)
        if source.is_near_end(number):
            await source.renew(number)
        try:
            found = await self._load(source, number, partial, end)
        except DeadUrl as dead:
            raise Stop(source.verdict(number, str(dead))) from dead
        try:
            return await self._shelf.land(spot, partial, found)
        finally:
            await in_thread(partial.remove)

    async def _load(self, source: Source, number: int, partial: Partial, end: float) -> Measured:
        loop = asyncio.get_running_loop()
        try:
            return await self._fetcher.fetch(source.video(number), partial, end - loop.time())
        except DeadUrl:
            if not await source.renew(number):
                raise
        return await self._fetcher.fetch(source.video(number), partial, end - loop.time())

    async def close(self) -> None:
        """Nothing is held."""


HANDLER = HandlerType(
    name="downloader",
    options=DownloaderOptions,
    make=Downloader,
    example={"target": "clips"},
    events=(EventType.COMPLETED,),
    concurrency=4,
    timeout=_SECONDS,
    perishable=True,
)
