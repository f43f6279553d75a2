"""Units: durations, sizes and rates as people write them, and back. Knows no setting and clamps nothing."""

import re

DAY = 86_400
_DURATIONS = {"s": 1, "m": 60, "h": 3600, "d": DAY}
_SIZES = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
_PERIODS = {"second": 1, "minute": 60, "hour": 3600, "day": DAY}

_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)(s|m|h|d)")
_SIZE = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)(B|KiB|MiB|GiB|TiB)")
_RATE = re.compile(r"([0-9]{1,9})/(second|minute|hour|day)")


def parse_duration(text: str) -> float:
    """Read `"90s"`, `"10m"`, `"6h"` or `"7d"` as seconds.

    Raises: ValueError.
    """
    found = _DURATION.fullmatch(text)
    if not found:
        raise ValueError('must be a number with s, m, h or d behind it, such as "90s", "10m", "6h" or "7d"')
    return float(found[1]) * _DURATIONS[found[2]]


def parse_size(text: str) -> int:
    """Read `"256KiB"` or `"2GiB"` as bytes.

    Raises: ValueError.
    """
    found = _SIZE.fullmatch(text)
    if not found:
        raise ValueError('must be a number with B, KiB, MiB, GiB or TiB behind it, such as "256KiB" or "2GiB"')
    return round(float(found[1]) * _SIZES[found[2]])


def parse_rate(text: str) -> tuple[int, float]:
    """Read `"10/minute"` as (10, 60.0): so many within any window of so many seconds.

    Raises: ValueError.
    """
    found = _RATE.fullmatch(text)
    if not found or not int(found[1]):
        raise ValueError('must be a count per second, minute, hour or day, such as "10/minute" or "1000/day"')
    return int(found[1]), float(_PERIODS[found[2]])


def say_duration(seconds: float) -> str:
    """Say seconds in the largest unit that divides them: `"90s"`, `"10m"`; parts of a second as `"0.25s"`."""
    if seconds != int(seconds):
        return f"{seconds:.6f}".rstrip("0").rstrip(".") + "s"
    return _whole(int(seconds), _DURATIONS)


def say_span(seconds: float) -> str:
    """Say a length of time for a sentence, rounded down: `45 s`, `31 min`, `2 h`, `3 d`."""
    whole = int(seconds)
    for unit, size in (("d", DAY), ("h", 3600), ("min", 60)):
        if whole >= 2 * size or (whole >= size and whole % size == 0):
            return f"{whole // size} {unit}"
    return f"{whole} s"


def say_size(size: int) -> str:
    """Say bytes in the largest unit that divides them: `"2GiB"`, `"1000B"`."""
    return _whole(size, _SIZES)


def say_rate(count: int, window: float) -> str:
    """Say a rate as people write it: `"10/minute"`; a window that has no name of its own as `"10/90s"`."""
    name = next((name for name, seconds in _PERIODS.items() if seconds == window), None)
    return f"{count}/{name or say_duration(window)}"


def _whole(value: int, units: dict[str, int]) -> str:
    smallest, *larger = units
    unit = next((unit for unit in reversed(larger) if value and value % units[unit] == 0), smallest)
    return f"{value // units[unit]}{unit}"
