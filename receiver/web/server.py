"""The server: uvicorn as Clipbell wants it, under the guard's limits. Knows nothing of what the application does.

Proxy headers are not believed, nothing is logged per request (paths hold tokens), SIGTERM and SIGINT end it with a
return instead of the signal, and what goes wrong at the start is raised instead of logged.
"""

import asyncio
import errno
import os
import signal
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from types import FrameType

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from receiver.web.guard import Limits, guarded, hurry, sweep
from receiver.web.hatch import Hatch
from schemas.errors import ConfigurationError, Problem

BACKLOG = 2048
_SWEEP_EVERY = 0.25
#: Seconds that a half-sent request is still waited for once the server stops.
_HURRY = 2.0
_FILES_WANTED = 65_536
#: Of a hundred open files, how many may be connections of clients.
_SHARE = 75
_NO_STORE = (b"cache-control", b"no-store")
_HEADERS = [("x-content-type-options", "nosniff"), ("referrer-policy", "no-referrer")]


def _nothing() -> None:
    """Stand in for a callback that nobody gave."""


class Server(uvicorn.Server):
    """One listening server. `port` is the real one, also where port 0 was asked for."""

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket], app: "_Edge") -> None:
        super().__init__(config)
        self.port: int = sockets[0].getsockname()[1]
        self._sockets = sockets
        self._edge = app
        #: Called in the server's loop: when it answers, and when it begins to stop (end long answers then).
        self.on_start: Callable[[], None] = _nothing
        self.on_stop: Callable[[], None] = _nothing

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until `stop` or a signal; returns after a graceful end.

        Raises: whatever the application's lifespan raised.
        """
        sweeper = asyncio.create_task(self._sweep())
        try:
            await super().serve(sockets or self._sockets)
        except SystemExit:
            if self._edge.failure is None:
                raise
        finally:
            sweeper.cancel()
            for each in self._sockets:
                each.close()
        if self._edge.failure is not None:
            raise self._edge.failure

    def stop(self) -> None:
        """Ask for a graceful end, from any thread."""
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        self.on_start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop, and let nobody who sends slowly hold that up."""
        self.on_stop()
        hurry(self.server_state.connections, asyncio.get_running_loop().time() + _HURRY)
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """End gracefully on SIGTERM and SIGINT; uvicorn would raise the signal again, and the exit code be 143."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {each: signal.signal(each, self.handle_exit) for each in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)

    def handle_exit(self, sig: int, _: FrameType | None) -> None:
        """Note the signal; a second SIGINT does not wait for answers."""
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_SWEEP_EVERY)
            sweep(self.server_state.connections, loop.time())


class _Edge:
    """The application, with what its lifespan raises kept for the caller and out of the log.

    An answer that does not say how long it may be kept is not kept by anybody.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.failure: BaseException | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
            return

        def not_kept(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start" and not _says_how_long(message):
                message = {**message, "headers": [*message.get("headers", ()), _NO_STORE]}
            return send(message)

        await self._app(scope, receive, not_kept)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def without_traceback(message: Message) -> None:
            await send({**message, "message": ""} if message["type"].endswith(".failed") else message)

        try:
            await self._app(scope, receive, without_traceback)
        except BaseException as error:
            self.failure = error
            raise


def _says_how_long(start: Message) -> bool:
    for name, _ in start.get("headers", ()):  # noqa: SIM110 twice as fast, and on every answer's way
        if name == b"cache-control":
            return True
    return False


def make_server(
    app: ASGIApp, host: str, port: int, *, limits: Limits | None = None, graceful: int = 10, hatch: Hatch | None = None
) -> Server:
    """Make a server that is bound already (port 0: any free one) and listens from `serve` on.

    `graceful`: seconds for answers under way once it stops. `hatch`: what answers some requests in the app's place.
    Raises: ConfigurationError where it cannot listen there.
    """
    sockets = _bound(host, port)
    wrapped = _Edge(app)
    config = uvicorn.Config(
        wrapped,
        http=guarded(_within_files(limits or Limits()), hatch),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        headers=_HEADERS,
        backlog=BACKLOG,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=graceful,
        workers=1,
    )
    return Server(config, sockets, wrapped)


def _bound(host: str, port: int) -> list[socket.socket]:
    bound: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, _, _, _, address in found:
            real = bound[0].getsockname()[1] if bound else port
            bound.append(_socket(family, (address[0], real, *address[2:]), alone=len(found) == 1))
    except OSError as error:
        for each in bound:
            each.close()
        raise ConfigurationError([Problem("listen", _why(host, port, error))]) from error
    return bound


def _socket(family: int, address: Sequence[object], *, alone: bool) -> socket.socket:
    # with protocol 0 asyncio would leave Nagle's algorithm on, which costs 40 ms an answer
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        # on Windows the option would let two programs share a port
        if os.name == "posix":
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not alone)
        made.bind(tuple(address))
    except OSError:
        made.close()
        raise
    return made


def _why(host: str, port: int, error: OSError) -> str:
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if error.errno == errno.EADDRINUSE:
        return f"{where} is in use by another program; stop it, or choose another port"
    if error.errno == errno.EACCES:
        return f"{where} needs rights that this user lacks; choose a port above 1023"
    return f"{where} is not an address of this machine; use 127.0.0.1 or 0.0.0.0 with a port"


def _within_files(limits: Limits) -> Limits:
    """Let the process open as many files as it may, and leave some of them to the work."""
    try:
        import resource
    except ImportError:
        return limits
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES_WANTED if hard == resource.RLIM_INFINITY else min(hard, _FILES_WANTED)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):  # some systems have a lower limit of their own
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    files = wanted if soft == resource.RLIM_INFINITY else soft
    return replace(limits, connections=min(limits.connections, files * _SHARE // 100))
