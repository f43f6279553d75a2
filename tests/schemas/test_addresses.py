"""Which addresses are public: a table by hand, with the neighbours just outside of every banned block."""

import ipaddress

import pytest

from schemas.addresses import Network, is_allowed, is_public

PRIVATE = """
    0.0.0.0 0.255.255.255 10.0.0.0 10.255.255.255 100.64.0.0 100.127.255.255 127.0.0.1 127.255.255.255 169.254.0.1
    169.254.169.254 172.16.0.0 172.31.255.255 192.0.0.0 192.0.0.8 192.0.0.170 192.0.2.1 192.31.196.1 192.52.193.1
    192.88.99.3 192.168.0.0 192.168.255.255 192.175.48.1 198.18.0.0 198.19.255.255 198.51.100.7 203.0.113.9
    224.0.0.1 239.255.255.250 240.0.0.1 255.255.255.255 168.63.129.16 :: ::1 ::127.0.0.1 ::8.8.8.8 ::ffff:127.0.0.1
    ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:168.63.129.16 ::ffff:0:127.0.0.1 64:ff9b::8.8.8.8 64:ff9b:1::1
    100::1 2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:10::1 2001:20::1 2001:db8::1 2002:7f00:1::
    2002:808:808::1 2620:4f:8000::1 3fff::1 3fff:fff:ffff::1 4000::1 5f00::1 fc00::1 fd00:ec2::254 fe80::1
    fe80::1%eth0 fec0::1 ff02::1 ff0e::1
""".split()

PUBLIC = """
    1.0.0.0 1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0
    169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 191.255.255.255 192.0.1.0 192.0.3.0 192.167.255.255
    192.169.0.0 198.17.255.255 198.20.0.0 198.51.99.255 198.51.101.0 203.0.112.255 203.0.114.0 223.255.255.255
    168.63.129.15 168.63.129.17 ::ffff:8.8.8.8 2000::1 2001:200::1 2001:4860:4860::8888 2001:db7:ffff::1 2001:db9::1
    2003::1 2606:4700:4700::1111 2620:4f:7fff::1 2620:4f:8001::1 2a00::1 3ffe::1
""".split()


@pytest.mark.parametrize("text", PRIVATE)
def test_nobody_on_the_internet_could_own_it(text: str) -> None:
    assert not is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", PUBLIC)
def test_just_outside_of_a_banned_block_is_public(text: str) -> None:
    assert is_public(ipaddress.ip_address(text))


def test_the_standard_library_would_let_some_of_them_through() -> None:
    """The reason for a list of our own; should this ever fail, ours may go."""
    assert any(ipaddress.ip_address(text).is_global for text in PRIVATE)


def networks(*texts: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


@pytest.mark.parametrize(
    ("address", "allow", "expected"),
    [
        ("127.0.0.1", (), False),
        ("8.8.8.8", (), True),
        ("127.0.0.1", ("127.0.0.0/8",), True),
        ("::ffff:127.0.0.1", ("127.0.0.0/8",), True),
        ("128.0.0.1", ("127.0.0.0/8",), True),
        ("10.0.0.1", ("127.0.0.0/8", "10.0.0.0/24"), True),
        ("10.0.1.1", ("10.0.0.0/24",), False),
        ("::1", ("127.0.0.0/8",), False),
        ("::1", ("::1/128",), True),
        ("127.0.0.1", ("::/0",), False),
        ("::ffff:10.0.0.1", ("::/0",), False),
        ("fd00::1", ("fd00::/8",), True),
    ],
)
def test_an_operator_may_exempt_networks(address: str, allow: tuple[str, ...], expected: bool) -> None:
    assert is_allowed(ipaddress.ip_address(address), networks(*allow)) is expected
