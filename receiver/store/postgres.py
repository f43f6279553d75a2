"""PostgreSQL: the engine for more than one process. Rows are locked one by one, connections come and go.

A commit counts only once the server has it on disk: a `synchronous_commit` that promises less is raised. Whether
a lost COMMIT took place is not known; everything written here may be written again.
"""

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from sqlalchemy import URL, Connection, Engine, NullPool, QueuePool, create_engine, event
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from receiver import clock
from schemas.errors import ConfigurationError, Problem, StoreUnavailable

READERS = 4
CONNECT_TIMEOUT = 5
#: Seconds between attempts to connect, doubling up to the last.
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0
_SCHEMA_LOCK = 0x636C6970  # "clip"
_SETTINGS = {
    "statement_timeout": "30s",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "60s",
    "default_transaction_isolation": "read committed",
    "timezone": "UTC",
}
_READ_ONLY = {"default_transaction_read_only": "on"}
# serialization, deadlock, lock timeout
_CONFLICTS = ("40001", "40P01", "55P03")
# connection, resources, operator, system; read-only: the old primary after a failover
_OUTAGES = ("08", "53", "57", "58", "XX", "25006")


class Postgres:
    """One PostgreSQL database."""

    row_lock = "FOR UPDATE"
    is_exclusive = False

    def __init__(self, url: URL) -> None:
        """Prepare engines; nothing is connected yet.

        Raises: ConfigurationError where the driver is not installed.
        """
        url = url.set(drivername="postgresql+psycopg")
        arguments = {
            "connect_timeout": CONNECT_TIMEOUT,
            "application_name": "clipbell",
            "keepalives_idle": 30,
            "keepalives_interval": 10,
            "keepalives_count": 3,
            "tcp_user_timeout": 15_000,
        }
        try:
            self._writer = create_engine(
                url,
                poolclass=NullPool,
                paramstyle="format",
                hide_parameters=True,
                connect_args={**arguments, "target_session_attrs": "read-write"},
            )
        except ModuleNotFoundError as error:
            problem = "PostgreSQL needs its driver; install it with: pip install 'clipbell[postgres]'"
            raise ConfigurationError([Problem("database_url", problem)]) from error
        self.readers: Engine = create_engine(
            url,
            poolclass=QueuePool,
            pool_size=READERS,
            paramstyle="format",
            hide_parameters=True,
            connect_args=arguments,
            isolation_level="AUTOCOMMIT",
        )
        event.listen(self._writer, "connect", lambda connection, _: _configure(connection, _SETTINGS))
        event.listen(self.readers, "connect", lambda connection, _: _configure(connection, {**_SETTINGS, **_READ_ONLY}))
        self._pause = 0.0
        self._not_before = 0.0

    def connect_writer(self) -> Connection:
        """Open the connection that writes, at most so often.

        Raises: StoreUnavailable while the next attempt is not due, DBAPIError.
        """
        if clock.monotonic() < self._not_before:
            raise StoreUnavailable("PostgreSQL cannot be reached; the next attempt is in a moment")
        self._pause = min(max(self._pause * 2, FIRST_PAUSE), LONGEST_PAUSE)
        self._not_before = clock.monotonic() + self._pause
        connection = self._writer.connect()
        self._pause = self._not_before = 0.0
        return connection

    @property
    def is_blank(self) -> bool:
        """Never for certain before it is asked."""
        return False

    def hold_schema(self, connection: Connection) -> None:
        """Let one process at a time change the schema, until the end of its transaction."""
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (_SCHEMA_LOCK,))

    def close(self) -> None:
        """Close all connections."""
        self.readers.dispose()
        self._writer.dispose()

    def is_outage(self, error: BaseException) -> bool:
        """Whether an error says that the database is in trouble, not the statement."""
        if isinstance(error, StoreUnavailable):
            return True
        if not isinstance(error, DBAPIError):
            return False
        state = _state(error)
        if state is None:
            return error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)
        return state.startswith(_OUTAGES) or state in _CONFLICTS

    def may_redo(self, error: BaseException) -> bool:
        """Whether the connection was lost, or others were in the way: before COMMIT nothing was kept."""
        if not isinstance(error, DBAPIError):
            return False
        return error.connection_invalidated or _state(error) in _CONFLICTS

    def care(self, connection: Connection, *, idle: bool) -> bool:
        """Nothing: the server looks after itself."""
        return False


def _state(error: DBAPIError) -> str | None:
    state = getattr(error.orig, "sqlstate", None)
    return state if isinstance(state, str) else None


def _configure(connection: Any, settings: Mapping[str, str]) -> None:
    with ExitStack() as undo:
        # nobody else knows of it yet
        undo.callback(connection.close)
        before, connection.autocommit = connection.autocommit, True
        with connection.cursor() as cursor:
            for name, value in settings.items():
                cursor.execute("SELECT set_config(%s, %s, false)", (name, value))
            # `remote_apply` and the like promise more and stay
            cursor.execute("SELECT current_setting('synchronous_commit')")
            if cursor.fetchone()[0] in ("off", "local"):
                cursor.execute("SET synchronous_commit = on")
        connection.autocommit = before
        undo.pop_all()
