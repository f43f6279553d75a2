"""Record: how an answer of the server becomes a frozen dataclass, and what was not foreseen stays in `raw`.

A field's annotation says how it is read. A missing value reads as None, so that an older server is no error, but
for times and amounts that everything has.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Self

Read = Callable[[Any], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The base of everything that the server answers."""

    #: The whole object as the server sent it.
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read one object of an answer."""
        values = {name: read(data.get(name)) for name, read in _readers(cls)}
        return cls(**values, raw=data)


def _readers(cls: type[Record]) -> tuple[tuple[str, Read], ...]:
    return tuple((each.name, _reader(each.type)) for each in fields(cls) if each.name != "raw")


def _reader(annotation: Any) -> Read:
    found = getattr(annotation, "__metadata__", None)
    return found[0] if found else _as_it_is


def _as_it_is(value: Any) -> Any:
    return value


def _moment(value: str) -> datetime:
    return datetime.fromisoformat(value)


def _maybe_moment(value: str | None) -> datetime | None:
    return None if value is None else _moment(value)


def _words(value: list[str] | None) -> tuple[str, ...]:
    return tuple(value or ())


def _object(value: Mapping[str, Any] | None) -> Mapping[str, Any]:
    return value or {}


def one(record: type[Record]) -> Read:
    """Read an object inside another, or its absence."""
    return lambda value: None if value is None else record.from_json(value)


def many(record: type[Record]) -> Read:
    """Read a list of objects inside another."""
    return lambda value: tuple(record.from_json(each) for each in value or ())


Moment = Annotated[datetime, _moment]
MaybeMoment = Annotated[datetime | None, _maybe_moment]
Amount = Annotated[Decimal, Decimal]
Words = Annotated[tuple[str, ...], _words]
Object = Annotated[Mapping[str, Any], _object]
