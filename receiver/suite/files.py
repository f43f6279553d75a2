"""What is in the files that a handler left: their bytes, and of a SQLite file its rows, whatever their order."""

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

_SQLITE = b"SQLite format 3\0"


def files_of(folder: Path) -> Sequence[Path]:
    """All files in a folder and below, by name."""
    return [path for path in sorted(folder.rglob("*")) if path.is_file()]


def content(path: Path) -> bytes | Mapping[str, Sequence[Any]]:
    """The bytes of a file; of a SQLite file the rows of each table, without what its indexes keep for themselves."""
    found = path.read_bytes()
    if not found.startswith(_SQLITE):
        return found
    try:
        return _rows(path)
    except sqlite3.DatabaseError:
        return found


def _rows(path: Path) -> Mapping[str, Sequence[Any]]:
    with closing(sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True)) as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        virtual = connection.execute("SELECT name FROM sqlite_master WHERE sql LIKE 'CREATE VIRTUAL%'").fetchall()
        # a full-text index keeps tables named after its own
        inner = tuple(f"{name}_" for (name,) in virtual)
        tables = [name for (name,) in names if not name.startswith(("sqlite_", *inner))]
        return {name: sorted(connection.execute(f'SELECT * FROM "{name}"'), key=repr) for name in tables}  # noqa: S608
