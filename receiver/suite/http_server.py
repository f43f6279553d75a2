"""A real HTTP server on 127.0.0.1 whose answers a test writes down: statuses, silence, drips, endless and cut bodies.

Runs in threads of its own, so that a test's event loop may block or die; over TLS where it is given a context. Knows
nothing of Clipbell.
"""

import secrets
import socket
import socketserver
import ssl
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from receiver.clock import monotonic

_PHRASE = "Said"


@dataclass(frozen=True)
class Seen:
    """A request that came. Header names are in lower case; `at` is monotonic."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    at: float


@dataclass(frozen=True)
class Reply:
    """What to answer. `pause`: seconds before each byte sent (a drip); `cut`: close after so many body bytes."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    #: Say nothing at all until the client goes away or the server stops.
    silent: bool = False
    #: Repeat the body for ever, without a length.
    endless: bool = False
    pause: float = 0
    cut: int | None = None
    #: Leave out Content-Length: the end of the connection is the end of the body.
    unsized: bool = False


Answerer = Callable[[Seen], Reply]


class Server:
    """What a test talks about: where the server is, what came, what it shall answer."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.stopping = threading.Event()
        self._replies: list[Reply] = []
        self._answerer: Answerer | None = None
        self._lock = threading.Lock()
        self.port = 0
        self.scheme = "http"

    @property
    def url(self) -> str:
        """The address, without a slash at its end."""
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def script(self, *replies: Reply) -> None:
        """Answer these one after another; the last one for ever."""
        with self._lock:
            self._replies, self._answerer = list(replies), None

    def answer(self, answerer: Answerer) -> None:
        """Let a function decide."""
        with self._lock:
            self._answerer = answerer

    def reply_to(self, seen: Seen) -> Reply:
        """Note a request and choose its answer."""
        with self._lock:
            self.seen.append(seen)
            if self._answerer:
                return self._answerer(seen)
            return self._replies.pop(0) if len(self._replies) > 1 else self._replies[0] if self._replies else Reply()


class _Connection(socketserver.StreamRequestHandler):
    server: "_Listener"

    def handle(self) -> None:
        try:
            seen = self._read()
            if seen:
                self._write(self.server.script.reply_to(seen), with_body=seen.method != "HEAD")
        except OSError:
            return

    def _read(self) -> Seen | None:
        first = self.rfile.readline().decode("latin-1").split()
        if len(first) < 2:
            return None
        headers: dict[str, str] = {}
        while line := self.rfile.readline().decode("latin-1").strip():
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        body = self.rfile.read(int(headers.get("content-length", "0")))
        return Seen(first[0], first[1], headers, body, monotonic())

    def _write(self, reply: Reply, *, with_body: bool) -> None:
        if reply.silent:
            self._wait_for_the_end()
            return
        headers = {"connection": "close", **reply.headers}
        if not (reply.unsized or reply.endless):
            headers.setdefault("content-length", str(len(reply.body)))
        head = f"HTTP/1.1 {reply.status} {_PHRASE}\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items()) + "\r\n"
        self.wfile.write(head.encode("latin-1"))
        if not with_body:
            return
        body = reply.body if reply.cut is None else reply.body[: reply.cut]
        while not self.server.script.stopping.is_set():
            self._send(body, reply.pause)
            if not reply.endless:
                return

    def _send(self, body: bytes, pause: float) -> None:
        if not pause:
            self.wfile.write(body)
            return
        for byte in body:
            self.wfile.write(bytes([byte]))
            if self.server.script.stopping.wait(pause):
                return

    def _wait_for_the_end(self) -> None:
        self.connection.settimeout(0.05)
        while not self.server.script.stopping.is_set():
            try:
                if not self.connection.recv(1):
                    return
            except TimeoutError:
                continue


class _Listener(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = True
    request_queue_size = 64

    def __init__(self, script: Server, tls: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.script = script
        self._tls = tls

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Agree on TLS first, in the connection's own thread; a client that does not like the certificate leaves."""
        if self._tls is None:
            return super().finish_request(request, client_address)
        with suppress(OSError), self._tls.wrap_socket(request, server_side=True) as encrypted:
            return super().finish_request(encrypted, client_address)


@contextmanager
def serving(*replies: Reply, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """Run a server for the length of a block."""
    script = Server()
    script.script(*replies)
    listener = _Listener(script, tls)
    script.port = listener.server_address[1]
    script.scheme = "https" if tls else "http"
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield script
    finally:
        script.stopping.set()
        listener.shutdown()
        listener.server_close()
        thread.join()


def closed_port() -> int:
    """A port of 127.0.0.1 on which nobody listens, and which no system gives to whoever asks for any port.

    On Linux it stays ours as long as this process lives: nobody else finds it free meanwhile, and a server that sets
    SO_REUSEADDR, as all of them do there, can listen on it.
    """
    while True:
        holder = socket.socket()
        try:
            holder.bind(("127.0.0.1", 10_000 + secrets.randbelow(20_000)))
        except OSError:
            holder.close()
            continue
        port = int(holder.getsockname()[1])
        if sys.platform == "linux":
            # only after the bind: with it before, two processes could hold the same port
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            holder.detach()  # open until the process ends
        else:
            holder.close()
        return port
