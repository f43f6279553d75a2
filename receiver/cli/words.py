"""Words: how moments, money, sizes and what others wrote are shown to a person. Pure.

Whatever came from outside goes through `clean`: control characters would let a vendor write over the screen.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from receiver.client import Money

NONE = "–"
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def clean(value: object) -> str:
    """Say it in one line, without control characters."""
    text = NONE if value is None or value == "" else str(value)
    return "".join(c if c.isprintable() else " " for c in text)


def brief(text: str, most: int = 100) -> str:
    """The beginning of a text, in one line."""
    whole = clean(text)
    return whole if len(whole) <= most else f"{whole[: most - 1].rstrip()}…"


def moment(when: datetime | None) -> str:
    """A moment in local time: `2025-01-01 13:01:15`."""
    return NONE if when is None else f"{when.astimezone():%Y-%m-%d %H:%M:%S}"


def short_moment(when: datetime | None) -> str:
    """A moment in local time without the year: `01-01 13:01:15`."""
    return NONE if when is None else f"{when.astimezone():%m-%d %H:%M:%S}"


def money(amount: Money | None) -> str:
    """An amount, or a dash where nobody knows it."""
    return NONE if amount is None else str(amount)


def size(count: int | None) -> str:
    """So many bytes: `1.4 MiB`."""
    if count is None:
        return NONE
    value, unit = float(count), 0
    while value >= 1024 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.1f} {_UNITS[unit]}" if unit else f"{count} B"


def span(seconds: float) -> str:
    """A stretch of time: `48 s`, `3 min 20 s`, `1 h`, `2 h 5 min`."""
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    if whole < 3600:
        return _two(whole // 60, "min", whole % 60, "s")
    return _two(whole // 3600, "h", whole % 3600 // 60, "min")


def _two(large: int, unit: str, small: int, smaller: str) -> str:
    return f"{large} {unit} {small} {smaller}" if small else f"{large} {unit}"


def pairs(data: Mapping[str, Any]) -> str:
    """A small object in one line: `scene=4, take=2`."""
    return clean(", ".join(f"{name}={value}" for name, value in data.items()))


def count(number: int, noun: str) -> str:
    """So many of them: `1 job`, `3 jobs`, `2 deliveries`."""
    if number == 1:
        return f"1 {noun}"
    return f"{number} {noun[:-1]}ies" if noun.endswith("y") else f"{number} {noun}s"


def printable(body: bytes) -> bytes:
    """Bytes that somebody sent, safe for a terminal, with a line's end."""
    text = body.decode("utf-8", "replace")
    safe = "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text)
    return (safe if safe.endswith("\n") else safe + "\n").encode()
