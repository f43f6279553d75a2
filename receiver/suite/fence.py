"""A fence around this machine: while it stands, a connection to any other machine is refused, and noted.

So that a plug-in may be tried as its example says, with nobody told; and so that a handler that calls out by itself,
past the way out that it is given, is seen. Built on Python's audit events, which no library can go around but one
that makes its sockets in C. A program that a plug-in starts is beyond it: that one was started is noted, so that
whoever checks can be told. Programs may be what a handler is for, so none is refused.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import PurePath
from typing import Any

_HERE = frozenset({"localhost", "::1", "0.0.0.0", "::", ""})  # noqa: S104 - nothing is bound here
REFUSED = "nothing leaves this machine while a plug-in is checked"
#: Events by which a process begins, and how its program is called; None: the event's first argument says it.
_STARTS = {
    "subprocess.Popen": None,
    "os.posix_spawn": None,
    "os.exec": None,
    "os.system": "a shell",
    "os.fork": "a fork of itself",
    "os.forkpty": "a fork of itself",
}


class _Watch:
    """What the audit hook knows: whether the fence stands, who wanted to get over it, and what was started."""

    def __init__(self) -> None:
        self.stands = False
        self.wanted: list[str] = []
        self.started: dict[str, None] = {}

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.stands:
            return
        if event in _STARTS:
            self.started[_STARTS[event] or PurePath(os.fsdecode(arguments[0])).name] = None
        if event not in ("socket.connect", "socket.getaddrinfo"):
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


def started() -> tuple[str, ...]:
    """Which programs were started while the fence stood, since this was last asked."""
    watch = _watch()
    found, watch.started = tuple(watch.started), {}
    return found
