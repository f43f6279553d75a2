"""Clients that hold on to what costs us: sockets, half requests, uploads that never end. And the end of the server.

Each proof has its control under uvicorn as it comes, where the same client does harm.
"""

import resource
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.support.web import asked, connected, rest_of, statuses

HALVES = {
    "idle": b"",
    "half a header": b"GET / HTTP/1.1\r\nHost: a\r\nX-",
    "half a body": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf",
}


@contextmanager
def program(kind: str, **limits: float) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run a server as a program of its own, and kill it at the end if it is still there."""
    command = [sys.executable, "-m", "tests.support.serve_echo", kind, *(f"{k}={v}" for k, v in limits.items())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, int(process.stdout.readline())
        finally:
            process.kill()


def which_are_closed(port: int, within: float) -> dict[str, bool]:
    with ExitStack() as stack:
        socks = {name: stack.enter_context(connected(port)) for name in HALVES}
        for name, sock in socks.items():
            sock.sendall(HALVES[name])
        end = time.monotonic() + within
        return {name: rest_of(sock, max(end - time.monotonic(), 0.01)) is not None for name, sock in socks.items()}


def test_uvicorn_as_it_comes_keeps_half_open_requests_for_as_long_as_one_likes() -> None:
    with program("plain") as (_, port):
        assert which_are_closed(port, within=2) == dict.fromkeys(HALVES, False)


def test_ours_closes_them_at_the_deadline() -> None:
    with program("ours", receive=0.5) as (_, port):
        assert which_are_closed(port, within=2) == dict.fromkeys(HALVES, True)


@pytest.mark.faults
def test_with_the_limits_as_they_are_everything_half_open_is_closed_within_nine_seconds() -> None:
    with program("ours") as (_, port), ExitStack() as stack:
        began = time.monotonic()
        socks = [stack.enter_context(connected(port)) for _ in HALVES]
        for sock, half in zip(socks, HALVES.values(), strict=True):
            sock.sendall(half)
        dripping = stack.enter_context(connected(port))
        dripping.settimeout(1)
        for byte in b"GET /" + b"a" * 20:
            try:
                dripping.sendall(bytes([byte]))
                if not dripping.recv(4096):
                    break
            except TimeoutError:
                continue
            except ConnectionError:
                break
        assert 7.5 < time.monotonic() - began < 9.5
        assert [rest_of(sock, 1) is not None for sock in socks] == [True] * 3
        assert time.monotonic() - began < 10


def test_two_thousand_idle_sockets_keep_no_genuine_request_out() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    many = min(2_000, hard - 300)
    with program("ours", receive=2) as (_, port):
        idle = [connected(port) for _ in range(many)]
        for sock in idle[: many // 2]:
            sock.sendall(HALVES["half a header"])
        times = []
        for _ in range(60):
            began = time.monotonic()
            assert asked(port, "/callbacks/vrex/token", b"{}") == 200
            times.append(time.monotonic() - began)
        for sock in idle:
            sock.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert max(times) < 1
    assert statistics.median(times) < 0.1


def test_where_sockets_run_short_the_idle_ones_go_and_genuine_requests_are_answered() -> None:
    with program("ours", connections=100) as (_, port):
        idle = [connected(port) for _ in range(1_000)]
        assert [asked(port) for _ in range(60)] == [200] * 60
        assert rest_of(idle[0], 1) == b""
        for sock in idle:
            sock.close()


# --- the end ---


def stopped(process: subprocess.Popen[str], within: float) -> int | None:
    process.send_signal(signal.SIGTERM)
    try:
        return process.wait(within)
    except subprocess.TimeoutExpired:
        return None


def test_sigterm_ends_the_server_with_0_once_what_is_under_way_is_answered() -> None:
    with program("ours") as (process, port), connected(port) as sock:
        sock.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        time.sleep(0.2)
        assert stopped(process, 8) == 0
        assert statuses(rest_of(sock)) == [200]


def test_sigterm_ends_the_server_with_0_in_time_with_a_stalled_upload() -> None:
    with program("ours") as (process, port), connected(port) as sock:
        sock.sendall(HALVES["half a body"])
        time.sleep(0.2)
        assert stopped(process, 8) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_uvicorn_as_it_comes_waits_for_the_stalled_upload_and_ends_with_the_signal() -> None:
    with program("plain") as (process, port), connected(port) as sock:
        sock.sendall(HALVES["half a body"])
        time.sleep(0.2)
        assert stopped(process, 2) is None
        sock.close()
        assert process.wait(8) == -signal.SIGTERM
