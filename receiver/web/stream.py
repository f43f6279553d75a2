"""`GET /v1/stream`: server-sent events that say which job, delivery or alert changed; a hint to read it again."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress

from sse_starlette import EventSourceResponse
from sse_starlette.sse import AppStatus
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from receiver.store.protocol import Changed, Store

#: Notices that may wait for a slow reader; past it the stream ends, so that the reader reads everything again.
MOST_WAITING = 1000


class Stream:
    """The route, and its readers."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._closing = asyncio.Event()
        # the library's own watch of the server cuts a stream off in the middle; `close` ends it whole
        AppStatus.enable_automatic_graceful_drain = False

    def routes(self) -> list[Route]:
        """What is served."""
        return [Route("/v1/stream", self.stream)]

    def close(self) -> None:
        """End every reader's stream, so that the server can stop."""
        self._closing.set()

    async def stream(self, request: Request) -> Response:
        """Follow what changes."""
        return EventSourceResponse(self._notices(), ping=15, headers={"cache-control": "no-store"})

    async def _notices(self) -> AsyncIterator[dict[str, str]]:
        loop = asyncio.get_running_loop()
        waiting: asyncio.Queue[tuple[str, str]] = asyncio.Queue(MOST_WAITING)
        missed = asyncio.Event()

        def put(changed: Changed) -> None:
            for kind, ids in (("job", changed.jobs), ("delivery", changed.deliveries), ("alert", changed.alerts)):
                for one in sorted(ids):
                    if waiting.full():
                        missed.set()
                        return
                    waiting.put_nowait((kind, one))

        def hear(changed: Changed) -> None:
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(put, changed)

        leave = self._store.subscribe(hear)
        closing = asyncio.create_task(self._closing.wait())
        get = asyncio.create_task(waiting.get())
        try:
            while not closing.done() and not missed.is_set():
                await asyncio.wait({get, closing}, return_when=asyncio.FIRST_COMPLETED)
                if not get.done():
                    return
                kind, one = get.result()
                get = asyncio.create_task(waiting.get())
                yield {"event": kind, "data": json.dumps({"kind": kind, "id": one})}
        finally:
            leave()
            closing.cancel()
            get.cancel()
