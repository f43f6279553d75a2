"""Downloader: saves a finished clip's files before their URLs die, whole or not at all.

Streams into a hidden partial beside the file, checks that it is a whole video, and only then gives it its name. A URL
that the host no longer honours, or that is near its end, is renewed at the vendor once an attempt. A broken download
goes on where it stopped, if the host says that the file is still the same. What is saved is not loaded again.

https://www.rfc-editor.org/rfc/rfc9110#name-range-requests
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import field_validator

from handlers.fetching import DeadUrl, Fetcher, Source, Stop
from handlers.landing import Partial, file_mode, in_thread, make_folder, measure, settle, write_whole
from handlers.naming import belongs_to_job, check_template, file_name
from handlers.protocol import Done, GiveUp, Handler, HandlerType, Options, Outcome, Parcel, Saved, Tools, TryLater
from handlers.words import size
from schemas.errors import AddressRefused, NetError
from schemas.event import Event, EventType, Video
from schemas.units import parse_size

_SECONDS = 3600


class DownloaderOptions(Options):
    """`target`: a folder; `name`: a template of the file's name; `max_size` of one file; `posters` beside it."""

    target: str
    name: str = "{vendor}/{job_id}-{n}"
    max_size: str = "2GiB"
    posters: bool = False

    @field_validator("target")
    @classmethod
    def _is_a_place(cls, value: str) -> str:
        if not value.strip():
            raise ValueError('must be a folder such as "clips", or "s3://bucket/prefix"')
        if value.startswith("s3://"):
            raise ValueError("needs the extra s3; give a folder")
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


class Downloader:
    """Saves files into a folder."""

    def __init__(self, options: DownloaderOptions, tools: Tools) -> None:
        self._options, self._tools = options, tools
        self._root = tools.folder / options.target
        self._mode = file_mode()
        self._fetcher = Fetcher(tools, parse_size(options.max_size))

    async def deliver(self, parcels: Sequence[Parcel]) -> Mapping[str, Outcome]:
        """Save the files of each clip."""
        return {parcel.key: await self._save(parcel) for parcel in parcels}

    async def _save(self, parcel: Parcel) -> Outcome:
        source = Source(self._tools, parcel.event)
        if not source.numbers:
            return Done("nothing to download: the vendor gave no web address")
        end = asyncio.get_running_loop().time() + _SECONDS
        try:
            await in_thread(self._write_event, parcel.event, source.video(source.numbers[0]))
            saved = [await self._save_one(parcel, source, number, end) for number in source.numbers]
        except Stop as stop:
            return stop.outcome
        except AddressRefused as error:
            return GiveUp(str(error))
        except NetError as error:
            return TryLater(str(error))
        except OSError as error:
            return TryLater(f"{self._root} cannot be written: {(error.strerror or 'it failed').lower()}")
        return Done(f"{len(saved)} saved, {size(sum(file.bytes for file in saved))}", tuple(saved))

    async def _save_one(self, parcel: Parcel, source: Source, number: int, end: float) -> Saved:
        final = self._path(parcel.event, number, source.video(number))
        if belongs_to_job(self._options.name) and (there := await self._there(final, source.video(number))):
            return Saved(number, str(final), *there, mime_type=_mime(source.video(number)))
        await in_thread(make_folder, final.parent, self._root)
        partial = Partial(final.with_name(f".{final.name}.{parcel.key}.partial"))
        if source.is_near_end(number):
            await source.renew(number)
        try:
            count, sha256 = await self._load(source, number, partial, end)
        except DeadUrl as dead:
            raise Stop(source.verdict(number, str(dead))) from dead
        try:
            final = await self._settle(parcel.event, number, source.video(number), partial, sha256)
        finally:
            await in_thread(partial.remove)
        return Saved(number, str(final), count, sha256, mime_type=_mime(source.video(number)))

    async def _load(self, source: Source, number: int, partial: Partial, end: float) -> tuple[int, str]:
        loop = asyncio.get_running_loop()
        try:
            return await self._fetcher.fetch(source.video(number), partial, end - loop.time())
        except DeadUrl:
            if not await source.renew(number):
                raise
        return await self._fetcher.fetch(source.video(number), partial, end - loop.time())

    async def _settle(self, event: Event, number: int, video: Video, partial: Partial, sha256: str) -> Path:
        """Give the file its name; a name that another file has is not taken, the job's id is added then."""
        for apart in (False, True):
            final = self._path(event, number, video, apart=apart)
            try:
                await in_thread(settle, partial.path, final, self._mode)
            except FileExistsError:
                there = await in_thread(measure, final, video.mime_type)
                if there[1] == sha256:
                    return final
            else:
                return final
        raise Stop(GiveUp(f"another file is at {final}; move it away, then retry"))

    async def _there(self, final: Path, video: Video) -> tuple[int, str] | None:
        try:
            count, sha256, problem = await in_thread(measure, final, video.mime_type)
        except FileNotFoundError:
            return None
        if problem:
            raise Stop(GiveUp(f"the file at {final} is no whole video ({problem}); move it away, then retry"))
        return count, sha256

    def _path(self, event: Event, number: int, video: Video, *, apart: bool = False) -> Path:
        suffix = ".webm" if _mime(video) == "video/webm" else ".mp4"
        return self._root / file_name(self._options.name, event, number, suffix, apart=apart)

    def _write_event(self, event: Event, video: Video) -> None:
        folder = self._path(event, 1, video).parent
        make_folder(folder, self._root)
        content = json.dumps(event.to_json(), indent=2, ensure_ascii=False) + "\n"
        write_whole(folder / f"{event.job_id}.json", content.encode("utf-8", "backslashreplace"), self._mode)

    async def close(self) -> None:
        """Nothing is held."""


def _mime(video: Video) -> str:
    return (video.mime_type or "video/mp4").partition(";")[0].strip().lower()


def make(options: DownloaderOptions, tools: Tools) -> Handler:
    """Make the handler."""
    return Downloader(options, tools)


HANDLER = HandlerType(
    name="downloader",
    options=DownloaderOptions,
    make=make,
    example={"target": "clips"},
    events=(EventType.COMPLETED,),
    concurrency=4,
    timeout=_SECONDS,
    perishable=True,
)
