"""Many rows in one statement: every row arrives once, whatever their number, and with few texts to be read."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, Table, Text, create_engine

from receiver.store import sql, tables

THINGS = Table("things", MetaData(), Column("id", Text, primary_key=True), Column("n", Integer), Column("word", Text))


@pytest.fixture
def connection() -> Iterator[Connection]:
    engine = create_engine("sqlite://", paramstyle="qmark")
    with engine.connect() as opened:
        THINGS.create(opened)
        yield opened


def _ids(count: int) -> list[str]:
    return [f"{number:04}" for number in range(count)]


def _all(connection: Connection) -> list[tuple[str, int, str]]:
    return [tuple(row) for row in sql.fetch(connection, ("id", "n", "word"), "FROM things ORDER BY id", ())]


@pytest.mark.parametrize("count", [1, 2, 3, 5, 64, 255, 256, 257, 700, 1025])
def test_every_row_is_written_once(connection: Connection, count: int) -> None:
    rows = [(id_, number, "old") for number, id_ in enumerate(_ids(count))]
    assert sql.insert(connection, THINGS, ("id", "n", "word"), rows) == count
    assert sql.insert(connection, THINGS, ("id", "n", "word"), rows, "ON CONFLICT DO NOTHING") == 0
    assert _all(connection) == rows
    sql.update(connection, THINGS, ("word", "n"), [(id_, f"new {id_}", 7) for id_ in reversed(_ids(count))])
    assert _all(connection) == [(id_, 7, f"new {id_}") for id_ in _ids(count)]


def test_an_update_of_one_row_leaves_the_others_alone(connection: Connection) -> None:
    sql.insert(connection, THINGS, ("id", "n", "word"), [("a", 1, "x"), ("b", 2, "y")])
    sql.update(connection, THINGS, ("n",), [("b", 3)])
    assert _all(connection) == [("a", 1, "x"), ("b", 3, "y")]


def test_the_longest_list_of_the_widest_rows_is_not_too_long_for_sqlite() -> None:
    widest = max(len(table.columns) for table in tables.metadata.tables.values())
    assert sql.SIZES[-1] * widest * 3 < 32_766


def test_groups_of_any_size_are_said_in_a_few_texts(connection: Connection) -> None:
    rows: set[int] = set()
    raw: Any = connection.connection.dbapi_connection
    raw.set_trace_callback(lambda said: rows.add(said.count("'w'")))
    for count in range(1, 300):
        sql.insert(connection, THINGS, ("id", "n", "word"), [(f"{count}-{id_}", 1, "w") for id_ in _ids(count)])
    assert rows - {0} == set(sql.SIZES)
