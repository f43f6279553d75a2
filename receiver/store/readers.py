"""The readers: a few threads with connections that cannot write, in short transactions."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection

from receiver.store.backend import Backend
from receiver.store.trials import Trial, unavailable
from schemas.errors import StoreUnavailable

THREADS = 4
P = ParamSpec("P")
T = TypeVar("T")


class Readers:
    """Reads on behalf of any event loop."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="store-reader")

    async def read(self, read: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `read` on a connection.

        Raises: StoreUnavailable, or whatever `read` itself does.
        """
        try:
            future = self._threads.submit(self._run, lambda connection: read(connection, *args, **kwargs))
        except RuntimeError as error:
            raise StoreUnavailable("the store is closed") from error
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Finish what is under way. Blocks."""
        self._threads.shutdown()

    def _run(self, read: Callable[[Connection], T]) -> T:
        with Trial() as trial:
            return self._once(read)
        if trial.error is not None and self._backend.may_redo(trial.error):
            # a connection that was lost while nobody used it
            with Trial() as trial:
                return self._once(read)
        error = trial.error or StoreUnavailable("nothing was read")
        raise unavailable(error) if self._backend.is_outage(error) else error

    def _once(self, read: Callable[[Connection], T]) -> T:
        with self._backend.readers.connect() as connection:
            return read(connection)
