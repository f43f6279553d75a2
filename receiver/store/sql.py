"""Many rows in one statement, said to each engine in the way that it takes fastest.

sqlite3 lets go of the interpreter's lock at every step of a statement, and beside a busy web thread each time costs a
wait: so rows go in as `VALUES` lists and come out as one JSON array, a single step each. Reading the text of a long
list takes SQLite as long as doing what it says: so lists are of a few sizes, whose texts are kept ready. PostgreSQL
prepares a statement whose text stays the same: so rows go in as one array for each column. What is written here means
the same on both engines; `?` stands for a value and `[?]` for "is among these".
"""

import sqlite3
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Any, NamedTuple

from msgspec.json import Decoder, Encoder
from sqlalchemy import Connection, Table
from sqlalchemy.exc import DBAPIError

from receiver.store.rows import Row

#: So many rows go into one statement; SQLite takes 32,766 values unless built otherwise, which is more than three times
#: as many as the longest list of any table has.
SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)

_json = Encoder().encode
_rows_of = Decoder(list[Row]).decode


def insert(connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[Row], rest: str = "") -> int:
    """Insert rows; `rest` is what follows the values. Answers how many rows were inserted."""
    if not rows:
        return 0
    names = tuple(columns)
    if _is_postgres(connection):
        text = _insert_arrays(table, names, rest)
        return connection.exec_driver_sql(text, _by_column(rows)).rowcount
    count = 0
    for some in _runs(rows):
        text = _insert_values(table, names, len(some), rest)
        count += run(connection, text, _by_row(some), to_write=True).rowcount
    return count


def update(connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[Row]) -> None:
    """Set columns of rows; each row is the id and then the new values."""
    if not rows:
        return
    names = tuple(columns)
    if _is_postgres(connection):
        connection.exec_driver_sql(_update_arrays(table, names), _by_column(rows))
        return
    for some in _runs(rows):
        if len(some) == 1:
            id_, *values = some[0]
            run(connection, _update_one(table, names), (*values, id_), to_write=True)
        else:
            run(connection, _update_values(table, names, len(some)), _by_row(some), to_write=True)


def fetch(
    connection: Connection, columns: Sequence[str], rest: str, values: Sequence[Any], lock: str = ""
) -> list[Row]:
    """Read all rows of `SELECT columns rest`; `lock` is what follows where rows can be locked. Not for bytes."""
    if _is_postgres(connection):
        text = _select_plainly(tuple(columns), rest, lock)
        return list(connection.exec_driver_sql(text, tuple(values)).fetchall())
    said = _said(values)
    text = _select_as_json(((tuple(columns), rest, said.one),))
    return _rows_of(run(connection, text, said.values).fetchone()[0])


@dataclass(frozen=True, slots=True)
class Ask:
    """What `fetch` takes, for `fetch_each`."""

    columns: Sequence[str]
    rest: str
    values: Sequence[Any]
    lock: str = ""


def fetch_each(connection: Connection, asked: Sequence[Ask]) -> list[list[Row]]:
    """Read what several `fetch` would, one after the other; on SQLite in a single step."""
    if _is_postgres(connection) or len(asked) < 2:
        return [fetch(connection, each.columns, each.rest, each.values, each.lock) for each in asked]
    said = [_said(each.values) for each in asked]
    text = _select_as_json(
        tuple([(tuple(each.columns), each.rest, values.one) for each, values in zip(asked, said, strict=True)])
    )
    found = run(connection, text, tuple(chain.from_iterable([each.values for each in said]))).fetchone()
    return [_rows_of(rows) for rows in found]


def change(connection: Connection, text: str, values: Sequence[Any]) -> list[Row]:
    """Run one small `UPDATE … RETURNING …`, without what a statement in parts costs each time."""
    said = text.replace("?", "%s") if _is_postgres(connection) else text
    return list(connection.exec_driver_sql(said, tuple(values)).fetchall())


def run(connection: Connection, text: str, values: Sequence[Any], *, to_write: bool = False) -> sqlite3.Cursor:
    """Run one statement on SQLite's own connection: what SQLAlchemy does around one takes as long as the statement."""
    raw: Any = connection.connection.dbapi_connection
    try:
        # executemany does not ask for the last row's id: one wait less for the interpreter's lock
        cursor: sqlite3.Cursor = raw.executemany(text, (values,)) if to_write else raw.execute(text, values)
    except sqlite3.Error as error:
        raise worded(text, error) from error
    return cursor


def worded(text: str, error: sqlite3.Error) -> Exception:
    """The error of a statement as SQLAlchemy words it."""
    return DBAPIError.instance(text, None, error, sqlite3.Error, hide_parameters=True)


class _Said(NamedTuple):
    """Values as SQLite takes them. `one`: what is to be among others is to be equal to the only one."""

    values: Sequence[Any]
    one: bool


def _said(values: Sequence[Any]) -> _Said:
    lists = [value for value in values if isinstance(value, list)]
    if all(len(each) == 1 for each in lists):
        return _Said([value[0] if isinstance(value, list) else value for value in values], one=True)
    return _Said([_json(value).decode() if isinstance(value, list) else value for value in values], one=False)


def _is_postgres(connection: Connection) -> bool:
    return connection.dialect.name == "postgresql"


def _runs(rows: Sequence[Row]) -> list[Sequence[Row]]:
    """The rows in lists of these sizes, the longest first."""
    runs: list[Sequence[Row]] = []
    start = 0
    while left := len(rows) - start:
        size = SIZES[bisect_right(SIZES, left) - 1]
        runs.append(rows[start : start + size])
        start += size
    return runs


def _by_row(rows: Sequence[Row]) -> tuple[Any, ...]:
    return tuple(chain.from_iterable(rows))


def _by_column(rows: Sequence[Row]) -> tuple[Any, ...]:
    return tuple([list(column) for column in zip(*rows, strict=True)])


# --- texts; their names come from our own tables, never from outside ---------------------------------------


@lru_cache(512)
def _insert_values(table: Table, columns: tuple[str, ...], count: int, rest: str) -> str:
    values = _values(len(columns), count)
    # SQLite would read ON of a bare ON CONFLICT as that of a join, were it not for the VALUES
    return f"INSERT INTO {table.name} ({','.join(columns)}) VALUES {values} {rest}"  # noqa: S608


@lru_cache(512)
def _update_one(table: Table, columns: tuple[str, ...]) -> str:
    # takes half as long as the form for many
    return f"UPDATE {table.name} SET {','.join(f'{name}=?' for name in columns)} WHERE id = ?"  # noqa: S608


@lru_cache(512)
def _update_values(table: Table, columns: tuple[str, ...], count: int) -> str:
    values = _values(len(columns) + 1, count)
    return (
        f"WITH v(id,{','.join(columns)}) AS (VALUES {values}) "  # noqa: S608
        f"UPDATE {table.name} SET {_sets(columns)} FROM v WHERE {table.name}.id = v.id"
    )


@lru_cache(512)
def _select_as_json(asked: tuple[tuple[tuple[str, ...], str, bool], ...]) -> str:
    return f"SELECT {','.join(_array(*each) for each in asked)}"


def _array(columns: tuple[str, ...], rest: str, one: bool) -> str:
    named = ",".join(f"{column} AS c{number}" for number, column in enumerate(columns))
    # json_group_array would take half as long again
    row = f"json_array({','.join(f'c{number}' for number in range(len(columns)))})"
    array = f"'[' || coalesce(group_concat({row}), '') || ']'"
    among = rest.replace("[?]", "= ?" if one else "IN (SELECT value FROM json_each(?))")
    return f"(SELECT {array} FROM (SELECT {named} {among}))"  # noqa: S608


def _values(width: int, count: int) -> str:
    return ",".join([f"({','.join('?' * width)})"] * count)


@lru_cache(512)
def _insert_arrays(table: Table, columns: tuple[str, ...], rest: str) -> str:
    return (
        f"INSERT INTO {table.name} ({','.join(columns)}) "  # noqa: S608
        f"SELECT * FROM {_unnest(table, columns)} {rest}"
    )


@lru_cache(512)
def _update_arrays(table: Table, columns: tuple[str, ...]) -> str:
    rows = _unnest(table, ("id", *columns))
    return (
        f"UPDATE {table.name} SET {_sets(columns)} "  # noqa: S608
        f"FROM {rows} AS v(id,{','.join(columns)}) WHERE {table.name}.id = v.id"
    )


@lru_cache(512)
def _select_plainly(columns: tuple[str, ...], rest: str, lock: str) -> str:
    among = rest.replace("[?]", "= ANY(?)").replace("?", "%s")
    return f"SELECT {','.join(columns)} {among} {lock}"


def _unnest(table: Table, columns: Sequence[str]) -> str:
    types: Mapping[str, str] = {"BLOB": "BYTEA"}
    names = [str(table.c[name].type) for name in columns]
    return f"unnest({','.join(f'%s::{types.get(name, name)}[]' for name in names)})"


def _sets(columns: Sequence[str]) -> str:
    return ",".join(f"{name}=v.{name}" for name in columns)
