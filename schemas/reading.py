"""Reading: careful access to JSON that others wrote.

UTF-8 only, no NaN, no duplicate keys, no lone surrogates, limited depth, size and digits; numbers are Decimals, so
money stays exact. A value of the wrong kind is never guessed at: it raises `Unreadable` with its path, while a
missing one or a null is None.
"""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from msgspec import Struct

from schemas.errors import Unreadable

MAX_DEPTH = 32
# what 64 bits hold, with a sign or without one: seeds use them all
MIN_INT, MAX_INT = -(2**63), 2**64 - 1
MAX_DIGITS = 40
# longer than any film; no column of a database holds all that 64 bits do
MAX_LENGTH = 10**9
# the year 2100: later is no time of our age, whatever unit the sender had in mind
_LATEST_SECONDS = 4_102_444_800
_EARLIEST, _LATEST = (datetime.fromtimestamp(seconds, UTC) for seconds in (0, _LATEST_SECONDS))
_NUMBER_IN_TEXT = re.compile(r"-?[0-9]+(\.[0-9]+)?")
# what vendors name their jobs; it becomes part of a path, so dots alone are none
_JOB_ID = re.compile(r"(?!\.+\Z)[A-Za-z0-9_.-]{1,128}", re.ASCII)


def is_job_id(text: str) -> bool:
    """Whether a vendor could have named a job so: letters, digits, `_`, `.` and `-`, at most 128 of them."""
    return _JOB_ID.fullmatch(text) is not None


class Reading(Struct):
    """One JSON value and the path that led to it. Never changed; that is not enforced, since it would cost time."""

    value: Any
    path: str = ""

    @classmethod
    def parse(cls, body: bytes) -> "Reading":
        """Read bytes as one JSON value.

        Raises: Unreadable.
        """
        try:
            text = body.decode("utf-8")
        except UnicodeDecodeError as error:
            raise Unreadable("", "is not UTF-8") from error
        try:
            value = _DECODER.decode(text)
        except RecursionError as error:
            raise Unreadable("", "is nested too deeply") from error
        except ValueError as error:
            raise Unreadable("", "is not JSON" if isinstance(error, json.JSONDecodeError) else str(error)) from error
        # without an escape there is no odd character, without so many brackets no such depth: then no walk is needed
        if "\\u" in text or text.count("{") + text.count("[") > MAX_DEPTH:
            _check(value, 0)
        return cls(value)

    def __getitem__(self, name: str) -> "Reading":
        """Step into an object; what is missing reads as null.

        Raises: Unreadable where this is neither an object nor null.
        """
        value = self.value
        if isinstance(value, dict):
            inner = value.get(name)
        elif value is None:
            inner = None
        else:
            raise self._wrong("an object")
        return Reading(inner, f"{self.path}.{name}" if self.path else name)

    @property
    def is_null(self) -> bool:
        """Whether there is nothing here."""
        return self.value is None

    def object(self) -> dict[str, Any]:
        """The value as an object.

        Raises: Unreadable.
        """
        if not isinstance(self.value, dict):
            raise self._wrong("an object")
        return self.value

    def items(self) -> Iterator["Reading"]:
        """The members of an array; null has none.

        Raises: Unreadable.
        """
        if self.value is None:
            return
        if not isinstance(self.value, list):
            raise self._wrong("an array")
        for number, inner in enumerate(self.value):
            yield Reading(inner, f"{self.path}[{number}]")

    def text(self) -> str | None:
        """The value as a string.

        Raises: Unreadable.
        """
        if self.value is None or isinstance(self.value, str):
            return self.value
        raise self._wrong("a string")

    def known_text(self) -> str:
        """The value as a string that is there and not empty.

        Raises: Unreadable.
        """
        text = self.text()
        if not text:
            raise self._wrong("a string that is not empty")
        return text

    def job_id(self) -> str | None:
        """The value as the id of a vendor's job, fit for a path.

        Raises: Unreadable.
        """
        text = self.text()
        if text is not None and not is_job_id(text):
            raise self._wrong("a job id of at most 128 letters, digits, _ . -")
        return text

    def known_job_id(self) -> str:
        """The value as the id of a vendor's job that is there.

        Raises: Unreadable.
        """
        found = self.job_id()
        if found is None:
            raise self._wrong("a job id")
        return found

    def number(self) -> Decimal | None:
        """The value as an exact number; one in a string counts.

        Raises: Unreadable.
        """
        value = self.value
        if isinstance(value, str) and len(value) <= MAX_DIGITS and _NUMBER_IN_TEXT.fullmatch(value):
            return Decimal(value)
        if value is None or isinstance(value, Decimal):
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            return Decimal(value)
        raise self._wrong("a number")

    def flag(self) -> bool | None:
        """The value as true or false.

        Raises: Unreadable.
        """
        if self.value is None or isinstance(self.value, bool):
            return self.value
        raise self._wrong("true or false")

    def time(self) -> datetime | None:
        """The value as a moment: ISO 8601 (without a zone: UTC), or Unix seconds.

        Raises: Unreadable.
        """
        if isinstance(self.value, str):
            return self._written_time(self.value)
        seconds = self.number()
        if seconds is None:
            return None
        if not 0 <= seconds <= _LATEST_SECONDS:
            raise self._wrong("a time in seconds since 1970")
        return datetime.fromtimestamp(float(seconds), UTC)

    def _written_time(self, text: str) -> datetime:
        try:
            found = datetime.fromisoformat(text)
            found = (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise self._wrong("a time in ISO 8601") from error
        if not _EARLIEST <= found <= _LATEST:
            raise self._wrong("a time from 1970 to 2100")
        return found

    # what is nice to know must not cost us a verdict: of any other kind it says nothing

    def maybe(self, *names: str) -> "Reading":
        """Step into objects; what is missing, or would be in something else than an object, reads as null."""
        value = self.value
        for name in names:
            value = value.get(name) if isinstance(value, dict) else None
        return Reading(value, ".".join([self.path, *names] if self.path else names))

    def holder(self, member: str, *names: str) -> "Reading":
        """The first of these inner objects that has such a member, else this value itself."""
        found = (self.maybe(name) for name in names)
        return next((inner for inner in found if not inner.maybe(member).is_null), self)

    def first(self, *names: str) -> "Reading":
        """The first of these members that says anything, else the last of them."""
        found = Reading(None)
        for name in names:
            found = self[name]
            if not found.is_null:
                break
        return found

    def maybe_text(self) -> str | None:
        """The value where it is a string, else None."""
        return self.value if isinstance(self.value, str) else None

    def maybe_number(self) -> Decimal | None:
        """The value where it is a number, else None."""
        try:
            return self.number()
        except Unreadable:
            return None

    def maybe_length(self) -> int | float | None:
        """The value where it is a number that a film may last, whole where it can be, else None."""
        found = self.maybe_number()
        if found is None or not 0 <= found <= MAX_LENGTH:
            return None
        return int(found) if found == int(found) else float(found)

    def maybe_time(self) -> datetime | None:
        """The value where it is a time, else None."""
        try:
            return self.time()
        except Unreadable:
            return None

    def plain(self) -> Any:
        """The value with ordinary floats for its fractions, fit for writing as JSON again."""
        return _plain(self.value)

    def _wrong(self, wanted: str) -> Unreadable:
        return Unreadable(self.path, f"must be {wanted}" if self.value is not None else f"is missing; must be {wanted}")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: inner if isinstance(inner, str) else _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return float(value) if isinstance(value, Decimal) else value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("has the same key twice")
    return found


def _integer(digits: str) -> int:
    if len(digits) > 20 or not MIN_INT <= int(digits) <= MAX_INT:
        raise ValueError("has a number that is too large")
    return int(digits)


def _fraction(digits: str) -> Decimal:
    try:
        found = Decimal(digits) if len(digits) <= MAX_DIGITS else None
    except InvalidOperation:  # an exponent beyond all measure
        found = None
    # of a zero as well: 0e999999999 is a gigabyte of digits to whoever writes it out
    if found is None or abs(found.adjusted()) > MAX_DIGITS or abs(found) > MAX_INT:
        raise ValueError("has a number that is too large or too fine")
    return found


def _constant(word: str) -> Any:
    raise ValueError(f"has {word}, which is not JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_fraction, parse_constant=_constant
)


def _check(value: Any, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise Unreadable("", f"is nested deeper than {MAX_DEPTH}")
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, dict):
        for name, inner in value.items():
            _check_text(name)
            _check(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            _check(inner, depth + 1)


def _check_text(text: str) -> None:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise Unreadable("", "has half a surrogate pair") from error
    if "\0" in text:
        raise Unreadable("", "has a NUL character")
