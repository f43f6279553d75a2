"""Guard: uvicorn's HTTP protocol with limits on what a client may make us wait for, or hold.

uvicorn has no deadline for receiving a request, httptools takes 20 MB of headers, and a limit on connections would let
idle sockets shut out genuine callbacks. Here every request must be whole within so many seconds, its head is bounded,
and when connections run short those that still owe us a request are dropped, oldest first.

The rules: a connection is IDLE (owes a request), in a HEAD, in a BODY, or ANSWERING (owes nothing; no deadline). One
`sweep` looks at all connections a few times a second, so that a request costs no timer.
"""

import asyncio
import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum
from functools import partial
from heapq import nsmallest
from http import HTTPStatus
from math import inf
from typing import Any, ClassVar

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from receiver.web.hatch import Hatch, Letterhead, Reply, Visit, declared_length

_HOST = re.compile(rb"[A-Za-z0-9_.:\[\]-]+")
_UPGRADE = re.compile(rb"\r\nupgrade:", re.IGNORECASE)
_VERSIONS = ("1.1", "1.0")
#: Of a request that the application never sees: status -> code and sentence.
REFUSALS = {
    400: ("bad_request", "This is no HTTP request that can be read."),
    404: ("not_found", "There is nothing at this address; /openapi.json lists what there is."),
    408: ("request_timeout", "The request did not arrive in time; send it again, faster."),
    414: ("uri_too_long", "The address is too long; shorten the filters."),
    429: ("too_many_requests", "Too many requests were sent ahead on this connection; read some answers first."),
    431: ("headers_too_large", "There are too many headers, or too long ones."),
}
#: After a refusal the rest of the request is read and dropped for a while: closed at once, the answer could be lost.
_LINGER = 1.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What a client may do. Times in seconds, sizes in bytes."""

    #: From the first byte (or from connecting) to the end of the request.
    receive: float = 8
    #: The same for requests whose path begins with `long_path`, which may be large.
    receive_long: float = 60
    long_path: bytes = b"/v1/"
    #: How long a client may not read what it asked for.
    send: float = 120
    #: The request line and all headers.
    head: int = 16_384
    headers: int = 64
    target: int = 2_048
    #: Requests sent ahead on one connection.
    ahead: int = 8
    connections: int = 10_000


class Stage(Enum):
    """Where a connection is."""

    IDLE = 0
    HEAD = 1
    BODY = 2
    ANSWERING = 3


class Refused(Exception):
    """A request that breaks a limit, raised inside the parser; `status` is the answer."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Guard(HttpToolsProtocol):
    """One connection under the limits."""

    #: uvicorn's own, or a visit in its place.
    cycle: Any
    limits: ClassVar[Limits] = Limits()
    hatch: ClassVar[Hatch | None] = None
    letterhead: ClassVar[Letterhead] = Letterhead()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.stage = Stage.IDLE
        self.receive_by = inf
        self.send_by = inf
        #: When a visit behind the hatch is answered for whoever has not.
        self.reply_by = inf
        self._visit: Visit | None = None
        self._began = 0.0
        self._requests = 0
        #: Bytes of the head before the piece at hand, the piece's size, and bytes since the last of a body.
        self._head = self._piece = self._silent = 0
        self._refused = False

    # --- the connection ---

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock of the first request."""
        super().connection_made(transport)
        self._owe()
        if len(self.connections) > self.limits.connections:
            make_room(self.connections)

    def data_received(self, data: bytes) -> None:
        """Feed the parser, and hold the limits on what is not whole yet."""
        if self._refused:
            return
        self._unset_keepalive_if_required()
        stage, requests, self._piece = self.stage, self._requests, len(data)
        if stage is not Stage.BODY and b"pgrade:" in data:
            data = _without_offer(data)
        try:
            self.parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            cause = error.__context__
            self.refuse(cause.status if isinstance(cause, Refused) else 400)
            return
        if self.stage is stage and self._requests == requests:
            self._hold_growth(len(data))

    def pause_writing(self) -> None:
        """Start the clock of a client that does not read."""
        super().pause_writing()
        self.send_by = self.loop.time() + self.limits.send

    def resume_writing(self) -> None:
        """Stop it."""
        super().resume_writing()
        self.send_by = inf

    # --- the parser ---

    def on_message_begin(self) -> None:
        """Start the clock of this request."""
        super().on_message_begin()
        self.stage = Stage.HEAD
        self._requests += 1
        self._head = 0
        self._began = self.loop.time()
        self.receive_by = self._began + self.limits.receive

    def on_headers_complete(self) -> None:
        """Judge the head, and only then start the application."""
        self._judge_head()
        self.stage = Stage.BODY
        self._silent = 0
        if self.hatch is None or not self._enter(self.hatch):
            super().on_headers_complete()
        self.headers = []  # where trailers go, which nobody reads
        if self.url.startswith(self.limits.long_path):
            self.receive_by = self._began + self.limits.receive_long

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self._silent = -self._piece  # to which the piece is about to be added
        if self._visit is not None and self.cycle is self._visit:
            self._visit.body += body  # the hatch has bounded it; uvicorn would pause the reading, and nobody resume it
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Stop the clock."""
        super().on_message_complete()
        self.stage = Stage.ANSWERING
        self.receive_by = inf
        if self.cycle.response_complete:
            self._owe()
        elif self.hatch is not None and self._visit is not None and self.cycle is self._visit:
            self._hand_over(self.hatch, self._visit)

    def on_response_complete(self) -> None:
        """Start the clock of the next request, or of what is left of an answered one."""
        super().on_response_complete()
        if self.stage is Stage.BODY:
            self.receive_by = min(self.receive_by, self.loop.time() + self.limits.receive)
        elif self.stage is Stage.ANSWERING and self.cycle.response_complete:
            self._owe()

    # --- behind the hatch ---

    def _enter(self, hatch: Hatch) -> bool:
        """Whether this request goes through the hatch; else it is the application's, as one that has to wait is."""
        if not self.url.startswith(hatch.prefix) or self.parser.get_method() != b"POST" or b"?" in self.url:
            return False
        is_free = self.cycle is None or self.cycle.response_complete
        if not is_free or self.flow.write_paused or self.parser.get_http_version() != "1.1":
            return False
        length = declared_length(self.headers)
        guest = hatch.admit(self.url) if length is not None and length <= hatch.most else None
        if guest is None:
            return False
        self.cycle = self._visit = Visit(guest, self.headers, keep_alive=self.parser.should_keep_alive())
        return True

    def _hand_over(self, hatch: Hatch, visit: Visit) -> None:
        self.reply_by = self.loop.time() + hatch.patience
        body, visit.body = bytes(visit.body), bytearray()
        # not at once: a mistake in there must not look to the parser like one of the client
        self.loop.call_soon(hatch.take, visit.guest, visit.headers, body, partial(self._reply, visit))

    def _reply(self, visit: Visit, reply: Reply) -> bool:
        """Write the answer of a visit, unless it was answered or its client has gone; whether it was written."""
        if visit.response_complete or visit.disconnected or self.transport.is_closing():
            return False
        visit.response_complete = True
        self.reply_by, self._visit = inf, None
        own = self.server_state.default_headers
        self.transport.write(self.letterhead.write(own, reply, keep_alive=visit.keep_alive))
        if not visit.keep_alive:
            self.transport.close()
        self.on_response_complete()
        return True

    def expire_visit(self) -> None:
        """Answer for a hatch that has not replied in time."""
        visit, self.reply_by = self._visit, inf
        if self.hatch is not None and visit is not None and self._reply(visit, self.hatch.late):
            self.hatch.note_late()

    def _owe(self) -> None:
        self.stage = Stage.IDLE
        self.receive_by = self.loop.time() + self.limits.receive

    def _hold_growth(self, size: int) -> None:
        """Bound what the parser keeps of a head that does not end, or of a chunked body that only has trimmings."""
        if self.stage is Stage.HEAD:
            self._head += size
            if self._head > self.limits.head:
                self.refuse(431)
        elif self.stage is Stage.BODY:
            self._silent += size
            if self._silent > self.limits.head:
                self.refuse(400)

    def _judge_head(self) -> None:
        limits = self.limits
        if len(self.url) > limits.target:
            # a token that is far too long is a wrong one, and told so like every other
            raise Refused(404 if self.url.startswith(b"/callbacks/") else 414)
        if len(self.headers) > limits.headers or self._head_is_too_large():
            raise Refused(431)
        host = None
        for name, value in self.headers:
            if name == b"host":
                if host is not None or not _HOST.fullmatch(value):
                    raise Refused(400)
                host = value
        version = self.parser.get_http_version()
        if version not in _VERSIONS or (host is None and version == "1.1"):
            raise Refused(400)
        if self.parser.should_upgrade():
            raise Refused(400)
        if len(self.pipeline) >= limits.ahead:
            raise Refused(429)

    def _head_is_too_large(self) -> bool:
        if self._head + self._piece <= self.limits.head:
            return False
        size = sum(len(name) + len(value) + 4 for name, value in self.headers)
        return size + len(self.url) > self.limits.head

    # --- the end of patience ---

    def expire(self) -> None:
        """Deal with a deadline that has passed."""
        answered = self.stage is Stage.BODY and self.cycle.response_complete
        if self._refused or answered or self.stage in (Stage.IDLE, Stage.ANSWERING) or self.transport.is_closing():
            self.transport.abort()
        else:
            self.refuse(408)

    def refuse(self, status: int) -> None:
        """Answer for the application, take no more of this request, and close soon.

        Behind requests that came whole there is no answer: theirs are written, and the connection ends with the last.
        """
        self._refused = True
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            if not cycle.more_body:
                cycle.keep_alive, self.stage, self.receive_by = False, Stage.ANSWERING, inf
                return
            if self.pipeline or self.stage is not Stage.BODY or cycle.response_started:
                self.transport.abort()
                return
            cycle.disconnected = True
            cycle.message_event.set()
        self.transport.write(_answer(status, self.url))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.receive_by = self.loop.time() + _LINGER


def _answer(status: int, url: bytes) -> bytes:
    """A whole answer: a problem for the API's callers, a word for vendors, as the application would say it."""
    phrase = HTTPStatus(status).phrase
    kind, body = "text/plain; charset=utf-8", f"{phrase}\n".encode()
    if not url.startswith(b"/callbacks/"):
        code, detail = REFUSALS[status]
        problem = {"type": "about:blank", "title": phrase, "status": status, "detail": detail, "code": code}
        kind, body = "application/problem+json", json.dumps(problem).encode()
    head = f"HTTP/1.1 {status} {phrase}\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n"
    return f"{head}cache-control: no-store\r\nconnection: close\r\n\r\n".encode() + body


def _without_offer(data: bytes) -> bytes:
    """Take out an offer to speak something else (HTTP/2, WebSocket): the parser drops the body that follows one."""
    head, end, rest = data.partition(b"\r\n\r\n")
    return _UPGRADE.sub(b"\r\nIgnored:", head) + end + rest


def guarded(limits: Limits, hatch: Hatch | None = None) -> type[Guard]:
    """Make the protocol class for uvicorn's configuration that holds these limits, and has this hatch."""
    return type("Guarded", (Guard,), {"limits": limits, "hatch": hatch, "letterhead": Letterhead()})


def sweep(connections: Collection[Any], now: float) -> None:
    """Deal with every deadline that has passed; cheap enough to be called several times a second."""
    for connection in list(connections):
        if connection.reply_by < now:
            connection.expire_visit()
        if connection.flow.read_paused and connection.receive_by < inf:
            # it is we who do not take what the client sends
            connection.receive_by = now + connection.limits.receive
        elif connection.receive_by < now or connection.send_by < now:
            connection.expire()


def hurry(connections: Collection[Any], by: float) -> None:
    """Let no request under way take longer to arrive than this: the server stops."""
    for connection in connections:
        if connection.receive_by < inf:
            connection.receive_by = min(connection.receive_by, by)


def make_room(connections: Collection[Any]) -> None:
    """Drop the tenth of the connections that has owed us a request for longest."""
    waiting = (connection for connection in connections if connection.receive_by < inf)
    for connection in nsmallest(len(connections) // 10 + 1, waiting, key=lambda each: each.receive_by):
        connection.transport.abort()
