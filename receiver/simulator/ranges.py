"""Reads the HTTP header `Range`. Pure; more than one range is answered with the whole file, as many stores do."""

import re

ONE_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


class Unsatisfiable(ValueError):
    """No byte of the file is in the range."""


def byte_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Give the first byte and the one after the last; None for the whole. Raises Unsatisfiable."""
    found = ONE_RANGE.fullmatch(header.strip()) if header else None
    if found is None or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if not first:
        start, stop = max(0, size - int(last)), size
    else:
        start, stop = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < start:
            return None
    if start >= stop:
        raise Unsatisfiable
    return start, stop
