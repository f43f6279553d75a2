"""When calls set out, by the clock of their loop: what comes in late on a busy machine has set out in time."""

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Any

from handlers.protocol import Download, Http
from schemas.vendor import Answer


class SettingOut:
    """The way out, and when each call took it."""

    def __init__(self, http: Http) -> None:
        self._http = http
        self._at: list[tuple[str, float]] = []

    def at(self, url: str) -> list[float]:
        """When calls to what begins so set out."""
        return [moment for called, moment in self._at if called.startswith(url)]

    async def call(self, method: str, url: str, **options: Any) -> Answer:
        """Make one call."""
        self._at.append((url, asyncio.get_running_loop().time()))
        return await self._http.call(method, url, **options)

    def stream(self, url: str, **options: Any) -> AbstractAsyncContextManager[Download]:
        """Open a GET."""
        return self._http.stream(url, **options)
