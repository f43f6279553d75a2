import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from receiver.web.hatch import Headers, Reply
from receiver.web.server import Server
from tests.support.web import Echo, connected, rest_of, running, said, statuses

HOST = b"Host: a\r\n"
CLOSE = HOST + b"Connection: close\r\n"


LATE = Reply(503, ((b"retry-after", b"5"),), b"late")


@dataclass
class Window:
    """Lets in whoever has a path under `/in/`; answers after what the path says: `now`, `soon`, `never`, `broken`."""

    prefix: bytes = b"/in/"
    most: int = 1000
    patience: float = 1.5
    late: Reply = LATE
    taken: list[tuple[bytes, bytes]] = field(default_factory=list)
    lates: int = 0

    def note_late(self) -> None:
        """Count."""
        self.lates += 1

    def admit(self, path: bytes) -> bytes | None:
        """Whoever does not say no."""
        return None if path.endswith(b"no") else path

    def take(self, guest: bytes, headers: Headers, body: bytes, reply: Callable[[Reply], bool]) -> None:
        """Note the request, and reply when its path says."""
        self.taken.append((guest, body))
        answer = Reply(200, ((b"x-of", guest),), b"taken")
        if guest.startswith(b"/in/broken"):
            raise ZeroDivisionError
        if guest.startswith(b"/in/soon"):
            asyncio.get_running_loop().call_later(0.5, reply, answer)
        elif guest.startswith(b"/in/twice"):
            assert reply(answer)
            assert not reply(Reply(500, ()))
        elif not guest.startswith(b"/in/never"):
            reply(answer)


@pytest.fixture
def window() -> Window:
    return Window()


@pytest.fixture
def app() -> Echo:
    return Echo()


@pytest.fixture
def server(app: Echo, window: Window) -> Iterator[Server]:
    with running(app, hatch=window) as found:
        yield found


def post(path: str, body: bytes = b"", more: bytes = HOST) -> bytes:
    return b"POST %s HTTP/1.1\r\n%sContent-Length: %d\r\n\r\n%s" % (path.encode(), more, len(body), body)


LAST = post("/in/last", more=CLOSE)


def test_what_is_let_in_is_answered_with_the_servers_own_headers(app: Echo, window: Window, server: Server) -> None:
    answer = said(server.port, post("/in/now", b"hello"), LAST, pause=0.3)
    assert statuses(answer) == [200, 200]
    assert answer is not None
    first = answer.split(b"HTTP/1.1 ")[1]
    assert b"x-of: /in/now\r\n" in first
    assert b"date: " in first
    assert b"x-content-type-options: nosniff\r\n" in first
    assert first.endswith(b"content-length: 5\r\n\r\ntaken")
    assert b"connection: close" not in first
    assert b"connection: close" in answer.split(b"HTTP/1.1 ")[2]
    assert window.taken == [(b"/in/now", b"hello"), (b"/in/last", b"")]
    assert app.got == []


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /in/now HTTP/1.1\r\n" + CLOSE + b"\r\n",
        b"POST /in/now HTTP/1.0\r\nContent-Length: 0\r\n\r\n",
        post("/in/no", b"a", CLOSE),
        post("/out", b"a", CLOSE),
        post("/in/now?a=b", b"a", CLOSE),
        post("/in/now", b"a" * 1001, CLOSE),
        b"POST /in/now HTTP/1.1\r\n" + CLOSE + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
        b"POST /in/now HTTP/1.1\r\n" + CLOSE + b"\r\n",
        b"POST http://a/in/now HTTP/1.1\r\n" + CLOSE + b"Content-Length: 1\r\n\r\na",
    ],
    ids=lambda request: repr(request[:60]),
)
def test_everything_else_is_the_applications(app: Echo, window: Window, server: Server, request_: bytes) -> None:
    assert statuses(said(server.port, request_)) == [200]
    assert len(app.got) == 1
    assert window.taken == []


def test_who_wants_to_be_told_to_continue_is_told_by_the_application(app: Echo, server: Server) -> None:
    with connected(server.port) as sock:
        sock.sendall(b"POST /in/now HTTP/1.1\r\n" + CLOSE + b"Expect: 100-continue\r\nContent-Length: 1\r\n\r\n")
        assert sock.recv(100).startswith(b"HTTP/1.1 100 ")
        sock.sendall(b"a")
        assert statuses(rest_of(sock)) == [200]
    assert app.got == [("POST", "/in/now", b"a")]


def test_requests_sent_ahead_are_answered_in_their_order(window: Window, server: Server) -> None:
    sent = [post("/in/soon1"), post("/in/now2"), post("/out"), post("/in/soon3"), LAST]
    answer = said(server.port, b"".join(sent))
    assert statuses(answer) == [200] * 5
    assert answer is not None
    found = [b"soon1", b"now2", b"/out", b"soon3", b"last"]
    places = [answer.find(each) for each in found]
    assert -1 not in places
    assert places == sorted(places)


def test_a_body_in_pieces_arrives_whole(window: Window, server: Server) -> None:
    whole = post("/in/now", bytes(range(256)) * 3, CLOSE)
    assert statuses(said(server.port, *[whole[start : start + 97] for start in range(0, len(whole), 97)])) == [200]
    assert window.taken == [(b"/in/now", bytes(range(256)) * 3)]


def test_a_large_body_in_pieces_arrives_whole(app: Echo) -> None:
    window = Window(most=256 * 1024)
    body = bytes(range(256)) * 1024
    whole = post("/in/now", body, CLOSE)
    pieces = [whole[start : start + 40_000] for start in range(0, len(whole), 40_000)]
    with running(app, hatch=window, receive=3) as server:
        assert statuses(said(server.port, *pieces, pause=0.05)) == [200]
    assert window.taken == [(b"/in/now", body)]


def test_who_stands_half_sent_behind_a_guest_does_not_stretch_the_patience(window: Window, server: Server) -> None:
    with connected(server.port) as sock:
        sock.sendall(post("/in/never") + post("/in/last", b"whole", CLOSE)[:-2])
        began = time.monotonic()
        assert sock.recv(100).startswith(b"HTTP/1.1 503 ")
        assert time.monotonic() - began < 5
        sock.sendall(b"le")
        assert statuses(rest_of(sock))[-1] == 200
    assert window.lates == 1


def test_who_gets_no_reply_in_time_is_told_so_and_may_go_on(app: Echo, window: Window, server: Server) -> None:
    began = time.monotonic()
    answer = said(server.port, post("/in/never"), LAST)
    assert statuses(answer) == [503, 200]
    assert 1 < time.monotonic() - began < 8
    assert [path for path, _ in window.taken] == [b"/in/never"]
    assert [path for _, path, _ in app.got] == ["/in/last"]  # who waits behind a guest waits for the application


def test_a_mistake_behind_the_hatch_is_no_mistake_of_the_client(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    assert statuses(said(server.port, post("/in/broken"), LAST)) == [503, 200]
    assert "ZeroDivisionError" in caplog.text


def test_the_first_reply_counts(server: Server) -> None:
    assert statuses(said(server.port, post("/in/twice"), LAST)) == [200, 200]


def test_a_body_that_is_longer_than_it_was_said_to_be_is_answered_all_the_same(window: Window, server: Server) -> None:
    for path in ("/in/now", "/in/soon"):
        answer = said(server.port, post(path, b"hello") + b"!")
        assert statuses(answer) == [200]
        assert answer is not None
        assert b"connection: close" in answer
    assert window.taken == [(b"/in/now", b"hello"), (b"/in/soon", b"hello")]


def test_a_client_that_goes_harms_nobody(window: Window, server: Server) -> None:
    with connected(server.port) as sock:
        sock.sendall(post("/in/soon"))
        time.sleep(0.2)
    time.sleep(0.6)
    assert statuses(said(server.port, LAST)) == [200]
    assert [path for path, _ in window.taken] == [b"/in/soon", b"/in/last"]


def test_a_half_sent_request_is_cut_off_as_ever(app: Echo, window: Window) -> None:
    with running(app, hatch=window, receive=0.3) as server:
        assert statuses(said(server.port, post("/in/now", b"whole")[:-2])) == [408]
    assert window.taken == []


def test_a_server_that_stops_waits_for_the_reply(app: Echo, window: Window) -> None:
    with running(app, hatch=window) as server, connected(server.port) as sock:
        sock.sendall(post("/in/soon"))
        time.sleep(0.03)
        server.stop()
        answer = rest_of(sock)
        assert statuses(answer) == [200]
        assert answer is not None
        assert b"connection: close" in answer


def test_a_client_that_reads_nothing_does_not_pile_up_answers(app: Echo) -> None:
    big = Window()
    with running(app, hatch=big, send=1) as server, connected(server.port) as sock:
        sock.settimeout(1)
        try:
            for _ in range(40_000):
                sock.sendall(post("/in/now" + "x" * 500))
        except (TimeoutError, ConnectionError):
            pass
        taken = len(big.taken)
        time.sleep(0.2)
        assert len(big.taken) - taken < 1000
        assert taken < 39_000
