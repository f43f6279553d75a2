"""The log of the calls that the vendors had, and the ASGI layer that keeps it. Bodies are not kept."""

from collections import deque
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from receiver.simulator.clock import Clock, iso
from receiver.simulator.jobs import shortened

KEPT = 50_000


class RequestLog:
    """The latest calls, oldest first."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.calls: deque[dict[str, Any]] = deque(maxlen=KEPT)

    def begin(self, scope: Scope) -> dict[str, Any]:
        """Note a call when it comes in, so that one that is never answered is seen too."""
        first, _, rest = scope["path"].lstrip("/").partition("/")
        kind, vendor = ("file", rest.partition("/")[0]) if first == "files" else ("api", first)
        call = {"at": iso(self.clock.now()), "time": self.clock.now(), "vendor": vendor, "kind": kind}
        call |= {"method": scope["method"], "path": scope["path"], "status": None, "seconds": None, "key": None}
        self.calls.append(call)
        return call


class Logged:
    """Keeps the log of everything outside `/control`."""

    def __init__(self, app: ASGIApp, state: Any) -> None:
        self.app = app
        self.state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on and note what was answered."""
        if scope["type"] != "http" or scope["path"].startswith("/control") or scope["path"] == "/":
            await self.app(scope, receive, send)
            return
        log: RequestLog = self.state.world.log
        call = log.begin(scope)

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                call["status"] = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, noted)
        finally:
            key = scope.get("state", {}).get("key")
            call |= {"seconds": round(log.clock.now() - call["time"], 3), "key": shortened(key) if key else None}
