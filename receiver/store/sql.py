"""Many rows in one statement, with its text made once for each size.

A statement per row would let go of the interpreter's lock once per row, and beside a busy web thread each time costs
a wait; `executemany` does the same. So rows go in as one `VALUES` list, in runs of powers of two, and the few texts
that this makes stay prepared on both engines.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Table

from receiver.store.rows import Row

LARGEST_RUN = 128
#: More parameters than this no engine takes at once (SQLite 32,766; PostgreSQL 65,535).
MOST_PARAMETERS = 8192


def insert(connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[Row], rest: str = "") -> int:
    """Insert rows; `rest` is what follows the values. Answers how many rows were inserted."""
    count = 0
    for run in _runs(rows, len(columns)):
        text = _insert_text(table.name, tuple(columns), len(run), rest, _mark(connection))
        count += connection.exec_driver_sql(text, tuple([value for row in run for value in row])).rowcount
    return count


def update(connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[Row]) -> None:
    """Set columns of rows; each row is the id and then the new values."""
    for run in _runs(rows, len(columns) + 1):
        text = _update_text(table, tuple(columns), len(run), _mark(connection))
        connection.exec_driver_sql(text, tuple([value for row in run for value in row]))


def select(connection: Connection, head: str, keys: Sequence[Any], tail: str = "") -> list[Row]:
    """Read the rows whose key is among these: `head` ends before the list, `tail` follows it. No keys, no rows."""
    found: list[Row] = []
    width = len(keys[0]) if keys and isinstance(keys[0], tuple) else 1
    for start in range(0, len(keys), LARGEST_RUN):
        run = list(keys[start : start + LARGEST_RUN])
        # filled up with its last key to a power of two: the same few texts again
        run += [run[-1]] * ((1 << (len(run) - 1).bit_length()) - len(run))
        text = _select_text(head, len(run), width, tail, _mark(connection))
        values = tuple([value for key in run for value in key]) if width > 1 else tuple(run)
        found += connection.exec_driver_sql(text, values).fetchall()
    return found


def _runs(rows: Sequence[Row], width: int) -> Iterator[Sequence[Row]]:
    largest = min(LARGEST_RUN, 1 << (max(MOST_PARAMETERS // width, 1).bit_length() - 1))
    start, left = 0, len(rows)
    while left:
        size = min(largest, 1 << (left.bit_length() - 1))
        yield rows[start : start + size]
        start, left = start + size, left - size


def _mark(connection: Connection) -> str:
    return "?" if connection.dialect.paramstyle == "qmark" else "%s"


# the names come from our own tables, never from outside
@lru_cache(1024)
def _insert_text(table: str, columns: tuple[str, ...], count: int, rest: str, mark: str) -> str:
    row = f"({','.join([mark] * len(columns))})"
    return f"INSERT INTO {table} ({','.join(columns)}) VALUES {','.join([row] * count)} {rest}"  # noqa: S608


@lru_cache(1024)
def _update_text(table: Table, columns: tuple[str, ...], count: int, mark: str) -> str:
    # PostgreSQL takes a bare NULL or parameter for text: the first row names the types for all
    typed = ",".join(f"CAST({mark} AS {table.c[name].type.as_generic()!s})" for name in ("id", *columns))
    rows = ",".join([f"({typed})", *[f"({','.join([mark] * (len(columns) + 1))})"] * (count - 1)])
    sets = ",".join(f"{name}=v.{name}" for name in columns)
    return (
        f"WITH v(id,{','.join(columns)}) AS (VALUES {rows}) "  # noqa: S608
        f"UPDATE {table.name} SET {sets} FROM v WHERE {table.name}.id = v.id"
    )


@lru_cache(1024)
def _select_text(head: str, count: int, width: int, tail: str, mark: str) -> str:
    key = mark if width == 1 else f"({','.join([mark] * width)})"
    keys = ",".join([key] * count)
    return f"{head} ({keys if width == 1 else f'VALUES {keys}'}) {tail}"
