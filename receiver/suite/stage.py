"""Where a handler is tried: a folder, a real HTTP server on 127.0.0.1, and ways out that lead only there.

What is known of a handler's other side is a `Case`. Most handlers need none: their `example` is used as it stands, and
whatever they call through `tools.http` comes to the stage's server.
"""

import asyncio
import logging
import ssl
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

from pydantic import SecretStr

from handlers.protocol import Download, HandlerType, Http, Outcome, Parcel
from receiver.net import Net
from receiver.suite.events import READY as EVENT
from receiver.suite.events import tools
from receiver.suite.fence import fenced, is_here
from receiver.suite.files import content, files_of
from receiver.suite.http_server import Reply, Seen, Server, serving
from receiver.suite.promises import Broken, hold, said_of
from schemas.errors import AddressRefused
from schemas.event import Event, Video
from schemas.values import replace
from schemas.vendor import Answer

T = TypeVar("T")
LOOPBACK = (ip_network("127.0.0.0/8"),)
#: Seconds within which everything must have ended, whatever the other side does.
LONGEST = 30.0
#: Shorter pieces of a secret are ordinary words.
SHORTEST_SECRET = 6
LATER = frozenset({408, 425, 429, *range(500, 600)})


@dataclass(frozen=True)
class Stage:
    """Where a handler is tried."""

    folder: Path
    server: Server


def usual(status: int) -> str:
    """What the contract says of an answer: the name of the outcome."""
    return "Done" if status < 300 else "TryLater" if status in LATER else "GiveUp"


def visible(stage: Stage) -> Any:
    """What can be seen of a handler's work: the files it left, and the different requests that came."""
    files = {str(path.relative_to(stage.folder)): content(path) for path in files_of(stage.folder)}
    return files, {(seen.method, seen.path, seen.body) for seen in stage.server.seen}


def echo(seen: Seen) -> Reply:
    """Answer with all that came, as a server under debug would."""
    return Reply(400, f"{seen.method} {seen.path} {dict(seen.headers)}".encode() + seen.body)


def _nothing(_: Any) -> None:
    """Leave the stage as it is."""


@dataclass(frozen=True)
class Case:
    """What is to be known of one handler type to try it; the defaults do for most that speak HTTP."""

    #: (stage) -> its options there; None: its example.
    options: Callable[[Any], Mapping[str, Any]] | None = None
    #: (stage) -> what can be seen of its work, which a second delivery of the same key must not change; None where
    #: each delivery is one more effect by nature.
    effects: Callable[[Any], Any] | None = visible
    #: Whether it calls through `tools.http`; None: find out.
    http: bool | None = None
    #: From an HTTP status to the name of the outcome.
    verdict: Callable[[int], str] = usual
    #: What becomes of an answer of 200 that never ends: the name of the outcome.
    endless: str = "Done"
    #: What must never be read anywhere; None: every secret of its options.
    secrets: tuple[str, ...] | None = None
    #: With what the stage's server answers when all is well.
    reply: bytes = b"ok"
    #: (stage) -> nothing: let the other side refuse, with a secret in its words, where that is not the HTTP server.
    spoil: Callable[[Any], None] = _nothing


class ShortWay:
    """The real way out with its deadlines shortened; every address but this machine's leads to the stage's server."""

    def __init__(self, url: str, seconds: float, trust: ssl.SSLContext | None = None) -> None:
        self._net = Net(allow=LOOPBACK, stall=seconds, ssl_context=trust)
        self._url, self._seconds = url, seconds

    async def call(self, method: str, url: str, *, timeout: float = 15, **more: Any) -> Answer:
        """Make one call."""
        return await self._net.call(method, self._led(url), timeout=min(timeout, self._seconds), **more)

    def stream(
        self, url: str, *, headers: Mapping[str, str] | None = None, timeout: float, max_bytes: int
    ) -> AbstractAsyncContextManager[Download]:
        """Open a GET."""
        seconds = min(timeout, self._seconds)
        return self._net.stream(self._led(url), headers=headers, timeout=seconds, max_bytes=max_bytes)

    def _led(self, url: str) -> str:
        try:
            parts = urlsplit(url)
            elsewhere = parts.scheme in ("http", "https") and not is_here(parts.hostname)
        except ValueError:
            return url
        return f"{self._url}{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}" if elsewhere else url


class NoWay:
    """A way out that is closed, as for a banned address."""

    async def call(self, method: str, url: str, **more: Any) -> Answer:
        """Refuse. Raises: AddressRefused."""
        raise AddressRefused("the address is not a public one")

    def stream(self, url: str, **more: Any) -> AbstractAsyncContextManager[Download]:
        """Refuse. Raises: AddressRefused."""
        raise AddressRefused("the address is not a public one")


@dataclass
class Ending:
    """How one call of deliver() ended: outcomes, or what it raised; and what else was noticed."""

    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    error: Exception | None = None
    log: list[str] = field(default_factory=list)
    #: Connections to other machines that it tried to make by itself.
    strays: list[str] = field(default_factory=list)
    #: The longest time, in seconds, for which the event loop stood still.
    stood: float = 0


@dataclass(frozen=True)
class Trial:
    """One handler type on a stage."""

    kind: HandlerType
    case: Case
    stage: Stage

    @contextmanager
    def elsewhere(self) -> Iterator["Trial"]:
        """The same on a fresh stage."""
        with staged(self.case) as stage:
            yield replace(self, stage=replace(self.stage, folder=stage.folder, server=stage.server))

    def options(self) -> Any:
        """Its options on this stage."""
        made = self.case.options(self.stage) if self.case.options else self.kind.example
        return self.kind.options.model_validate(made)

    def make(self, http: Http | None = None) -> Any:
        """One handler, made as the program makes it."""
        return self.kind.make(self.options(), tools(self.stage.folder, http=http or self.way_out(10)))

    def way_out(self, seconds: float) -> Http:
        """What it calls through."""
        return ShortWay(self.stage.server.url, seconds)

    def is_http(self) -> bool:
        """Whether it calls through `tools.http`."""
        if self.case.http is not None:
            return self.case.http
        with self.elsewhere() as other:
            other.attempt([EVENT])
            return bool(other.stage.server.seen)

    def secrets(self) -> tuple[str, ...]:
        """What must never be read anywhere."""
        if self.case.secrets is not None:
            return self.case.secrets
        return tuple(sorted({piece for value in _secret_values(self.options()) for piece in _pieces(value)}))

    def deliver(self, events: Sequence[Event], **more: Any) -> Mapping[str, Outcome]:
        """Give a fresh handler these events for its first target, with the keys dlv_1, dlv_2 and so on.

        Raises: Broken where it raises, and so gives no outcome.
        """
        ending = self.attempt(events, **more)
        if ending.error:
            raise Broken(f"deliver() raised {said_of(ending.error)}; it must answer an outcome for each key")
        return ending.outcomes

    def one(self, event: Event, **more: Any) -> Outcome:
        """Give it one event. Raises: Broken where there is no outcome."""
        outcomes = self.deliver([event], **more)
        hold(bool(outcomes), "deliver() answered nothing for its one key")
        return next(iter(outcomes.values()))

    def attempt(
        self, events: Sequence[Event], *, seconds: float = 10, first: int = 1, http: Http | None = None
    ) -> Ending:
        """Do the same, and answer also what went wrong."""
        ending = Ending()

        async def deliver() -> None:
            handler = self.make(http or self.way_out(seconds))
            target = self.kind.targets(self.options())[0]
            given = [Parcel(f"dlv_{n}", self.aimed(e), target, elapsed=75) for n, e in enumerate(events, first)]
            try:
                ending.outcomes = await handler.deliver(given)
            finally:
                await handler.close()

        with fenced() as strays, _listening(ending.log):
            try:
                in_thread(lambda: _watched(deliver(), ending))
            except Broken:
                raise
            except Exception as error:  # noqa: BLE001 - whatever foreign code raises is what is looked at
                ending.error = error
        ending.strays = list(strays)
        return ending

    def aimed(self, event: Event) -> Event:
        """Point an event's videos at the stage's server."""
        return replace(event, videos=tuple(Video(f"{self.stage.server.url}/a.mp4") for _ in event.videos))


@contextmanager
def staged(case: Case) -> Iterator[Stage]:
    """A stage for the length of a block; its server answers as if all were well."""
    with TemporaryDirectory(prefix="clipbell-check-") as folder, serving(Reply(200, case.reply)) as server:
        yield Stage(Path(folder), server)


def in_thread(make: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine in a loop and a thread of its own, so that one that blocks can be told from one that waits.

    Raises: Broken where it does not end, and whatever it raises.
    """
    found: list[T] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            found.append(asyncio.run(make()))
        except BaseException as error:  # noqa: BLE001 - carried over to the thread that waits
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(LONGEST)
    hold(not thread.is_alive(), f"it did not end within {LONGEST:g} s: it blocks its thread")
    if raised:
        raise raised[0]
    return found[0]


async def _watched(work: Coroutine[Any, Any, None], ending: Ending) -> None:
    loop = asyncio.get_running_loop()

    async def tick() -> None:
        while True:
            begun = loop.time()
            await asyncio.sleep(0.02)
            ending.stood = max(ending.stood, loop.time() - begun)

    ticking = asyncio.create_task(tick())
    await asyncio.sleep(0)
    try:
        await work
        # one more turn, or the last stand would not be noticed
        await asyncio.sleep(0.03)
    finally:
        ticking.cancel()


@contextmanager
def _listening(lines: list[str]) -> Iterator[None]:
    class _Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(f"{record.getMessage()} {record.exc_info or ''}")

    ear = _Ear()
    logging.getLogger().addHandler(ear)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(ear)


def _secret_values(options: Any) -> Iterator[str]:
    for _, value in options:
        for one in value if isinstance(value, tuple | list) else (value,):
            if isinstance(one, SecretStr):
                yield one.get_secret_value()


def _pieces(secret: str) -> Iterator[str]:
    """The secret; of a URL what tells: user, password, the pieces of its path and query."""
    url = urlsplit(secret)
    if not (url.scheme and url.netloc):
        yield secret
        return
    pieces = [url.username, url.password, *url.path.split("/"), *(value for _, value in parse_qsl(url.query))]
    yield from (piece for piece in pieces if piece and len(piece) >= SHORTEST_SECRET)
