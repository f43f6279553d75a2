import asyncio
import gc
import gzip
import ipaddress
import logging
import socket
import ssl
import time
from collections.abc import Coroutine, Mapping, Sequence
from datetime import timedelta
from typing import Any

import httpx
import pytest

from receiver.net import Net
from schemas.addresses import Address
from schemas.errors import NetError, Unanswered, Unsent
from tests.support.authority import Authority, authority
from tests.support.http_server import Reply, closed_port, serving
from tests.support.wire import answer, listening

SECRET = "T0pSecretPath"


def run(main: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(main)


def vendor_net(**options: Any) -> Net:
    return Net(public_only=False, **options)


async def failure(net: Net, url: str, **options: Any) -> NetError:
    with pytest.raises(NetError) as caught:
        await net.call("POST", url, **options)
    return caught.value


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("ca"))


def trusting(ca: Authority) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca.file)


# --- what is sent, and what comes back ---


def test_an_answer_has_its_status_its_headers_in_lower_case_and_its_body() -> None:
    with serving(Reply(201, b"made", {"X-Job": "7"})) as server:
        got = run(vendor_net().call("POST", f"{server.url}/a?b=c", content=b"hello"))
    assert (got.status, got.headers["x-job"], got.body) == (201, "7", b"made")
    assert [(seen.method, seen.path, seen.body) for seen in server.seen] == [("POST", "/a?b=c", b"hello")]


def test_headers_of_the_caller_are_sent_but_those_of_the_connection_are_ours() -> None:
    given = {"Authorization": "Bearer k", "Host": "evil", "Accept-Encoding": "gzip", "Content-Length": "99"}
    with serving() as server:
        run(vendor_net().call("POST", server.url, headers=given, content=b"hi"))
    sent = server.seen[0].headers
    assert sent["user-agent"].startswith("clipbell/")
    assert sent == {
        "host": f"127.0.0.1:{server.port}",
        "authorization": "Bearer k",
        "accept": "*/*",
        "accept-encoding": "identity",
        "content-length": "2",
        "connection": "close",
        "user-agent": sent["user-agent"],
    }


def test_a_header_that_comes_twice_is_joined() -> None:
    async def main() -> Mapping[str, str]:
        async with listening(b"HTTP/1.1 200 OK\r\nX-A: 1\r\nX-A: 2\r\nContent-Length: 0\r\n\r\n") as wire:
            return (await vendor_net().call("GET", wire.url)).headers

    assert run(main())["x-a"] == "1, 2"


def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    with serving() as target, serving(Reply(302, b"", {"Location": target.url})) as server:
        got = run(vendor_net().call("GET", server.url, headers={"Authorization": "Bearer k"}))
    assert (got.status, target.seen) == (302, [])


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as proxy, serving(Reply(200, b"direct")) as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        got = run(vendor_net().call("GET", server.url))
    assert (got.body, proxy.seen) == (b"direct", [])


def test_a_compressed_bomb_stays_as_small_as_it_came() -> None:
    bomb = gzip.compress(b"\0" * 20_000_000)
    with serving(Reply(200, bomb, {"Content-Encoding": "gzip"})) as server:
        got = run(vendor_net().call("GET", server.url))
    assert got.body == bomb


def test_every_call_has_a_connection_of_its_own() -> None:
    async def main() -> int:
        async with listening(answer(), end="hold") as wire:
            net = vendor_net()
            for _ in range(3):
                await net.call("GET", wire.url)
            return len(wire.said)

    assert run(main()) == 3


def test_one_net_serves_two_event_loops_at_once() -> None:
    net = vendor_net()

    async def main() -> list[int]:
        async with asyncio.TaskGroup() as group:
            calls = [group.create_task(net.call("GET", f"http://localhost:{server.port}/")) for _ in range(20)]
        return [call.result().status for call in calls]

    async def both() -> Sequence[list[int]]:
        return await asyncio.gather(main(), asyncio.to_thread(asyncio.run, main()))

    with serving() as server:
        assert run(both()) == [[200] * 20, [200] * 20]


# --- size and time ---


def test_an_answer_that_is_too_long_is_cut_or_with_whole_no_answer() -> None:
    with serving(Reply(200, b"x" * 1000)) as server:
        cut = run(vendor_net().call("GET", server.url, max_bytes=10))
        none = run(failure(vendor_net(), server.url, max_bytes=10, whole=True))
        fits = run(vendor_net().call("GET", server.url, max_bytes=1000, whole=True))
    assert (cut.body, len(fits.body)) == (b"x" * 10, 1000)
    assert isinstance(none, Unanswered)
    assert str(none) == "127.0.0.1: the answer is longer than 10 bytes"


def test_an_endless_answer_is_cut_at_once() -> None:
    with serving(Reply(200, b"x" * 65_536, endless=True)) as server:
        began = time.monotonic()
        got = run(vendor_net().call("GET", server.url, max_bytes=100_000))
    assert len(got.body) == 100_000
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("reply", [Reply(silent=True), Reply(body=b"drip" * 100, pause=0.05)])
def test_the_deadline_is_for_the_whole_of_a_call_also_where_bytes_keep_coming(reply: Reply) -> None:
    with serving(reply) as server:
        began = time.monotonic()
        error = run(failure(vendor_net(), server.url, timeout=0.4))
        took = time.monotonic() - began
    assert isinstance(error, Unanswered)
    assert str(error) == "127.0.0.1: no whole answer within the time given"
    assert 0.35 < took < 0.8


# --- provably not sent ---


async def hangs(host: str, port: int) -> Sequence[Address]:
    await asyncio.sleep(60)
    return ()


async def local(host: str, port: int) -> Sequence[Address]:
    return (ipaddress.ip_address("127.0.0.1"),)


async def finds_nothing(host: str, port: int) -> Sequence[Address]:
    raise Unsent(f"{host}: the name does not resolve")


@pytest.mark.parametrize(
    ("url", "options", "words"),
    [
        ("http://127.0.0.1:{closed}/", {}, "127.0.0.1: connection refused"),
        ("http://no.such.host.invalid/", {}, "no.such.host.invalid: the name does not resolve"),
        ("http://a.example/", {"resolve": finds_nothing}, "a.example: the name does not resolve"),
        ("http://a.example/", {"resolve": hangs}, "a.example: no connection within the time given"),
        (f"http://{'a' * 64}.example/", {}, f"{'a' * 64}.example: the name does not resolve"),
    ],
)
def test_without_a_connection_nothing_was_sent(url: str, options: dict[str, Any], words: str) -> None:
    error = run(failure(vendor_net(**options), url.format(closed=closed_port()), timeout=0.5))
    assert isinstance(error, Unsent)
    assert str(error) == words


@pytest.mark.parametrize("value", ["sk-…", "sk-1\n", "sk-1\r\nX: y", "sk\0"])
def test_a_key_that_no_header_can_carry_is_found_before_anything_is_sent(value: str) -> None:
    async def main() -> tuple[NetError, list[bytes]]:
        async with listening(answer()) as wire:
            return await failure(vendor_net(), wire.url, headers={"X-Key": value}), wire.said

    error, said = run(main())
    assert (type(error), said) == (Unsent, [])
    assert str(error) == "127.0.0.1: a header of the request holds characters that HTTP cannot carry"


def test_a_failed_handshake_means_that_nothing_was_sent(ca: Authority) -> None:
    async def tried(context: ssl.SSLContext | None, **options: Any) -> tuple[str, str, list[bytes]]:
        net = vendor_net(ssl_context=trusting(ca), connect=0.3)
        async with listening(answer(), tls=context, **options) as wire:
            error = await failure(net, f"https://127.0.0.1:{wire.port}/")
            return type(error).__name__, str(error).removeprefix("127.0.0.1: "), wire.said

    async def main() -> list[tuple[str, str]]:
        expired = await tried(ca.server(until=timedelta(days=-1)))
        other = await tried(ca.server("other.example"))
        deaf = await tried(None, end="hold")
        gone = await tried(None, at_once=True)
        assert [each[2] for each in (expired, other)] == [[], []]
        return [each[:2] for each in (expired, other, deaf, gone)]

    assert run(main()) == [
        ("Unsent", "its TLS certificate is not accepted (certificate has expired)"),
        (
            "Unsent",
            "its TLS certificate is not accepted (IP address mismatch, certificate is not valid for '127.0.0.1'.)",
        ),
        ("Unsent", "it did not take the connection in time"),
        ("Unsent", "the TLS handshake failed"),
    ]


def test_a_good_certificate_is_taken_for_the_name_in_the_url(ca: Authority) -> None:
    async def main() -> tuple[bytes, bytes]:
        net = vendor_net(ssl_context=trusting(ca), resolve=local)
        async with listening(answer(b"safe"), tls=ca.server("shop.example")) as wire:
            got = await net.call("GET", f"https://shop.example:{wire.port}/")
            return got.body, wire.said[0]

    body, said = run(main())
    assert body == b"safe"
    assert b"host: shop.example:" in said


# --- sent, or perhaps sent ---


@pytest.mark.parametrize(
    ("said", "end"),
    [
        (b"", "close"),
        (b"", "reset"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", "close"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", "close"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", "reset"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n", "close"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "close"),
        (b"SSH-2.0-OpenSSH\r\n", "close"),
        (b"HTTP/1.1 200 OK\r\n" + b"X-A: " + b"a" * 200_000, "close"),
    ],
)
def test_once_the_request_is_out_every_failure_is_unanswered(said: bytes, end: str) -> None:
    async def main() -> tuple[NetError, int]:
        async with listening(said, end=end) as wire:
            return await failure(vendor_net(), wire.url, content=b"{}"), len(wire.said)

    error, connections = run(main())
    assert (type(error), connections) == (Unanswered, 1)


def test_a_connection_that_breaks_while_it_is_written_to_is_unanswered_too() -> None:
    async def main() -> NetError:
        async with listening(end="reset", at_once=True) as wire:
            return await failure(vendor_net(), wire.url, content=b"x" * 20_000_000)

    assert type(run(main())) is Unanswered


def test_a_body_that_ends_with_the_connection_is_an_answer() -> None:
    with serving(Reply(200, b'{"id": 1}', unsized=True)) as server:
        assert run(vendor_net().call("GET", server.url)).body == b'{"id": 1}'


def test_an_answer_before_the_whole_request_was_read_is_an_answer() -> None:
    async def main() -> int:
        async with listening(answer(b"too large", 413), end="hold") as wire:
            return (await vendor_net().call("POST", wire.url, content=b"x" * 1_000_000)).status

    assert run(main()) == 413


def test_a_cancelled_call_lets_go_of_its_connection() -> None:
    async def main() -> int:
        async with listening(end="hold") as wire:
            task = asyncio.create_task(vendor_net().call("GET", wire.url))
            while not wire.said or not wire.said[0]:
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await wire.left(2)
            return len(wire.said)

    assert run(main()) == 1


def test_a_handshake_that_is_given_up_lets_go_of_its_connection() -> None:
    async def main() -> NetError:
        async with listening(end="hold") as wire:
            error = await failure(vendor_net(), f"https://127.0.0.1:{wire.port}/", timeout=0.2)
            await wire.left(2)
            return error

    gc.disable()  # it would close what was forgotten
    try:
        error = run(main())
    finally:
        gc.enable()
    assert (type(error), str(error)) == (Unsent, "127.0.0.1: no connection within the time given")


# --- a stream ---


async def read(net: Net, url: str, **options: Any) -> bytes:
    async with net.stream(url, **({"timeout": 5, "max_bytes": 10_000_000} | options)) as download:
        return b"".join([chunk async for chunk in download.chunks()])


def test_a_stream_gives_status_headers_and_all_bytes() -> None:
    body = bytes(range(256)) * 10_000

    async def main() -> tuple[int, str, bytes]:
        async with vendor_net().stream(server.url, headers={"Range": "bytes=0-"}, timeout=5, max_bytes=9**9) as got:
            return got.status, got.headers["x-a"], b"".join([chunk async for chunk in got.chunks()])

    with serving(Reply(206, body, {"X-A": "b"})) as server:
        assert run(main()) == (206, "b", body)
        assert server.seen[0].headers["range"] == "bytes=0-"


@pytest.mark.parametrize(
    ("reply", "options", "words"),
    [
        (Reply(200, b"x" * 1000), {"max_bytes": 999}, "the answer is longer than 999 bytes"),
        (Reply(200, b"x" * 1000, unsized=True), {"max_bytes": 999}, "the answer is longer than 999 bytes"),
        (Reply(200, b"x" * 1000, cut=500), {}, "the answer was cut, or is not HTTP"),
        (Reply(200, b"x" * 1000, pause=0.02), {"timeout": 0.3}, "no whole answer within the time given"),
        (Reply(200, b"x" * 1000, pause=0.5), {}, "no whole answer within the time given"),
        (Reply(silent=True), {"timeout": 0.3}, "no whole answer within the time given"),
    ],
)
def test_a_stream_that_is_not_whole_is_unanswered(reply: Reply, options: dict[str, Any], words: str) -> None:
    with serving(reply) as server:
        began = time.monotonic()
        with pytest.raises(Unanswered) as caught:
            run(read(vendor_net(stall=0.2), server.url, **options))
    assert str(caught.value) == f"127.0.0.1: {words}"
    assert time.monotonic() - began < 2


def test_a_reader_that_gives_up_in_the_middle_leaves_nothing_open() -> None:
    async def main() -> None:
        async with vendor_net().stream(server.url, timeout=5, max_bytes=9**9) as download:
            async for _ in download.chunks():
                raise LookupError

    with serving(Reply(200, b"x" * 65_536, endless=True)) as server, pytest.raises(LookupError):
        run(main())


# --- what may not be said ---

LEAKY = f"/{SECRET}?sig={SECRET}"


@pytest.mark.parametrize("said", [b"", b"nonsense", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"])
def test_neither_errors_nor_logs_hold_the_url(said: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> list[str]:
        async with listening(said) as wire:
            refused = f"http://127.0.0.1:{closed_port()}{LEAKY}"
            banned = f"https://user:{SECRET}@127.0.0.1{LEAKY}"
            return [
                str(await failure(vendor_net(), wire.url + LEAKY)),
                str(await failure(vendor_net(), refused)),
                str(await failure(Net(), banned)),
                str(await failure(Net(), f"https://127.0.0.1{LEAKY}")),
                str(await failure(Net(), f"https://exa mple{LEAKY}")),
            ]

    caplog.set_level(logging.DEBUG)
    assert SECRET not in "".join(run(main()))
    assert SECRET not in caplog.text


def test_the_proof_above_sees_the_url_that_another_client_logs(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with httpx.AsyncClient() as client:
            await client.get(server.url + LEAKY)

    caplog.set_level(logging.INFO)
    with serving() as server:
        run(main())
    assert SECRET in caplog.text


def test_what_the_kernel_accepts_but_nobody_answers_is_no_connection() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        port = server.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        error = run(failure(vendor_net(connect=0.3), f"http://127.0.0.1:{port}/"))
        for filler in fillers:
            filler.close()
    assert (type(error), str(error)) == (Unsent, "127.0.0.1: it did not take the connection in time")
