"""SQLite: the embedded engine. One read-write connection a file, which also does every checkpoint.

Versions before 3.51.3 can corrupt a WAL that two connections write or checkpoint at once, so nothing else may:
readers open the file with `mode=ro`, and a lock file keeps other processes out.
"""

import os
import sqlite3
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, NullPool, QueuePool, create_engine, event
from sqlalchemy.exc import DBAPIError

from receiver.store.lock import FileLock
from receiver.store.sql import worded
from schemas.errors import ConfigurationError, Problem, StoreUnavailable

#: With so many rows changed, or so many bytes in the WAL, it is time for a checkpoint even under load.
CHANGES_LIMIT = 2_000
WAL_LIMIT = 64 * 2**20
#: Files up to this size are checked whole at the start, after an unclean end also longer ones: 4 s for each GiB.
SMALL, LARGE = 64 * 2**20, 2**30
READERS = 4
_BEGIN = "BEGIN IMMEDIATE"
_MEMBER_ERRORS = frozenset(
    {
        sqlite3.SQLITE_ERROR,
        sqlite3.SQLITE_TOOBIG,
        sqlite3.SQLITE_CONSTRAINT,
        sqlite3.SQLITE_MISMATCH,
        sqlite3.SQLITE_MISUSE,
        sqlite3.SQLITE_RANGE,
    }
)


class Sqlite:
    """One SQLite file."""

    row_lock = ""
    #: Only one process works on it: what is held at the start was held by a dead one.
    is_exclusive = True

    def __init__(self, path: Path, *, to_write: bool = True) -> None:
        """Take the file, unless it is only to be read.

        Raises: ConfigurationError where another process has it, StoreUnavailable where it is damaged.
        """
        self.path = path
        self._wal = path.with_name(path.name + "-wal")
        self._wal_name = str(self._wal)
        if not path.parent.is_dir():
            problem = f"the folder {path.parent} does not exist; make it, or name another file"
            raise ConfigurationError([Problem("database_url", problem)])
        self._lock = FileLock(path) if to_write else None
        if to_write:
            with ExitStack() as undo:
                undo.callback(self._release)
                self._examine()
                undo.pop_all()
        self._writer = create_engine(
            "sqlite://", creator=self._connect_writer, poolclass=NullPool, paramstyle="qmark", hide_parameters=True
        )
        event.listen(self._writer, "begin", _begin_immediate)
        self.readers: Engine = create_engine(
            "sqlite://",
            creator=self._connect_reader,
            poolclass=QueuePool,
            pool_size=READERS,
            pool_reset_on_return=None,
            paramstyle="qmark",
            hide_parameters=True,
            isolation_level="AUTOCOMMIT",
        )
        self._long = WAL_LIMIT
        #: Rows that the writing connection had changed at its latest checkpoint.
        self._changes = 0

    # --- connections ---

    def connect_writer(self) -> Connection:
        """Open the one connection that writes. Raises: DBAPIError."""
        return self._writer.connect()

    def _connect_writer(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=5, isolation_level=None, cached_statements=384, check_same_thread=False
        )
        _configure(connection)
        self._changes = 0
        # only the writer's own checkpoints: an automatic one hides its errors in a commit that succeeds
        for pragma in ("journal_mode=WAL", "wal_autocheckpoint=0", "cache_size=-32768"):
            connection.execute(f"PRAGMA {pragma}").fetchall()
        return connection

    def _connect_reader(self) -> sqlite3.Connection:
        name = quote(str(self.path.absolute()))
        connection = sqlite3.connect(
            f"file:{name}?mode=ro", uri=True, timeout=5, isolation_level=None, check_same_thread=False
        )
        _configure(connection)
        connection.execute("PRAGMA query_only=ON")
        return connection

    @property
    def is_blank(self) -> bool:
        """Whether there is no file yet, or nothing in it."""
        return not self.path.exists() or self.path.stat().st_size == 0

    def hold_schema(self, connection: Connection) -> None:
        """Nothing: the file is ours alone."""

    def close(self) -> None:
        """Close what reads, and let go of the file."""
        self.readers.dispose()
        self._writer.dispose()
        self._release()

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.release()

    # --- errors ---

    def is_outage(self, error: BaseException) -> bool:
        """Whether an error says that the file or the disk is in trouble, not the statement."""
        if not isinstance(error, DBAPIError):
            return isinstance(error, StoreUnavailable)
        code = getattr(error.orig, "sqlite_errorcode", None)
        # the driver's own complaints about a parameter have no code
        return isinstance(code, int) and code & 0xFF not in _MEMBER_ERRORS

    def may_redo(self, error: BaseException) -> bool:
        """Never: what failed on this disk a moment ago fails again."""
        return False

    # --- care ---

    def care(self, connection: Connection, *, idle: bool) -> bool:
        """Checkpoint when there is time for it, or when the WAL has grown too long; answer whether it was due.

        Raises: sqlite3.Error.
        """
        raw: Any = connection.connection.dbapi_connection
        changes = raw.total_changes - self._changes
        size = self._wal_size()
        is_long = size >= self._long or changes >= CHANGES_LIMIT
        if size == 0 or not (is_long or idle):
            return False
        busy, log, done = raw.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        self._changes = raw.total_changes
        # under load the file keeps its length: a commit into blocks that it has already takes half the time
        if not busy and log == done and (idle or size > WAL_LIMIT):
            # a reader in the way is not waited for: the file then keeps its length until the next time
            raw.execute("PRAGMA busy_timeout=0").fetchall()
            raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            raw.execute("PRAGMA busy_timeout=5000").fetchall()
        size = self._wal_size()
        self._long = WAL_LIMIT if size < WAL_LIMIT else size + WAL_LIMIT // 4
        return True

    def _wal_size(self) -> int:
        try:
            return os.stat(self._wal_name).st_size
        except FileNotFoundError:
            return 0

    def _examine(self) -> None:
        """Refuse a file that is damaged or gone, rather than begin a new one in its place."""
        unclean = self._wal_size() > 0
        if self.is_blank and unclean:
            raise StoreUnavailable(
                f"{self.path} is missing or empty, but {self._wal.name} beside it is not: the database was moved or "
                f"lost; put it back from a backup, or remove {self._wal.name} to begin anew"
            )
        if self.is_blank:
            return
        try:
            self._check_pages(whole=self.path.stat().st_size <= (LARGE if unclean else SMALL))
        except sqlite3.DatabaseError as error:
            raise StoreUnavailable(_damaged(self.path, str(error))) from error

    def _check_pages(self, *, whole: bool) -> None:
        connection = sqlite3.connect(self.path, timeout=5, isolation_level=None)
        try:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
            found = connection.execute("PRAGMA quick_check(1)").fetchone()[0] if whole else "ok"
        finally:
            connection.close()
        if found != "ok":
            raise StoreUnavailable(_damaged(self.path, found))


def _damaged(path: Path, why: str) -> str:
    return (
        f"{path} is damaged or no SQLite database ({why}); put a backup in its place, or try to rescue it with: "
        f"sqlite3 {path.name} .recover"
    )


def _configure(connection: sqlite3.Connection) -> None:
    for pragma in (
        "busy_timeout=5000",
        "synchronous=FULL",
        "fullfsync=ON",
        "checkpoint_fullfsync=ON",
        "foreign_keys=ON",
        "mmap_size=0",
        "trusted_schema=OFF",
    ):
        connection.execute(f"PRAGMA {pragma}").fetchall()


def _begin_immediate(connection: Connection) -> None:
    raw: Any = connection.connection.dbapi_connection
    try:
        # a script lets go of the interpreter's lock once, a statement five times; but it commits what is open before it
        if raw.in_transaction:
            raise sqlite3.OperationalError("a transaction is open already")
        raw.executescript(_BEGIN)
    except sqlite3.Error as error:
        raise worded(_BEGIN, error) from error
