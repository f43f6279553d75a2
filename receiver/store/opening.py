"""Opening: from a database URL to a store whose schema is this version's.

A SQLite file is brought to it on the way, PostgreSQL only by `migrate`: other processes may be at work there.
"""

import asyncio
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from receiver.store import schema
from receiver.store.backend import Backend
from receiver.store.postgres import Postgres
from receiver.store.sqlite import Sqlite
from receiver.store.store import SqlStore
from receiver.store.trials import unavailable
from schemas.errors import ConfigurationError, Problem

EXAMPLES = '"sqlite:///clipbell.db" or "postgresql://user:password@host/name"'


class Opening:
    """A store about to be opened: `await` it, or enter it with `async with`, which also closes it."""

    def __init__(self, url: str, migrate: bool | None) -> None:
        self._url = url
        self._migrate = migrate
        self._store: SqlStore | None = None

    def __await__(self) -> Generator[Any, None, SqlStore]:
        return asyncio.to_thread(open_store_now, self._url, migrate=self._migrate).__await__()

    async def __aenter__(self) -> SqlStore:
        self._store = await self
        return self._store

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        if self._store is not None:
            await self._store.close()


def open_store(url: str, *, migrate: bool | None = None) -> Opening:
    """Open the store of a URL. `migrate`: bring the schema to this version first; None: on SQLite only.

    Raises, once awaited: ConfigurationError where the URL, its driver or the schema will not do, or another process
    has the file; StoreUnavailable where the database is damaged or cannot be reached.
    """
    return Opening(url, migrate)


def open_store_now(url: str, *, migrate: bool | None = None) -> SqlStore:
    """The same without an event loop."""
    with ExitStack() as undo:
        engines = _engines(url)
        undo.callback(engines.close)
        found = _migrated(engines) if migrate or (migrate is None and engines.is_exclusive) else _version(engines)
        schema.check(found)
        undo.pop_all()
    return SqlStore(engines)


def migrate(url: str) -> str:
    """Bring a database to this version's schema; answer the version. Raises: as `open_store`."""
    engines = _engines(url)
    try:
        found = _migrated(engines)
        schema.check(found)
        return schema.newest()
    finally:
        engines.close()


def schema_version(url: str) -> str | None:
    """The version of a database's schema, also while others use it; None where it is empty. Raises: as `open_store`."""
    engines = _engines(url, to_write=False)
    try:
        return _version(engines)
    finally:
        engines.close()


def _engines(url: str, *, to_write: bool = True) -> Backend:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise _no_url("is not a database URL") from error
    kind = parsed.drivername.partition("+")[0]
    if kind in ("postgresql", "postgres"):
        return Postgres(parsed)
    if kind != "sqlite":
        raise _no_url(f"names {kind}, which clipbell does not work with")
    if not parsed.database or parsed.database == ":memory:" or parsed.query:
        raise _no_url("has to name a file, and nothing else")
    return Sqlite(Path(parsed.database), to_write=to_write)


def _no_url(problem: str) -> ConfigurationError:
    return ConfigurationError([Problem("database_url", f"{problem}; it should look like {EXAMPLES}")])


def _migrated(engines: Backend) -> str | None:
    try:
        with engines.connect_writer() as connection, connection.begin():
            engines.hold_schema(connection)
            schema.upgrade(connection)
            return schema.current(connection)
    except DBAPIError as error:
        raise unavailable(error) from error


def _version(engines: Backend) -> str | None:
    if engines.is_blank:
        return None
    try:
        with engines.readers.connect() as connection:
            return schema.current(connection)
    except DBAPIError as error:
        raise unavailable(error) from error
