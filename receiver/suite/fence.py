"""A fence around this machine: while it stands, a connection to any other machine is refused, and noted.

So that a plug-in may be tried as its example says, with nobody told; and so that a handler that calls out by itself,
past the way out that it is given, is seen. Built on Python's audit events, which no library can go around but one
that makes its sockets in C.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

_HERE = frozenset({"localhost", "::1", "0.0.0.0", "::", ""})  # noqa: S104 - nothing is bound here
REFUSED = "nothing leaves this machine while a plug-in is checked"


class _Watch:
    """What the audit hook knows: whether the fence stands, and who wanted to get over it."""

    def __init__(self) -> None:
        self.stands = False
        self.wanted: list[str] = []

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.stands or event not in ("socket.connect", "socket.getaddrinfo"):
            return
        address = arguments[1] if event == "socket.connect" else arguments[:2]
        if isinstance(address, tuple) and not is_here(address[0]):
            self.wanted.append(f"{address[0]}:{address[1]}")
            raise ConnectionRefusedError(REFUSED)


@cache
def _watch() -> _Watch:
    # an audit hook stays for as long as the process does, so there is only one
    watch = _Watch()
    sys.addaudithook(watch)
    return watch


def is_here(host: object) -> bool:
    """Whether a host is this machine."""
    name = host.decode("latin-1") if isinstance(host, bytes) else host
    return name is None or (isinstance(name, str) and (name in _HERE or name.startswith("127.")))


@contextmanager
def fenced() -> Iterator[list[str]]:
    """Put up the fence for the length of a block; yields who was refused, as `host:port`, while it fills."""
    watch = _watch()
    watch.stands, watch.wanted = True, []
    try:
        yield watch.wanted
    finally:
        watch.stands = False
