"""Runs the simulator on a real socket: for the command line, or in a thread for the demo and the tests.

Listens on this machine only, unless told another host. Logs nothing.
"""

import asyncio
import signal
import socket
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import uvicorn

from receiver.simulator.app import SIDES, build
from receiver.simulator.lines import Lines, protocol_on
from receiver.simulator.remote import Remote
from receiver.simulator.settings import SimulatorSettings

LOOPBACK = "127.0.0.1"


class Server(uvicorn.Server):
    """uvicorn, but a signal ends it quietly instead of being raised again afterwards."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Take SIGINT and SIGTERM as the wish to end."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        kept = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in kept.items():
                signal.signal(number, handler)


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # with the protocol left open asyncio would not switch off Nagle's algorithm: 40 ms for each answer
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(2048)
    except OSError:
        listener.close()
        raise
    return listener


def _url(host: str, listener: socket.socket) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"


def _server(settings: SimulatorSettings, lines: Lines) -> Server:
    config = uvicorn.Config(
        build(settings, lines),
        http=protocol_on(lines),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=2,
    )
    return Server(config)


def base_urls(url: str) -> dict[str, str]:
    """Give the `base_url` of each vendor for a simulator at `url`."""
    return {side.name: f"{url}/{side.name}{side.base_path}" for side in SIDES}


async def serve(
    port: int = 0,
    settings: SimulatorSettings | None = None,
    *,
    host: str = LOOPBACK,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM; `ready` is called with the address. Raises OSError if the port is taken."""
    lines = Lines()
    listener = _listening(host, port)
    server = _server(settings or SimulatorSettings(), lines)
    if ready:
        ready(_url(host, listener))
    await server.serve(sockets=[listener])


class RunningSimulator:
    """The simulator in a thread of this process, from `start` to `stop`."""

    def __init__(self, settings: SimulatorSettings | None = None, *, port: int = 0) -> None:
        self.settings = settings or SimulatorSettings()
        self.port = port
        self._lines = Lines()
        self._url = ""
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> Self:
        """Start on a free loopback port (or the one given) and wait until it listens."""
        listener = _listening(LOOPBACK, self.port)
        self._url = _url(LOOPBACK, listener)
        self._server = _server(self.settings, self._lines)
        self._thread = threading.Thread(
            target=self._run, args=(listener,), name=f"simulator at {self._url}", daemon=True
        )
        self._thread.start()
        while not self._server.started and self._thread.is_alive():
            time.sleep(0.002)
        self.control = Remote(self._url)
        return self

    def _run(self, listener: socket.socket) -> None:
        asyncio.run(self._serve(listener))

    async def _serve(self, listener: socket.socket) -> None:
        self._loop = asyncio.get_running_loop()
        await self._server.serve(sockets=[listener])

    def stop(self) -> None:
        """Stop, dropping every connection; harmless when already stopped."""
        if not self._thread.is_alive():
            return
        self._server.should_exit = True
        self.control.close()
        if self._loop:
            self._loop.call_soon_threadsafe(self._lines.drop_all)
        self._thread.join()

    @property
    def url(self) -> str:
        """The address, without a slash at the end."""
        return self._url

    @property
    def base_urls(self) -> dict[str, str]:
        """The `base_url` of each vendor."""
        return base_urls(self._url)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
