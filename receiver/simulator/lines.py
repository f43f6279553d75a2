"""The TCP connections under the simulator, so that one can be closed in the middle of an answer.

ASGI has no word for "hang up", so uvicorn's own protocol is extended to say which connection belongs to which caller.
"""

import asyncio
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

Address = tuple[str, int]
Scope = MutableMapping[str, Any]


class Line:
    """One connection."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.gone = asyncio.Event()


class Lines:
    """The open connections, by the caller's address and port."""

    def __init__(self) -> None:
        self._open: dict[Address, Line] = {}

    def opened(self, caller: Address | None, transport: asyncio.Transport) -> None:
        """Note a new connection."""
        if caller:
            self._open[caller] = Line(transport)

    def closed(self, caller: Address | None) -> None:
        """Note that a connection is gone."""
        if caller and (line := self._open.pop(caller, None)):
            line.gone.set()

    def is_open(self, scope: Scope) -> bool:
        """Whether the caller of a request is still there."""
        return self._of(scope) is not None

    def _of(self, scope: Scope) -> Line | None:
        return self._open.get(tuple(scope["client"] or ()))

    async def gone(self, scope: Scope, within: float | None) -> None:
        """Wait until the caller has gone, at most for so many seconds."""
        line = self._of(scope)
        if line is None:
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(line.gone.wait(), within)

    async def hang_up(self, scope: Scope) -> None:
        """Send what is already written, then close the connection of a request, and wait until it is closed."""
        if line := self._of(scope):
            line.transport.close()
            await self.gone(scope, within=None)

    def drop_all(self) -> None:
        """Close every connection at once."""
        for line in list(self._open.values()):
            line.transport.abort()


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
