import asyncio
import ipaddress
import subprocess
import sys
import threading
import time
from collections.abc import Sequence

import pytest

from receiver.resolve import SystemResolver, Target, target_of
from schemas.addresses import Address
from schemas.errors import AddressRefused, Unsent

LOOPBACK = (ipaddress.ip_address("127.0.0.1"),)


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://A.Example/b?c=d#e", Target("https", "a.example", 443, b"/b?c=d", "a.example")),
        ("http://a.example:8080", Target("http", "a.example", 8080, b"/", "a.example:8080")),
        ("https://[2001:DB8::1]:9/", Target("https", "2001:db8::1", 9, b"/", "[2001:db8::1]:9")),
        (
            "https://bücher.example/ü",
            Target("https", "xn--bcher-kva.example", 443, b"/%C3%BC", "xn--bcher-kva.example"),
        ),
        ("https://a_b.example/%2F?x=%20", Target("https", "a_b.example", 443, b"/%2F?x=%20", "a_b.example")),
    ],
)
def test_a_url_is_taken_apart(url: str, target: Target) -> None:
    assert target_of(url) == target


def test_a_refused_url_is_not_repeated() -> None:
    for url in ("https://u:T0P@a.example", "https://a\tT0P.example", "T0P", "https://T0P T0P/", "https://T0P\\@x/"):
        with pytest.raises(AddressRefused) as caught:
            target_of(url)
        assert "T0P" not in str(caught.value)


def test_an_address_is_its_own_answer_and_a_name_is_looked_up() -> None:
    async def main() -> tuple[Sequence[Address], Sequence[Address]]:
        resolve = SystemResolver()
        return await resolve("192.0.2.7", 1), await resolve("127.1", 1)

    assert asyncio.run(main()) == ((ipaddress.ip_address("192.0.2.7"),), LOOPBACK)


def test_slow_look_ups_are_given_up_in_time_and_never_more_than_allowed_run() -> None:
    going = threading.Event()
    running: list[int] = []

    def slow(host: str, port: int) -> Sequence[Address]:
        running.append(1)
        going.wait(5)
        return LOOPBACK

    async def main() -> tuple[list[object], int]:
        resolve = SystemResolver(threads=3, timeout=0.2, look_up=slow)
        outcomes = await asyncio.gather(*(resolve(f"{n}.example", 1) for n in range(10)), return_exceptions=True)
        return list(outcomes), len(running)

    began = time.monotonic()
    outcomes, ran = asyncio.run(main())
    took = time.monotonic() - began
    going.set()
    assert [str(each) for each in outcomes] == [
        f"{n}.example: the name did not resolve within 0.2 s" for n in range(10)
    ]
    assert all(isinstance(each, Unsent) for each in outcomes)
    assert (ran, took < 1) == (3, True)


def test_a_place_comes_free_again_when_its_look_up_ends() -> None:
    def quick(host: str, port: int) -> Sequence[Address]:
        time.sleep(0.01)
        return LOOPBACK

    async def main() -> list[Sequence[Address]]:
        resolve = SystemResolver(threads=2, timeout=2, look_up=quick)
        return await asyncio.gather(*(resolve(f"{n}.example", 1) for n in range(12)))

    assert asyncio.run(main()) == [LOOPBACK] * 12


def test_a_look_up_that_hangs_does_not_hold_up_the_end_of_the_program() -> None:
    program = """
import asyncio, time
from receiver.resolve import SystemResolver
from schemas.errors import Unsent
async def main():
    try:
        await SystemResolver(timeout=0.1, look_up=lambda host, port: time.sleep(30))("a.example", 1)
    except Unsent as error:
        print(error)
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=10, check=True)
    assert done.stdout == "a.example: the name did not resolve within 0.1 s\n"
