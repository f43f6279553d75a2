import json
import logging
import socket
import time
from collections.abc import Iterator

import pytest

from receiver.web.server import Server
from tests.support.web import MIB, Echo, asked, connected, rest_of, running, said, statuses

HOST = b"Host: a\r\n"
CLOSE = HOST + b"Connection: close\r\n"
POST = b"POST /a HTTP/1.1\r\n" + HOST
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
LAST = b"GET /last HTTP/1.1\r\n" + CLOSE + b"\r\n"


DEADLINE = 0.3


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[Echo, Server]]:
    app = Echo()
    with running(app) as server:
        yield app, server


@pytest.fixture
def app(shared: tuple[Echo, Server]) -> Echo:
    """The application of a server under the usual limits; it remembers what this test sent."""
    shared[0].got.clear()
    shared[0].headers.clear()
    return shared[0]


@pytest.fixture
def server(shared: tuple[Echo, Server]) -> Server:
    return shared[1]


@pytest.fixture(scope="module")
def hasty() -> Iterator[Server]:
    with running(Echo(), receive=DEADLINE) as server:
        yield server


def short(value: object) -> str:
    return repr(value[:40] if isinstance(value, bytes) else value)


def headers(count: int, size: int = 1) -> bytes:
    return b"".join(b"X-%d: %s\r\n" % (number, b"a" * size) for number in range(count))


# --- what passes ---


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /a HTTP/1.1\r\n" + CLOSE + b"\r\n",
        b"GET /a HTTP/1.0\r\n\r\n",
        b"\r\nGET /a HTTP/1.1\r\n" + CLOSE + b"\r\n",
        b"GET http://a/a HTTP/1.1\r\n" + CLOSE + b"\r\n",
        b"GET /a HTTP/1.1\r\nHost: [::1]:8000\r\nConnection: close\r\n\r\n",
        b"GET /a HTTP/1.1\r\n" + CLOSE + headers(62) + b"\r\n",
        b"GET /a HTTP/1.1\r\n" + CLOSE + b"X-A: " + b"a" * 16_000 + b"\r\n\r\n",
        b"GET /a?" + b"q" * 2_045 + b" HTTP/1.1\r\n" + CLOSE + b"\r\n",
        b"GET /a HTTP/1.1\r\nHost: a\r\nConnection: close, upgrade\r\nUpgrade: websocket\r\n\r\n",
    ],
    ids=short,
)
def test_an_ordinary_request_passes_up_to_the_limits(app: Echo, server: Server, request_: bytes) -> None:
    assert statuses(said(server.port, request_)) == [200]
    assert app.got == [("GET", "/a", b"")]


def test_a_chunked_body_arrives_as_it_was_sent_in_pieces(app: Echo, server: Server) -> None:
    body = bytes(range(256)) * 400
    pieces = [b"%x;note=1\r\n%s\r\n" % (len(body), body) for _ in range(3)]
    head = b"POST /a HTTP/1.1\r\n" + CLOSE + b"Transfer-Encoding: chunked\r\n\r\n"
    assert statuses(said(server.port, head, *pieces, b"0\r\n\r\n", pause=0.01)) == [200]
    assert app.got == [("POST", "/a", body * 3)]


def test_trailers_are_read_and_go_nowhere(app: Echo, server: Server) -> None:
    rest = b"0\r\nX-Trailer: 1\r\nAuthorization: Bearer k\r\n\r\n"
    answers = said(server.port, CHUNKED + b"2\r\nhi\r\n", rest + LAST, pause=0.05)
    assert statuses(answers) == [200, 200]
    assert app.headers == [[b"host", b"transfer-encoding"], [b"host", b"connection"]]


def test_requests_sent_ahead_are_answered_in_their_order(app: Echo, server: Server) -> None:
    ahead = b"".join(
        b"POST /%d HTTP/1.1\r\n%sContent-Length: 9000\r\n\r\n%s" % (n, HOST, b"b" * 9000) for n in range(4)
    )
    answers = said(server.port, ahead[:20_000], ahead[20_000:], LAST, pause=0.05)
    assert statuses(answers) == [200] * 5
    assert [path for _, path, _ in app.got] == ["/0", "/1", "/2", "/3", "/last"]


def test_the_limit_of_a_head_is_for_one_request_and_not_for_what_arrives_together(app: Echo, server: Server) -> None:
    one = b"GET /a HTTP/1.1\r\nHost: a\r\nX-A: " + b"a" * 4_000 + b"\r\n\r\n"
    ahead = one * 7
    answers = said(server.port, ahead[:2_000], ahead[2_000:26_000], ahead[26_000:] + LAST, pause=0.05)
    assert statuses(answers) == [200] * 8


def test_a_connection_is_kept_for_the_next_request() -> None:
    with running(Echo(), receive=0.5) as server, connected(server.port) as sock:
        for _ in range(4):
            sock.sendall(b"GET /a HTTP/1.1\r\n" + HOST + b"\r\n")
            assert sock.recv(4096).startswith(b"HTTP/1.1 200")
            time.sleep(0.3)  # longer together than one request may take
        sock.sendall(LAST)
        assert statuses(rest_of(sock)) == [200]


def test_an_offer_of_http_2_is_left_out_of_account_with_its_body_taken(app: Echo, server: Server) -> None:
    head = POST + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\n"
    assert statuses(said(server.port, head + b"hi" + LAST)) == [200, 200]
    assert app.got == [("POST", "/a", b"hi"), ("GET", "/last", b"")]


def test_a_client_that_waits_for_leave_to_send_gets_it(server: Server) -> None:
    head = b"POST /a HTTP/1.1\r\n" + CLOSE + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    with connected(server.port) as sock:
        sock.sendall(head)
        assert sock.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"hi")
        assert statuses(rest_of(sock)) == [200]


# --- what does not ---


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /" + b"a" * 2_048 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414),
        (b"GET /?" + b"a" * 15_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414),
        (b"GET /" + b"a" * MIB, 431),
        (b"GET / HTTP/1.1\r\n" + HOST + headers(64) + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + HOST + headers(10_000) + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + HOST + headers(40, 500) + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X-A: " + b"a" * 16_400 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X-A: " + b"a" * (20 * MIB) + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + HOST + b"a" * (20 * MIB), 431),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a/b?c@d\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", 400),
        (b"GET /\r\n\r\n", 400),
        (b"GET / HTTP/0.9\r\nHost: a\r\n\r\n", 400),
        (b"GET / HTTP/3.0\r\nHost: a\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"GET / HTTP/1.1\r\n" + HOST + b"CONNECTION: UPGRADE\r\nUPGRADE: H2C\r\n\r\n", 400),
        (b"CONNECT a:80 HTTP/1.1\r\n" + HOST + b"\r\n", 400),
        (b"GET /\xff HTTP/1.1\r\n" + HOST + b"\r\n", 400),
        (POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400),
        (POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400),
        (POST + b"Content-Length: -1\r\n\r\n", 400),
        (POST + b"Content-Length: 99999999999999999999999\r\n\r\n", 400),
        (POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 400),
        (POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400),
        (POST + b"X: a\n b\r\n\r\n", 400),
        (CHUNKED + b"zz\r\n", 400),
        (CHUNKED + b"0\r\n" + headers(20_000, 20), 400),
        (CHUNKED + b"0\r\nX-Trailer: " + b"a" * MIB, 400),
        (CHUNKED + b"1;" + b"a" * MIB, 400),
    ],
    ids=short,
)
def test_a_request_that_breaks_a_limit_is_refused_without_the_application(
    app: Echo, server: Server, request_: bytes, status: int
) -> None:
    answers = said(server.port, request_[:65_536], request_[65_536:], within=3)
    assert asked(server.port) == 200
    assert statuses(answers) == [status]
    assert [path for _, path, _ in app.got] == ["/"]


@pytest.mark.parametrize(
    ("path", "kind"), [(b"/v1/jobs?tag=", "application/problem+json"), (b"/callbacks/", "text/plain")]
)
def test_a_refusal_is_in_the_words_of_who_was_asked(server: Server, path: bytes, kind: str) -> None:
    head, _, body = (
        said(server.port, b"GET " + path + b"a" * 3_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n") or b""
    ).partition(b"\r\n\r\n")
    assert f"content-type: {kind}".encode() in head
    assert b"cache-control: no-store" in head
    if kind == "text/plain":
        assert body == b"Not Found\n"
    else:
        assert json.loads(body) == {
            "type": "about:blank",
            "title": "Request-URI Too Long",
            "status": 414,
            "detail": "The address is too long; shorten the filters.",
            "code": "uri_too_long",
        }


def test_a_smuggled_request_is_never_seen(app: Echo, server: Server) -> None:
    inner = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
    outer = POST + b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" % (len(inner) + 5)
    assert statuses(said(server.port, outer + inner)) == [400]
    assert app.got == []


WHOLE = POST + b"Content-Length: 2\r\n\r\nhi"


@pytest.mark.parametrize(
    "tail",
    [b"x", b"GARBAGE\r\n\r\n", b"GET /b HTTP/1.1\r\n\r\n", b"GET /" + b"b" * 3_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n"],
    ids=short,
)
def test_what_came_whole_is_answered_whatever_follows_it(app: Echo, server: Server, tail: bytes) -> None:
    for count in (1, 3):
        began = time.monotonic()
        answers = said(server.port, WHOLE * count + tail)
        assert statuses(answers) == [200] * count
        assert answers is not None
        assert answers.count(b"connection: close") == 1
        assert time.monotonic() - began < 2
    assert app.got == [("POST", "/a", b"hi")] * 4


def test_a_flood_of_requests_sent_ahead_is_cut_off_early(app: Echo, server: Server) -> None:
    flood = (b"GET /a HTTP/1.1\r\n" + HOST + b"\r\n") * 10_000
    said(server.port, flood, within=3)
    assert asked(server.port) == 200
    assert len(app.got) < 20


def test_refusals_are_not_logged_and_no_path_ever_is(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with running(Echo(), receive=0.2) as server:
        said(server.port, b"GET /T0KEN HTTP/1.1\r\n\r\n")
        said(server.port, b"POST /T0KEN HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n")
        asked(server.port, "/T0KEN")
    assert "T0KEN" not in caplog.text
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == []


# --- time ---


def seconds_until_closed(port: int, *pieces: bytes, pause: float = 0) -> tuple[bytes | None, float]:
    began = time.monotonic()
    answers = said(port, *pieces, pause=pause, within=3)
    return answers, time.monotonic() - began


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([], []),
        ([b"\r\n"], []),
        ([b"GET / HT"], [408]),
        ([b"GET / HTTP/1.1\r\nHost: a\r\nX-"], [408]),
        ([POST + b"Content-Length: 9\r\n\r\nhalf"], [408]),
        ([CHUNKED + b"9\r\nhalf"], [408]),
        ([b"GET / HTTP/1.1\r\n" + HOST + b"\r\nGET /half HT"], [200, 408]),
        ([b"GET / HTTP/1.1\r\n" + HOST + b"\r\n", b"\r\n"], [200]),
        ([b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n" + b"a"], [413]),
    ],
    ids=short,
)
def test_who_does_not_finish_a_request_is_cut_off_at_the_deadline(
    hasty: Server, pieces: list[bytes], expected: list[int]
) -> None:
    answers, took = seconds_until_closed(hasty.port, *pieces, pause=0.02)
    assert statuses(answers) == expected
    assert DEADLINE <= took < DEADLINE + 1.5


@pytest.mark.parametrize(
    "request_",
    [b"\r\n" * 50, b"GET /" + b"a" * 50, POST + b"X-A: " + b"a" * 50, POST + b"Content-Length: 99\r\n\r\n" + b"a" * 50],
    ids=short,
)
def test_sending_a_byte_now_and_then_buys_no_time(hasty: Server, request_: bytes) -> None:
    drip = [request_[:-40], *(bytes([byte]) for byte in request_[-40:])]
    with connected(hasty.port) as sock:
        began = time.monotonic()
        sock.settimeout(0.05)
        for piece in drip:
            try:
                sock.sendall(piece)
                if not sock.recv(4096):
                    break
            except TimeoutError:
                continue
            except ConnectionError:
                break
        took = time.monotonic() - began
    assert DEADLINE <= took < DEADLINE + 1.5


def test_the_application_learns_quietly_that_its_client_was_cut_off(caplog: pytest.LogCaptureFixture) -> None:
    app = Echo()
    with running(app, receive=0.2) as server, connected(server.port) as sock:
        sock.sendall(b"POST /half HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhi")
        assert sock.recv(4096).startswith(b"HTTP/1.1 408")
        time.sleep(0.2)
        assert (app.got, app.gone) == ([], ["/half"])
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_large_requests_have_more_time_on_their_path() -> None:
    head = b"POST /v1/jobs HTTP/1.1\r\n" + CLOSE + b"Content-Length: 6\r\n\r\n"
    with running(Echo(), receive=0.2, receive_long=0.8) as server:
        whole = said(server.port, head, *(b"abcdef"[n : n + 1] for n in range(6)), pause=0.07)
        late, took = seconds_until_closed(server.port, head, b"half")
    assert (statuses(whole), statuses(late)) == ([200], [408])
    assert 0.8 <= took < 2.4


def test_an_answered_upload_that_goes_on_has_the_short_deadline_also_on_that_path() -> None:
    head = b"POST /v1/jobs HTTP/1.1\r\n" + HOST + b"Content-Length: 2000000\r\n\r\nhalf"
    with running(Echo(), receive=0.2, receive_long=2.5) as server:
        answers, took = seconds_until_closed(server.port, head)
    assert statuses(answers) == [413]
    assert took < 2


def test_after_an_answered_upload_the_connection_is_not_kept_for_ever(hasty: Server) -> None:
    head = POST + b"Content-Length: 2000000\r\n\r\n"
    answers, took = seconds_until_closed(hasty.port, head, b"a" * 2_000_000, pause=0.05)
    assert statuses(answers) == [413]
    assert DEADLINE <= took < DEADLINE + 1.5


def test_an_application_that_thinks_for_long_is_not_cut_off() -> None:
    app = Echo(slow=1.1)
    with running(app, receive=0.5) as server:
        assert asked(server.port, "/slow", b"a" * 500_000) == 200
    assert [len(body) for _, _, body in app.got] == [500_000]


def test_a_refused_upload_reads_its_refusal_while_it_still_sends(server: Server) -> None:
    with connected(server.port) as sock:
        sock.sendall(POST + b"Content-Length: 30000000\r\n\r\n")
        sock.sendall(b"a" * 30_000_000)
        assert sock.recv(4096).startswith(b"HTTP/1.1 413")
        sock.sendall(LAST)
        assert statuses(rest_of(sock)) == [200]


def test_a_client_whose_head_is_refused_may_finish_sending_and_then_read_why(server: Server) -> None:
    with connected(server.port) as sock:
        sock.sendall(POST + b"X-A: " + b"a" * (20 * MIB))
        assert statuses(rest_of(sock)) == [431]


def test_who_never_reads_the_answer_is_cut_off_and_who_reads_slowly_is_not() -> None:
    app = Echo(big=24 * MIB)
    with running(app, send=0.5) as server, connected(server.port) as deaf, connected(server.port) as slow:
        for sock in (deaf, slow):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
            sock.sendall(b"GET /big HTTP/1.1\r\n" + CLOSE + b"\r\n")
        read = 0
        while piece := slow.recv(MIB):
            read += len(piece)
            time.sleep(0.005)
        heard = rest_of(deaf) or b""
    assert read > 24 * MIB
    assert len(heard) < 24 * MIB


def test_when_connections_run_short_the_oldest_that_owe_a_request_go_and_genuine_ones_are_answered() -> None:
    app = Echo(slow=0.5)
    with running(app, connections=20) as server:
        with connected(server.port) as busy:
            busy.sendall(b"GET /slow HTTP/1.1\r\n" + CLOSE + b"\r\n")
            idle = [connected(server.port) for _ in range(100)]
            assert [asked(server.port) for _ in range(30)] == [200] * 30
            assert statuses(rest_of(busy)) == [200]
        assert rest_of(idle[0], within=0.1) == b""
        for sock in idle:
            sock.close()
