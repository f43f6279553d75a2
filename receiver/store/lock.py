"""The lock beside a SQLite file: one process writes it, every other that would is refused.

SQLite's own locks let two processes write in turn, which old versions of it do not survive unharmed. The lock file
stays behind when its owner ends; what counts is the lock on it, which the system lets go of even after a crash.
"""

import os
import sys
from pathlib import Path

from schemas.errors import ConfigurationError, Problem, StoreUnavailable

if sys.platform == "win32":
    import msvcrt

    def _seize(file: int) -> None:
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _seize(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


class FileLock:
    """Held from its making until `release`."""

    def __init__(self, database: Path) -> None:
        """Take the lock.

        Raises: ConfigurationError where another process has it, StoreUnavailable where the file cannot be made.
        """
        path = database.with_name(database.name + ".lock")
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StoreUnavailable(f"{path} cannot be opened: {error.strerror}; the database needs it") from error
        try:
            _seize(self._file)
        except OSError as error:
            owner = os.read(self._file, 20).decode("ascii", "replace").strip() or "unknown"
            os.close(self._file)
            raise ConfigurationError([Problem("database_url", _in_use(database, owner))]) from error
        os.ftruncate(self._file, 0)
        os.write(self._file, f"{os.getpid()}\n".encode())

    def release(self) -> None:
        """Let go. The file stays: removing it could take it from under the next owner."""
        os.close(self._file)


def _in_use(database: Path, owner: str) -> str:
    return (
        f"{database} is in use by another clipbell (process {owner}); stop that one first, or use PostgreSQL, "
        'which several may share: database_url = "postgresql://user:password@host/name"'
    )
