"""Courier: the loop that carries deliveries. A lane for each handler, so that one's trouble never delays another's."""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress

from receiver.kit import Kit
from receiver.lane import Lane, Post
from schemas.errors import StoreUnavailable

#: Seconds between two looks at what other processes, or people, made of the pauses.
WATCH = 1.0


class Courier:
    """All lanes. One for each process that works."""

    def __init__(self, kit: Kit, posts: Sequence[Post]) -> None:
        self._store = kit.store
        self._lanes = {post.name: Lane(post, kit) for post in posts}
        self._tasks: list[asyncio.Task[None]] = []
        self._watch: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start every lane. Raises: StoreUnavailable."""
        await self._look()
        self._tasks = [asyncio.create_task(lane.run()) for lane in self._lanes.values()]
        self._watch = asyncio.create_task(self._keep_looking())

    def wake(self, handlers: Iterable[str]) -> None:
        """Look now for what is due at these handlers. Call from the courier's own loop."""
        for handler in handlers:
            if handler in self._lanes:
                self._lanes[handler].wake.set()

    @property
    def dead(self) -> list[str]:
        """Lanes that ended though nobody asked them to: a bug of ours that health must show."""
        ended = [name for name, task in zip(self._lanes, self._tasks, strict=False) if task.done()]
        return [*ended, *(["the watch over the handlers"] if self._watch is not None and self._watch.done() else [])]

    async def stop(self, seconds: float) -> None:
        """Stop claiming, let calls finish for so long, give back the rest."""
        tasks = [*self._tasks, *([self._watch] if self._watch is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(lane.stop(seconds) for lane in self._lanes.values()))

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(WATCH)
            with suppress(StoreUnavailable):
                await self._look()

    async def _look(self) -> None:
        versions = {name: lane.ward.version for name, lane in self._lanes.items()}
        stood = {pause.handler: pause for pause in await self._store.pauses()}
        for name, lane in self._lanes.items():
            # what this process did meanwhile is newer than what was read
            if lane.ward.version == versions[name]:
                lane.ward.told(stood.get(name))
