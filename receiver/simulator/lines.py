"""The TCP connections under the simulator, so that one can be closed in the middle of an answer.

ASGI has no word for "hang up", so uvicorn's own protocol is extended to say which connection belongs to which caller.
"""

import asyncio
from collections.abc import MutableMapping
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

Address = tuple[str, int]


class Lines:
    """The open connections, by the caller's address and port."""

    def __init__(self) -> None:
        self._open: dict[Address, asyncio.Transport] = {}

    def opened(self, caller: Address | None, transport: asyncio.Transport) -> None:
        """Note a new connection."""
        if caller:
            self._open[caller] = transport

    def closed(self, caller: Address | None) -> None:
        """Note that a connection is gone."""
        if caller:
            self._open.pop(caller, None)

    def is_open(self, scope: MutableMapping[str, Any]) -> bool:
        """Whether the caller of a request is still there."""
        return tuple(scope["client"] or ()) in self._open

    async def hang_up(self, scope: MutableMapping[str, Any]) -> None:
        """Send what is already written, then close the connection of a request, and wait until it is closed."""
        transport = self._open.get(tuple(scope["client"] or ()))
        if transport is None:
            return
        transport.close()
        while self.is_open(scope):
            await asyncio.sleep(0.001)

    def drop_all(self) -> None:
        """Close every connection at once."""
        for transport in list(self._open.values()):
            transport.abort()


def protocol_on(lines: Lines) -> type[H11Protocol]:
    """Make the protocol class that reports its connections to `lines`."""

    class ReportingProtocol(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            lines.opened(self.client, transport)

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            lines.closed(self.client)

    return ReportingProtocol
