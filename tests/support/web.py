"""A real server under our limits in a thread, an application that says what it got, and sockets that send bytes."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from receiver.web.body import Disconnected, read_body
from receiver.web.guard import Limits
from receiver.web.hatch import Hatch
from receiver.web.server import Server, make_server
from schemas.errors import TooLarge

MIB = 1024 * 1024


@dataclass
class Echo:
    """Answers `METHOD path length-of-body`; 413 above 1 MiB. `/slow` takes its time first, `/big` says very much."""

    slow: float = 0.0
    big: int = 64 * MIB
    got: list[tuple[str, str, bytes]] = field(default_factory=list)
    #: The names of each request's headers, as they were at its end.
    headers: list[list[bytes]] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    clients: list[Any] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or live."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        self.clients.append(scope["client"])
        if scope["path"].startswith("/slow"):
            await asyncio.sleep(self.slow)
        try:
            body = await read_body(receive, scope["headers"], MIB)
        except Disconnected:
            self.gone.append(scope["path"])
            return
        except TooLarge:
            await self._answer(send, 413, b"too large")
            return
        self.headers.append([name for name, _ in scope["headers"]])
        self.got.append((scope["method"], scope["path"], body))
        text = f"{scope['method']} {scope['path']} {len(body)}".encode()
        await self._answer(send, 200, b"x" * self.big if scope["path"] == "/big" else text)

    async def _live(self, receive: Receive, send: Send) -> None:
        for event in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{event}.complete"})

    async def _answer(self, send: Send, status: int, body: bytes) -> None:
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        for start in range(0, len(body), 65_536):
            await send({"type": "http.response.body", "body": body[start : start + 65_536], "more_body": True})
        await send({"type": "http.response.body"})


@contextmanager
def running(app: ASGIApp, *, hatch: Hatch | None = None, **limits: Any) -> Iterator[Server]:
    """Serve an application for the length of a block."""
    server = make_server(app, "127.0.0.1", 0, limits=Limits(**limits), graceful=3, hatch=hatch)
    ready = threading.Event()
    server.on_start = ready.set

    def serve() -> None:
        with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
            runner.run(server.serve())

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    assert ready.wait(5)
    try:
        yield server
    finally:
        server.stop()
        thread.join(10)
        assert not thread.is_alive()


def connected(port: int) -> socket.socket:
    """Open a socket to the server, whose reads give up after 10 s."""
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def rest_of(sock: socket.socket, within: float = 10) -> bytes | None:
    """Read until the server closes; None where it does not, in so many seconds."""
    end = time.monotonic() + within
    found = b""
    while (left := end - time.monotonic()) > 0:
        sock.settimeout(left)
        try:
            piece = sock.recv(65_536)
        except TimeoutError:
            return None
        except ConnectionError:
            return found
        if not piece:
            return found
        found += piece
    return None


def said(port: int, *pieces: bytes, pause: float = 0, within: float = 10) -> bytes | None:
    """Send these pieces and read until the server closes; None where it does not."""
    with connected(port) as sock:
        for piece in pieces:
            try:
                sock.sendall(piece)
            except ConnectionError:
                break
            time.sleep(pause)
        return rest_of(sock, within)


def statuses(answers: bytes | None) -> list[int]:
    """The status of every answer in what a server said."""
    assert answers is not None, "the server did not close"
    return [int(each[:3]) for each in answers.split(b"HTTP/1.1 ")[1:]]


def asked(port: int, path: str = "/", body: bytes = b"") -> int:
    """Make one ordinary request on a connection of its own: its status."""
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    return statuses(said(port, head.encode() + body))[0]
