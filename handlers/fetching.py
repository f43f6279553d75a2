"""From a video's URL to a checked partial file, and from a dead URL to a fresh one. Gives no file its final name."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from urllib.parse import urljoin

from handlers.landing import Partial, in_thread
from handlers.places import Measured, measured
from handlers.protocol import Done, Download, GiveUp, Outcome, Tools, TryLater, outcome_of
from handlers.room import Room
from handlers.words import size
from schemas.errors import NetError, Unanswered, Unreadable
from schemas.event import Event, Video
from schemas.vendor import Answer

#: A URL that dies within this is renewed before it is tried.
NEAR_END = timedelta(seconds=60)
_DEAD = frozenset({401, 403, 404, 410})
_MOVED = frozenset({301, 302, 303, 307, 308})
_HOPS = 3
_PAGES = ("text/", "application/json", "application/xml", "application/xhtml")
_BUFFER = 1 << 20
#: The cap of the connection itself: above ours, so that we see that it was the size.
_SLACK = 16 << 20


class Stop(Exception):
    """This parcel is decided."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__()
        self.outcome = outcome


class DeadUrl(Exception):
    """The host does not honour the URL (any longer)."""


class Source:
    """A job's URLs, renewed at the vendor once an attempt."""

    def __init__(self, tools: Tools, event: Event) -> None:
        self._tools, self._event = tools, event
        self._videos = {number: video for number, video in enumerate(event.videos, 1) if video.is_url}
        self._asked = False
        self._trouble: str | None = None

    @property
    def numbers(self) -> tuple[int, ...]:
        """The numbers, from 1, of those that have a URL."""
        return tuple(self._videos)

    def video(self, number: int) -> Video:
        """Where to load one now."""
        return self._videos[number]

    def mime_type(self, number: int) -> str:
        """What kind of file it shall be."""
        return (self._videos[number].mime_type or "video/mp4").partition(";")[0].strip().lower()

    def is_near_end(self, number: int) -> bool:
        """Whether its URL is dead, or will be before long."""
        end = self._videos[number].expires_at
        return end is not None and end - self._tools.now() < NEAR_END

    async def renew(self, number: int) -> bool:
        """Ask for fresh URLs, if that was not done yet; answer whether this one has another now."""
        if self._asked:
            return False
        self._asked = True
        old = self._videos[number]
        try:
            fresh = await self._tools.fresh_videos(self._event.job_id or "")
        except (NetError, Unreadable) as error:
            self._trouble = str(error)
            return False
        self._videos |= {n: video for n, video in enumerate(fresh, 1) if video.is_url}
        return self._videos[number] != old

    def verdict(self, number: int, reason: str) -> Outcome:
        """Decide on a URL that was refused, and that cannot be renewed any more in this attempt."""
        end = self._videos[number].expires_at
        if self._trouble:
            return TryLater(f"{reason}; the vendor gave no fresh URL: {self._trouble}")
        if end is not None and end <= self._tools.now():
            return GiveUp(f"{reason}; the URL has expired and the vendor gives no fresh one")
        return TryLater(reason)


@dataclass(frozen=True, slots=True)
class Fetcher:
    """Loads URLs into partials. `etags`: what a host called the file whose partial we kept."""

    tools: Tools
    max_size: int
    room: Room
    etags: dict[Path, str] = field(default_factory=dict)

    async def fetch(self, video: Video, partial: Partial, seconds: float) -> Measured:
        """Load a video into its partial, and look at it.

        Raises: DeadUrl; Stop, also for what is no whole video; NetError; OSError.
        """
        deadline = asyncio.get_running_loop().time() + seconds
        etag = self.etags.get(partial.path)
        keep = False
        try:
            await in_thread(partial.open, resume=etag is not None)
            await self._load(video.url, partial, etag, deadline)
            found = await measured(partial, video.mime_type)
            if found.problem:
                raise Stop(TryLater(f"what the host sent is no whole video: {found.problem}"))
            keep = True
        except (NetError, DeadUrl):
            keep = partial.path in self.etags
            raise
        else:
            self.etags.pop(partial.path, None)
            return found
        finally:
            if not keep:
                self.etags.pop(partial.path, None)
            if not keep or partial.is_open:
                await in_thread(partial.close if keep else partial.remove)

    async def _load(self, url: str, partial: Partial, etag: str | None, deadline: float) -> None:
        for _ in range(_HOPS + 1):
            seconds = max(deadline - asyncio.get_running_loop().time(), 1)
            headers = {"range": f"bytes={partial.size}-", "if-range": etag} if etag and partial.size else {}
            limit = self.max_size + _SLACK
            async with self.tools.http.stream(url, headers=headers, timeout=seconds, max_bytes=limit) as download:
                if download.status not in _MOVED or "location" not in download.headers:
                    self._judge(download)
                    await self._receive(download, partial)
                    return
                url = urljoin(url, download.headers["location"])
        raise Stop(GiveUp(f"the host sent us on more than {_HOPS} times"))

    def _judge(self, download: Download) -> None:
        status, kind = download.status, download.headers.get("content-type", "").lower()
        if status in _DEAD:
            raise DeadUrl(f"HTTP {status}")
        if status == 416:
            raise Stop(TryLater("HTTP 416: the host's file has changed", after=1))
        if status not in (200, 206):
            outcome = outcome_of(Answer(status, download.headers, b""), self.tools.now())
            raise Stop(TryLater(f"HTTP {status}") if isinstance(outcome, Done) else outcome)
        if kind.startswith(_PAGES):
            raise DeadUrl("the host sent a page instead of the video")

    async def _receive(self, download: Download, partial: Partial) -> None:
        if partial.size and not _goes_on(download, partial.size):
            await in_thread(partial.restart)
        elif download.status == 206 and not partial.size:
            raise Stop(TryLater("the host sent a part of the file, unasked", after=1))
        self.etags.pop(partial.path, None)
        etag = download.headers.get("etag", "")
        if etag.startswith('"'):  # a weak one does not promise the same bytes
            self.etags[partial.path] = etag
        length = download.headers.get("content-length", "")
        expected = partial.size + int(length) if length.isdecimal() else None
        self._hold_size(expected or 0)
        await self.room.hold((expected or partial.size) - partial.size)
        await self._write(download, partial)
        if expected is not None and partial.size != expected:
            raise Unanswered(f"{partial.size} of {expected} bytes came")

    async def _write(self, download: Download, partial: Partial) -> None:
        buffer = bytearray()
        try:
            async for chunk in download.chunks():
                buffer += chunk
                self._hold_size(partial.size + len(buffer))
                if len(buffer) >= _BUFFER:
                    await self.room.hold(len(buffer))
                    await in_thread(partial.write, bytes(buffer))
                    buffer.clear()
        except NetError:
            await in_thread(partial.write, bytes(buffer))
            raise
        await in_thread(partial.write, bytes(buffer))

    def _hold_size(self, count: int) -> None:
        if count > self.max_size:
            raise Stop(GiveUp(f"the video is larger than max_size ({size(self.max_size)})"))


def _goes_on(download: Download, offset: int) -> bool:
    return download.status == 206 and download.headers.get("content-range", "").startswith(f"bytes {offset}-")
