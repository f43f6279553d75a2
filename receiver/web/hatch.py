"""Hatch: a shorter way through the server, for a small whole request that is let in by its path alone.

An ASGI application costs a scope, a task and several coroutines for each request, as much as all that a callback needs
besides. What a hatch lets in is handed over as bytes, and its reply is written by whoever has it, later. Everything
else (another method, a large or chunked body, a wrong token) goes to the application, which answers as ever. Knows
nothing of what stands behind the hatch.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from msgspec import Struct
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

Headers = Sequence[tuple[bytes, bytes]]


class Reply(Struct, frozen=True):
    """An answer: its status, its headers beside the server's own, its body."""

    status: int
    headers: Headers
    body: bytes = b""


class Hatch(Protocol):
    """What a server may be given to answer some requests by. Called in the server's loop; must not raise."""

    #: What the paths begin with, and how long a body may be, in bytes.
    prefix: bytes
    most: int
    #: Seconds after which `late` is replied in place of the reply that has not come.
    patience: float
    late: Reply

    def note_late(self) -> None:
        """Hear that `late` was replied."""
        ...

    def admit(self, path: bytes) -> Any:
        """Judge a POST by its path, before a byte of its body is read: a guest, or None for the application."""
        ...

    def take(self, guest: Any, headers: Headers, body: bytes, reply: Callable[[Reply], bool]) -> None:
        """Take a whole request; `reply` is to be called, now or later. It answers whether that call counted."""
        ...


class _Unheard:
    """Stands where uvicorn wakes an application: nobody waits."""

    def set(self) -> None:
        """Do nothing."""


class Visit:
    """A request behind the hatch, in the place of uvicorn's own cycle of request and response."""

    message_event = _Unheard()
    response_started = False

    def __init__(self, guest: Any, headers: Headers, *, keep_alive: bool) -> None:
        self.guest = guest
        self.headers = headers
        self.keep_alive = keep_alive
        self.body = bytearray()
        self.more_body = True
        self.disconnected = False
        self.response_complete = False


class Letterhead:
    """The server's own headers as bytes, written out once for each of its lists (a second's worth of answers)."""

    def __init__(self) -> None:
        self._of: object = None
        self._text = b""

    def write(self, own: list[tuple[bytes, bytes]], reply: Reply, *, keep_alive: bool) -> bytes:
        """The whole answer in bytes."""
        if own is not self._of:
            self._of, self._text = own, _lines(own)
        close = b"" if keep_alive else b"connection: close\r\n"
        size = b"content-length: %d\r\n\r\n" % len(reply.body)
        return b"".join((STATUS_LINE[reply.status], self._text, _lines(reply.headers), close, size, reply.body))


def _lines(headers: Headers) -> bytes:
    return b"".join([b"%s: %s\r\n" % pair for pair in headers])


def declared_length(headers: Headers) -> int | None:
    """How long the body is said to be; None: it is not said plainly, or there is more to know before it is read."""
    found = None
    for name, value in headers:
        if name in (b"transfer-encoding", b"expect"):
            return None
        if name == b"content-length":
            found = int(value) if len(value) <= 18 and value.isdigit() else None
    return found
