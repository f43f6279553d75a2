"""Lists: newest first, by equality, from one id downwards. The one way in which rows are listed."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, String, Table, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from receiver.store import tables
from receiver.store.protocol import Query
from receiver.store.rows import Row, clean

#: From a filter's value to its condition.
Condition = Callable[[Any], ColumnElement[bool]]


def by(table: Table, names: str) -> dict[str, Condition]:
    """Conditions for some columns: equal to a value (None: nothing is there), or to one of a tuple's."""
    return {name: _equals(table.c[name]) for name in names.split()}


def _equals(column: ColumnElement[Any]) -> Condition:
    def condition(value: Any) -> ColumnElement[bool]:
        return column.in_(map(_kept, value)) if isinstance(value, tuple) else column == _kept(value)

    return condition


def by_tag(job_id: ColumnElement[Any]) -> Condition:
    """The condition of a row whose job has a tag."""
    tags = tables.job_tags.c
    return lambda tag: job_id.in_(select(tags.job_id).where(tags.tag == clean(tag)))


class Within(FunctionElement[str]):
    """A field of the JSON object that a text column holds; NULL where there is none."""

    type = String()
    inherit_cache = True


@compiles(Within, "sqlite")
def _on_sqlite(element: Within, compiler: Any, **more: Any) -> str:
    column, name = (compiler.process(each, **more) for each in element.clauses)
    return f"json_extract({column}, '$.' || {name})"


@compiles(Within, "postgresql")
def _on_postgres(element: Within, compiler: Any, **more: Any) -> str:
    column, name = (compiler.process(each, **more) for each in element.clauses)
    # it would refuse the whole object for a NUL or half a surrogate pair in any of its texts
    refused = r"\\u(?:0000|[dD][89a-fA-F][0-9a-fA-F]{2})"
    harmless = rf"regexp_replace({column}, '(\\\\)|{refused}', '\1', 'g')"
    return f"(({harmless})::json ->> {name})"


def _kept(value: Any) -> Any:
    # PostgreSQL refuses to compare with what it could not keep
    return clean(value) if isinstance(value, str) else value


def listed(
    connection: Connection, table: Table, columns: Sequence[str], query: Query, filters: Mapping[str, Condition]
) -> list[Row]:
    """The rows that a query asks for.

    Raises: ValueError for a filter that does not exist.
    """
    return list(connection.execute(statement(table, columns, query, filters)).fetchall())


def statement(
    table: Table, columns: Sequence[str], query: Query, filters: Mapping[str, Condition]
) -> Select[tuple[Any, ...]]:
    """The statement of a list."""
    unknown = query.filters.keys() - filters.keys()
    if unknown:
        raise ValueError(f"{table.name} cannot be listed by {', '.join(sorted(unknown))}")
    wanted: Select[tuple[Any, ...]] = select(*[table.c[name] for name in columns])
    for name, value in query.filters.items():
        wanted = wanted.where(filters[name](value))
    if query.before is not None:
        wanted = wanted.where(table.c.id < clean(query.before))
    return wanted.order_by(table.c.id.desc()).limit(query.limit)
