"""Handler: what one handler file must supply, what it is given, and what it answers.

A handler gets a list of parcels and returns an outcome for each. It never decides when to try again: it says whether
trying again makes sense (`TryLater`) or not (`GiveUp`), and why, without a secret in the words. It may see the same
parcel again after a crash; `Parcel.key` is then the same.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict

from schemas.answers import retry_after
from schemas.event import Event, EventType, Video
from schemas.vendor import Answer

VIDEO_EVENTS = (EventType.COMPLETED, EventType.FAILED)
ALERT_EVENTS = (EventType.RAISED, EventType.CLEARED)
PEOPLE_EVENTS = (*VIDEO_EVENTS, *ALERT_EVENTS)


@dataclass(frozen=True, slots=True)
class Parcel:
    """One event for one target. `key`: the same on every attempt, another after a replay."""

    key: str
    event: Event
    target: str
    #: Attempts made before this one.
    attempt: int = 0
    #: Seconds from the vendor's acceptance to its verdict; None where there is no such span.
    elapsed: float | None = None
    #: The vendor's title, as people read it; None where it is not known.
    vendor_title: str | None = None


@dataclass(frozen=True, slots=True)
class Saved:
    """A file that a handler saved; `path` is a path or an s3:// address, `sha256` in hex.

    `seconds`, `width`, `height`: of the film in it, where the file says so; other than ordered they raise an alert.
    """

    number: int
    path: str
    bytes: int
    sha256: str
    mime_type: str = "video/mp4"
    poster: str | None = None
    seconds: float | None = None
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """Delivered. `answer`: what the other side said, short; `saved`: files that now exist (tells `clip.saved`)."""

    answer: str | None = None
    saved: tuple[Saved, ...] = ()


@dataclass(frozen=True, slots=True)
class TryLater:
    """Not delivered, and trying again makes sense; `after`: seconds that the other side asked for.

    `no_room_at`: the folder whose disk has no room. That is told as `disk.low`, and waiting for room uses up no try.
    """

    reason: str
    after: float | None = None
    answer: str | None = None
    no_room_at: str | None = None


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Not delivered, and trying again is no use; `gone`: the other side wants nothing any more (the handler pauses)."""

    reason: str
    answer: str | None = None
    gone: bool = False


Outcome = Done | TryLater | GiveUp


class Download(Protocol):
    """A streamed answer. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]

    def chunks(self) -> AsyncIterator[bytes]:
        """The bytes as they are on the wire (never decompressed), up to the cap.

        Raises: Unanswered where the stream breaks, stalls, passes its deadline or its cap.
        """
        ...


class Http(Protocol):
    """The only way out for a handler: deadlines, size caps and the address ban are built in.

    Raises, for both: Unsent (AddressRefused for a banned address), Unanswered.
    """

    async def call(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes = b"",
        timeout: float = 15,
        max_bytes: int = 65_536,
    ) -> Answer:
        """Make one call, redirects not followed; an answer longer than `max_bytes` is cut there."""
        ...

    def stream(
        self, url: str, *, headers: Mapping[str, str] | None = None, timeout: float, max_bytes: int
    ) -> AbstractAsyncContextManager[Download]:
        """Open a GET; `timeout` is for the whole of it, in seconds."""
        ...


#: (event, number of the clip from 1) -> an address of ours that stays good
ClipLink = Callable[[Event, int], str | None]


def no_link(event: Event, number: int) -> str | None:
    """Have no address of our own for a clip."""
    return None


class LedgerLines(Protocol):
    """Reads what was charged and refunded."""

    async def __call__(self, *job_ids: str) -> Sequence[Mapping[str, Any]]:
        """The ledger lines of these jobs in the contract's shape, oldest first."""
        ...


class SavedClip(Protocol):
    """Finds what was saved of an event's clip."""

    async def __call__(self, event: Event, *, with_poster: bool = False) -> Saved | None:
        """The first file on a disk of ours; soon after the event it waits some seconds for one that is on its way.

        With `with_poster` only for one that will have a poster, which it may lack all the same; that may be in a
        bucket (an s3:// address), too.
        """
        ...


async def nothing_saved(event: Event, *, with_poster: bool = False) -> Saved | None:
    """Know of no saved file."""
    return None


class Turn:
    """Whose turn it is at one address; `next`: on the loop's clock, when the next call may go out."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.next = 0.0


class Turns:
    """The turns at addresses that take only so many calls, whichever handlers call there. Tells no address."""

    def __init__(self) -> None:
        self._turns: dict[str, Turn] = {}

    def at(self, address: str) -> Turn:
        """The one turn at an address."""
        return self._turns.setdefault(address, Turn())


@dataclass(frozen=True, slots=True)
class Tools:
    """What a handler is given to work with."""

    http: Http
    #: The folder of the configuration file: relative paths in options begin there.
    folder: Path
    now: Callable[[], datetime]
    #: Ask the vendor for a job's videos with fresh URLs; () where it has none. Raises NetError or Unreadable.
    fresh_videos: Callable[[str], Awaitable[tuple[Video, ...]]]
    ledger_lines: LedgerLines
    #: The living link of an event's clip by its number from 1, for people; None where there is none.
    clip_link: ClipLink = no_link
    #: The same for a clip's poster, as far as it can be reached from anywhere.
    poster_link: ClipLink = no_link
    saved_clip: SavedClip = nothing_saved
    #: Shared by all handlers of the process.
    turns: Turns = field(default_factory=Turns)


class Options(BaseModel):
    """The base of every handler's options: unknown keys are refused, secrets are `SecretStr`."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Handler(Protocol):
    """What the program talks to. Made once at the start, closed once at the end."""

    async def deliver(self, parcels: Sequence[Parcel]) -> Mapping[str, Outcome]:
        """Tell one target of these events; answer an outcome for each parcel's key.

        An exception means `TryLater` for all of them. May be cancelled at any await; must then leave nothing half
        done under a final name.
        """
        ...

    async def close(self) -> None:
        """Let go of what is held."""
        ...


#: (options) -> targets, each with a delivery of its own; a target must not contain a secret
Targets = Callable[[Any], Sequence[str]]


def one_target(_: Any) -> Sequence[str]:
    """The targets of a handler that has only one: nameless."""
    return ("",)


#: (options, tools, parcels of one message, a JPEG for a poster or None) -> that message as a piece of HTML, unsent
Preview = Callable[[Any, Tools, Sequence[Parcel], bytes | None], str]


@dataclass(frozen=True, slots=True)
class HandlerType:
    """Everything the program knows of one handler type."""

    name: str
    options: type[Options]
    #: Called once for each configured handler of this type.
    make: Callable[[Any, Tools], Handler]
    #: Options that would be accepted, for messages and docs.
    example: Mapping[str, Any]
    #: What it is told of where the configuration does not say.
    events: tuple[EventType, ...] = PEOPLE_EVENTS
    targets: Targets = one_target
    #: How many parcels of one target it takes at once.
    max_batch: int = 1
    #: How many deliver() calls may run at once.
    concurrency: int = 8
    #: Seconds that one deliver() may take.
    timeout: float = 60
    #: Whether it works against the end of a video's URL: retries from 1 s doubling to 5 min instead of the schedule.
    perishable: bool = False
    #: Shows people how its messages look; None where it tells nobody.
    preview: Preview | None = None
    #: Does once, before the server takes calls, what its first delivery would take long for: heavy imports above all.
    prepare: Callable[[], None] | None = None


def outcome_of(answer: Answer, now: datetime) -> Outcome:
    """The usual verdict on an HTTP answer: 2xx done; 408, 425, 429 and 5xx later; other 3xx and 4xx give up."""
    words = answer.body[:200].decode("utf-8", "replace")
    if 200 <= answer.status < 300:
        return Done(words)
    if answer.status in (408, 425, 429) or answer.status >= 500:
        return TryLater(f"HTTP {answer.status}", after=retry_after(answer, now), answer=words)
    return GiveUp(f"HTTP {answer.status}", answer=words, gone=answer.status == 410)
