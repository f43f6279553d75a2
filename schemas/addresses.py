"""Which IP addresses are public. A list of our own: `ipaddress.is_global` lets NAT64, 6to4 and multicast through.

https://www.iana.org/assignments/iana-ipv4-special-registry and …/iana-ipv6-special-registry
"""

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_BANNED_V4 = tuple(
    ipaddress.IPv4Network(text)
    for text in (
        "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 "
        "192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 "
        "198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4 168.63.129.16/32"
    ).split()
)
# only 2000::/3 is handed out to the public; these parts of it are not, or carry an IPv4 address inside
_PUBLIC_V6 = ipaddress.IPv6Network("2000::/3")
_BANNED_V6 = tuple(
    ipaddress.IPv6Network(text) for text in "2001::/23 2001:db8::/32 2002::/16 2620:4f:8000::/48 3fff::/20".split()
)


def is_public(address: Address) -> bool:
    """Whether anybody on the internet could own this address."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return is_public(address.ipv4_mapped)
        return address in _PUBLIC_V6 and not any(address in network for network in _BANNED_V6)
    return not any(address in network for network in _BANNED_V4)


def is_allowed(address: Address, allow: tuple[Network, ...]) -> bool:
    """Whether a request may go there: a public address, or one that the operator exempted."""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return is_public(address) or any(address in network for network in allow if network.version == address.version)
