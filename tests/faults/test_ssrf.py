"""No URL that others give us leads into our own network: refused before a connection is made.

Each refusal is proved by a listener that nobody reached, and the table by its control: with the ban off the same URLs
do reach it.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence

import pytest

from receiver.net import Net
from receiver.resolve import Resolve
from schemas.addresses import Address
from schemas.errors import AddressRefused, NetError, Unsent
from tests.support.wire import Wire, answer, listening

LOOPBACK = ["127.0.0.1", "127.1", "127.0.1", "0x7f.1", "0x7f000001", "2130706433", "0177.1", "localhost"]
LOOPBACK += ["LOCALHOST", "0.0.0.0", "0", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "127。0。0。1", "127.255.0.3"]
LOOPBACK_V6 = ["[::1]", "[0:0:0:0:0:0:0:1]", "[::]"]
PRIVATE = ["169.254.169.254", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "168.63.129.16", "224.0.0.1"]
PRIVATE += ["255.255.255.255", "192.0.0.8", "198.18.0.1", "[fd00::1]", "[fe80::1]", "[fe80::1%25eth0]", "[ff02::1]"]
PRIVATE += ["[64:ff9b::7f00:1]", "[64:ff9b:1::1]", "[2002:7f00:1::]", "[2001::1]", "[::127.0.0.1]", "[fec0::1]"]
PRIVATE += ["[3fff::1]", "[5f00::1]", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "0177.0.0.1"]
CROOKED = [
    "https://r2.getvrex.com@127.0.0.1:{port}/",
    "https://127.0.0.1:{port}@r2.getvrex.com/",
    "https://@127.0.0.1:{port}/",
    "https://r2.getvrex.com\\@127.0.0.1:{port}/",
    "https://127.0.0.1:{port}\\.r2.getvrex.com/",
    "https://127.0.0.1\t:{port}/",
    "https://127.0.0.1\n:{port}/",
    "\thttps://127.0.0.1:{port}/",
    " https://127.0.0.1:{port}/",
    "https:/127.0.0.1:{port}/",
    "https:127.0.0.1:{port}/",
    "//127.0.0.1:{port}/",
    "127.0.0.1:{port}",
    "https://",
    "https:///x",
    "https://:{port}/",
    "https://[::1:{port}/",
    "https://127.0.0.1:{port}:80/",
    "https://127.0.0.1:99999999/",
    "https://127.0.0.1:-1/",
    "https://127.0.0.1%00.r2.getvrex.com:{port}/",
    "https://127.0.0.1%2f:{port}/",
    "https://%31%32%37.0.0.1:{port}/",
    "https://１２７.０.０.１:{port}/",
    "https://ⓛocalhost:{port}/",
    "https://-127.0.0.1:{port}/",
    "https://127.0.0.1.:{port}/",
    "https://localhost.:{port}/",
    "https://.127.0.0.1:{port}/",
    "https://ex ample/",
    "https://" + "a" * 70_000 + "/",
    "https://\ud800.example/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:{port}/_x",
    "ftp://127.0.0.1:{port}/",
    "data:text/plain,x",
    "javascript:alert(1)",
    "",
]


async def tried(net: Net, url: str) -> NetError | None:
    try:
        await net.call("GET", url, timeout=3)
    except NetError as error:
        return error
    return None


async def with_listener(host: str, task: Callable[[Wire], Awaitable[None]]) -> int:
    if ":" in host and not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    async with listening(answer(), host=host) as wire:
        await task(wire)
        await asyncio.sleep(0.01)
        return len(wire.said)


def urls(host: str, port: int) -> list[str]:
    return [f"{scheme}://{host}:{port}/video.mp4" for scheme in ("https", "http", "HTTP")]


@pytest.mark.parametrize(("hosts", "bound"), [(LOOPBACK, "127.0.0.1"), (LOOPBACK_V6, "::1"), (PRIVATE, "127.0.0.1")])
def test_no_spelling_of_a_private_address_is_called(hosts: list[str], bound: str) -> None:
    async def main(wire: Wire) -> None:
        net = Net()
        for host in hosts:
            for url in urls(host, wire.port):
                error = await tried(net, url)
                assert isinstance(error, AddressRefused), (url, error)

    assert asyncio.run(with_listener(bound, main)) == 0


@pytest.mark.parametrize(("hosts", "bound"), [(LOOPBACK, "0.0.0.0"), (LOOPBACK_V6, "::1")])
def test_with_the_ban_off_the_same_spellings_arrive(hosts: list[str], bound: str) -> None:
    async def main(wire: Wire) -> None:
        net = Net(public_only=False)
        for host in hosts:
            assert await tried(net, f"http://{host}:{wire.port}/") is None, host

    assert asyncio.run(with_listener(bound, main)) == len(hosts)


@pytest.mark.parametrize("url", CROOKED)
def test_no_crooked_url_is_called_however_it_is_read(url: str) -> None:
    async def main(wire: Wire) -> None:
        for net in (Net(), Net(public_only=False)):
            error = await tried(net, url.replace("{port}", str(wire.port)))
            assert isinstance(error, Unsent), error

    assert asyncio.run(with_listener("127.0.0.1", main)) == 0


def test_the_exempt_network_is_called_with_http_and_nothing_beside_it_is() -> None:
    async def main() -> tuple[NetError | None, NetError | None, int, int]:
        net = Net(allow=(ipaddress.ip_network("127.0.0.2/32"),))
        async with listening(answer(), host="127.0.0.2") as inside, listening(answer()) as outside:
            allowed, refused = await tried(net, inside.url), await tried(net, outside.url)
            return allowed, refused, len(inside.said), len(outside.said)

    allowed, refused, inside, outside = asyncio.run(main())
    assert (allowed, inside, outside) == (None, 1, 0)
    assert str(refused) == "127.0.0.1 is not a public address; network.allow can exempt it"


def test_plain_http_is_refused_at_a_public_address() -> None:
    error = asyncio.run(tried(Net(), "http://198.41.0.4/"))
    assert isinstance(error, AddressRefused)
    assert str(error).startswith("198.41.0.4 is not in network.allow, so plain http is refused")


# --- names that change their minds ---


def resolver(*answers: Sequence[str]) -> tuple[Resolve, list[str]]:
    """A name server that gives these answers in turn, again and again; and the names that it was asked for."""
    asked: list[str] = []

    async def resolve(host: str, port: int) -> Sequence[Address]:
        asked.append(host)
        return [ipaddress.ip_address(text) for text in answers[(len(asked) - 1) % len(answers)]]

    return resolve, asked


GOOD = ipaddress.ip_network("127.0.0.2/32")


async def rebound(net: Net, calls: int) -> tuple[list[type | None], int, int]:
    """Call a name on a port where both the exempt address and the banned one listen: what came, and who was reached."""
    async with (
        listening(answer(), host="127.0.0.2") as good,
        listening(answer(), host="127.0.0.1", port=good.port) as bad,
    ):
        found = [await tried(net, f"http://cdn.example:{good.port}/") for _ in range(calls)]
        return [type(each) if each else None for each in found], len(good.said), len(bad.said)


def test_a_name_that_alternates_is_looked_up_once_for_each_call_and_only_its_judged_answer_is_called() -> None:
    resolve, asked = resolver(["127.0.0.2"], ["127.0.0.1"])
    outcomes, good, bad = asyncio.run(rebound(Net(allow=(GOOD,), resolve=resolve), 6))
    assert outcomes == [None, AddressRefused] * 3
    assert (good, bad, asked) == (3, 0, ["cdn.example"] * 6)


def test_with_the_ban_off_the_alternating_name_does_reach_the_other_address() -> None:
    resolve, _ = resolver(["127.0.0.2"], ["127.0.0.1"])
    assert asyncio.run(rebound(Net(public_only=False, resolve=resolve), 6)) == ([None] * 6, 3, 3)


@pytest.mark.parametrize(
    "answers", [["127.0.0.2", "127.0.0.1"], ["127.0.0.1", "127.0.0.2"], ["::1"], ["127.0.0.2", "::ffff:127.0.0.1"]]
)
def test_one_banned_address_among_several_bans_the_name(answers: list[str]) -> None:
    resolve, _ = resolver(answers)
    net = Net(allow=(GOOD,), resolve=resolve)
    outcomes, good, bad = asyncio.run(rebound(net, 2))
    assert (outcomes, good, bad) == ([AddressRefused] * 2, 0, 0)
    assert isinstance(asyncio.run(tried(net, "https://cdn.example/")), AddressRefused)


def test_where_one_judged_address_is_down_the_next_is_called() -> None:
    resolve, _ = resolver(["127.0.0.3", "127.0.0.2"])
    net = Net(allow=(ipaddress.ip_network("127.0.0.2/31"),), resolve=resolve)
    assert asyncio.run(rebound(net, 1)) == ([None], 1, 0)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("target", ["http://127.0.0.1:{port}/", "http://169.254.169.254/", "/"])
def test_a_redirect_never_leads_anywhere(status: int, target: str) -> None:
    async def main() -> tuple[int, list[bytes], int]:
        async with listening(answer()) as inside:
            location = target.format(port=inside.port)
            async with listening(answer(b"", status, location=location), host="127.0.0.2") as wire:
                net = Net(allow=(GOOD,))
                got = await net.call("GET", wire.url, headers={"Authorization": "Bearer key"})
                async with net.stream(wire.url, timeout=2, max_bytes=9) as download:
                    assert download.status == status
                return got.status, inside.said, len(wire.said)

    assert asyncio.run(main()) == (status, [], 2)
