"""A server that answers callbacks before they are committed: what clipbell must not be. Takes callbacks, does no work.

Usage, in a folder with a clipbell.toml: python serve_hasty.py
"""

import asyncio
import os
from pathlib import Path
from typing import Any, cast

import uvloop

from receiver import clock
from receiver.settings import Settings, load
from receiver.store.opening import open_store
from receiver.store.protocol import Applied, Change, Decide, Evidence, Store
from receiver.vitals import Vitals
from receiver.web.app import Application
from receiver.web.server import make_server
from receiver.work import make_kit

#: Seconds by which it is too hasty.
LATER = 0.05


class Hasty:
    """A store that says "done" and does it a little later."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._tasks: set[asyncio.Task[Applied]] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def apply(self, job_id: str, decide: Decide, evidence: Evidence | None = None) -> Applied:
        """Promise to apply it."""
        task = asyncio.create_task(self._apply(job_id, decide, evidence))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return Applied(None, Change())

    async def _apply(self, job_id: str, decide: Decide, evidence: Evidence | None) -> Applied:
        await asyncio.sleep(LATER)
        return await self._store.apply(job_id, decide, evidence)


async def main(settings: Settings) -> None:
    """Serve until SIGTERM."""
    async with open_store(settings.database_url) as store:
        vitals = Vitals(clock.monotonic, works=False)
        app = Application(make_kit(settings, cast("Store", Hasty(store))), vitals)
        await make_server(app, *settings.listen).serve()


if __name__ == "__main__":
    uvloop.run(main(load(Path("clipbell.toml"), os.environ)))
