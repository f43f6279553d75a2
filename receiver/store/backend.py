"""Backend: what differs between the engines, beyond the texts of `sql.py`."""

from typing import Protocol

from sqlalchemy import Connection, Engine


class Backend(Protocol):
    """What differs between the engines."""

    #: What a SELECT needs at its end to lock rows.
    row_lock: str
    #: Only one process works on it: what is held at the start was held by a dead one.
    is_exclusive: bool
    #: Connections that cannot write.
    readers: Engine

    def connect_writer(self) -> Connection:
        """Open the one connection that writes. Raises: DBAPIError."""
        ...

    def is_outage(self, error: BaseException) -> bool:
        """Whether an error says that the store itself is in trouble, not the statement."""
        ...

    def may_redo(self, error: BaseException) -> bool:
        """Whether an outage before COMMIT surely left nothing, and another go may help."""
        ...

    def care(self, connection: Connection, *, idle: bool) -> bool:
        """Do the housekeeping that is due; answer whether any was. Raises: whatever the driver does."""
        ...

    @property
    def is_blank(self) -> bool:
        """Whether there is nothing yet that could be read."""
        ...

    def hold_schema(self, connection: Connection) -> None:
        """Let one process at a time change the schema, until the end of its transaction."""
        ...

    def close(self) -> None:
        """Close all connections and let go of what is held."""
        ...
