import asyncio
import logging
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from receiver.web.guard import Guard, Limits
from receiver.web.server import make_server
from schemas.errors import ConfigurationError
from tests.support.web import Echo, asked, connected, rest_of, running, said, statuses

GET = b"GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"


def test_the_port_is_known_before_anything_is_served() -> None:
    server = make_server(Echo(), "127.0.0.1", 0)
    assert server.port > 0
    with pytest.raises(ConnectionRefusedError):
        connected(server.port)
    server.stop()
    asyncio.run(server.serve())


def test_a_name_with_several_addresses_is_served_at_all_of_them_on_one_port() -> None:
    server = make_server(Echo(), "localhost", 0)
    server.stop()
    asyncio.run(server.serve())
    assert server.port > 0


def refusal(host: str, port: int) -> str:
    with pytest.raises(ConfigurationError) as caught:
        make_server(Echo(), host, port)
    return str(caught.value)


def test_a_port_that_is_taken_is_said_in_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        words = refusal("127.0.0.1", port)
    assert words == f"listen: 127.0.0.1:{port} is in use by another program; stop it, or choose another port"


@pytest.mark.parametrize("host", ["203.0.113.7", "no.such.host.invalid", "2001:db8::1"])
def test_an_address_that_is_not_ours_is_said_in_one_sentence(host: str) -> None:
    where = f"[{host}]" if ":" in host else host
    assert refusal(host, 8000) == (
        f"listen: {where}:8000 is not an address of this machine; use 127.0.0.1 or 0.0.0.0 with a port"
    )


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_the_process_may_open_as_many_files_as_its_system_lets_it_and_clients_get_three_quarters() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (300, hard))
    server = make_server(Echo(), "127.0.0.1", 0, limits=Limits(connections=1_000_000))
    raised = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    server.stop()
    asyncio.run(server.serve())
    assert raised == (65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536))
    protocol = server.config.http_protocol_class
    assert issubclass(protocol, Guard)
    assert protocol.limits.connections == raised * 3 // 4


def test_a_second_interruption_does_not_wait_for_answers() -> None:
    server = make_server(Echo(), "127.0.0.1", 0)
    server.handle_exit(signal.SIGTERM, None)
    assert (server.should_exit, server.force_exit) == (True, False)
    server.handle_exit(signal.SIGINT, None)
    assert (server.should_exit, server.force_exit) == (True, True)
    asyncio.run(server.serve())


def test_answers_bear_security_headers_and_no_name_of_the_server() -> None:
    with running(Echo()) as server:
        answer = said(server.port, GET + b"\r\n") or b""
    lines = answer.partition(b"\r\n\r\n")[0].lower().split(b"\r\n")
    assert b"x-content-type-options: nosniff" in lines
    assert b"referrer-policy: no-referrer" in lines
    assert b"cache-control: no-store" in lines
    assert not [line for line in lines if line.startswith(b"server:")]


def test_an_answer_that_says_how_long_it_may_be_kept_is_left_as_it_is() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await Echo()(scope, receive, send)
            return
        headers = [(b"cache-control", b"max-age=60"), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body"})

    with running(app) as server:
        answer = (said(server.port, GET + b"\r\n") or b"").lower()
    assert answer.count(b"cache-control") == answer.count(b"cache-control: max-age=60\r\n") == 1


def test_a_forwarded_address_is_not_believed() -> None:
    app = Echo()
    with running(app) as server:
        said(server.port, GET + b"X-Forwarded-For: 8.8.8.8\r\nX-Forwarded-Proto: https\r\n\r\n")
    assert [host for host, _ in app.clients] == ["127.0.0.1"]


def test_those_who_asked_are_told_of_the_start_and_the_stop() -> None:
    told: list[str] = []
    server = make_server(Echo(), "127.0.0.1", 0)

    def started() -> None:
        told.append("start")
        threading.Thread(target=server.stop).start()

    server.on_start = started
    server.on_stop = lambda: told.append("stop")
    asyncio.run(server.serve())
    assert told == ["start", "stop"]


def test_an_answer_under_way_is_finished_when_the_server_stops_and_nobody_new_is_let_in() -> None:
    with running(Echo(slow=0.6)) as server, connected(server.port) as sock:
        sock.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        time.sleep(0.1)
        server.stop()
        time.sleep(0.3)
        with pytest.raises(ConnectionRefusedError):
            connected(server.port)
        assert statuses(rest_of(sock)) == [200]


def test_a_stalled_upload_does_not_hold_up_the_stop() -> None:
    app = Echo()
    with running(app, receive=60) as server, connected(server.port) as sock:
        sock.sendall(b"POST /half HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhi")
        time.sleep(0.1)
        began = time.monotonic()
        server.stop()
        assert statuses(rest_of(sock)) == [408]
        took = time.monotonic() - began
    assert took < 5
    assert app.gone == ["/half"]


class Broken(Exception):
    """What an application's lifespan raises."""


@pytest.mark.parametrize("at_start", [True, False])
def test_what_the_lifespan_raises_reaches_the_caller_and_not_the_log(
    at_start: bool, caplog: pytest.LogCaptureFixture
) -> None:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        if at_start:
            raise Broken
        yield
        raise Broken

    server = make_server(Starlette(lifespan=lifespan), "127.0.0.1", 0)
    server.on_start = server.stop
    with pytest.raises(Broken):
        asyncio.run(server.serve())
    assert "Traceback" not in caplog.text
    assert "Broken" not in caplog.text


def test_an_application_that_refuses_to_start_without_a_reason_ends_the_program() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no"})

    with pytest.raises(SystemExit):
        asyncio.run(make_server(app, "127.0.0.1", 0).serve())


def test_a_bug_of_the_application_is_a_500_and_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await Echo()(scope, receive, send)
        else:
            raise Broken

    with running(app) as server:
        assert asked(server.port) == 500
    assert "Broken" in caplog.text
    assert [record.levelno for record in caplog.records if record.levelno >= logging.WARNING] == [logging.ERROR]
