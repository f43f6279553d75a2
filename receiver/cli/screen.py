"""Screen: tables, facts, JSON and notes. Colours and narrow tables on a terminal, plain columns everywhere else.

Results go to stdout, everything said about them to stderr. Ids are never cut or wrapped.
"""

import json
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

STYLES = {
    **dict.fromkeys(("completed", "done", "accepted", "ok", "yes"), "green"),
    **dict.fromkeys(("running", "submitting"), "cyan"),
    **dict.fromkeys(("queued", "pending"), "blue"),
    **dict.fromkeys(("failed", "rejected", "dead", "failing", "unreadable", "missing", "damaged"), "bold red"),
    **dict.fromkeys(
        ("unknown", "abandoned", "parked", "paused", "mismatch", "contradiction", "unknown_word"), "yellow"
    ),
}
_GAP = 2
#: A space at which no line is broken.
_HARD = "\x00"
#: A flexible column is never narrower, in characters.
_LEAST = 8


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `flexible`: cut where the screen is narrow; `extra`: left out there, the last one first."""

    title: str
    right: bool = False
    flexible: bool = False
    extra: bool = False


def print_json(data: Any) -> None:
    """Print one JSON value."""
    sys.stdout.write(json.dumps(data, ensure_ascii=False, indent=2) + "\n")


def say(text: str = "") -> None:
    """Print a line of the result."""
    sys.stdout.write(text + "\n")


def write(text: str) -> None:
    """Print text that brings its own line ends."""
    sys.stdout.write(text)


def note(text: str) -> None:
    """Say something about the result, on stderr."""
    sys.stderr.write(text + "\n")


def table(columns: Sequence[Column], rows: Sequence[Sequence[str]], *, empty: str) -> None:
    """Print rows under titles; without rows say `empty` as a note."""
    if not rows:
        note(empty)
    elif sys.stdout.isatty():
        console().print(rich_table(columns, rows, shutil.get_terminal_size().columns))
    else:
        say(plain_table(columns, rows))


def facts(rows: Sequence[tuple[str, str]]) -> None:
    """Print a list of names and values; empty ones are left out."""
    kept = [(name, value) for name, value in rows if value and value != "–"]
    width = max((len(name) for name, _ in kept), default=0)
    for name, value in kept:
        first, *rest = _wrapped(value, width + _GAP)
        say(f"{styled(f'{name:<{width}}', 'dim')}  {styled(first, STYLES.get(value))}")
        for line in rest:
            say(" " * (width + _GAP) + line)


def listed(items: Iterable[str]) -> str:
    """A list of things for `facts`, none of which is broken where the line is."""
    return ", ".join(item.replace(" ", _HARD) for item in items)


def _wrapped(value: str, indent: int) -> list[str]:
    """A value in lines that fit beside its name on a terminal, in one line elsewhere. Words and ids stay whole."""
    from textwrap import TextWrapper

    lines = [value]
    room = max(shutil.get_terminal_size().columns - indent, _LEAST)
    if sys.stdout.isatty() and _width(value) > room:
        wrap = TextWrapper(room, subsequent_indent=" " * _GAP, break_long_words=False, break_on_hyphens=False).wrap
        lines = wrap(value) or lines
    return [line.replace(_HARD, " ") for line in lines]


def plain_table(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> str:
    """Lay rows out in padded columns, whole, for files and pipes."""
    lines = [[column.title for column in columns], *rows]
    widths = [max(len(line[n]) for line in lines) for n in range(len(columns))]
    return "\n".join(
        (" " * _GAP)
        .join(
            f"{cell:>{width}}" if c.right else f"{cell:<{width}}"
            for c, cell, width in zip(columns, line, widths, strict=True)
        )
        .rstrip()
        for line in lines
    )


def rich_table(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int) -> "Table":
    """Lay rows out for a terminal of this width."""
    from rich.table import Table
    from rich.text import Text

    widths = layout(columns, rows, width)
    made = Table(box=None, padding=(0, _GAP, 0, 0), header_style="bold", pad_edge=False)
    for n, wide in widths.items():
        made.add_column(columns[n].title, justify="right" if columns[n].right else "left", min_width=wide, no_wrap=True)
    for row in rows:
        made.add_row(*(Text(cut(row[n], wide), STYLES.get(row[n], "")) for n, wide in widths.items()))
    return made


def layout(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int) -> dict[int, int]:
    """Which columns are shown in so many characters, and how wide: first flexible ones shrink, then extra ones go.

    Of several extra ones the last goes first. What is neither keeps its width, even if that is too much.
    """
    needed = {n: max(map(_width, (c.title, *(row[n] for row in rows)))) for n, c in enumerate(columns)}
    least = {n: min(_LEAST, need) if columns[n].flexible else need for n, need in needed.items()}
    for n in reversed(range(len(columns))):
        if columns[n].extra and _sum(least) > width:
            del least[n]
    room = width - _sum(least)
    for n, had in list(least.items()):
        least[n] = had + max(0, min(needed[n] - had, room))
        room -= least[n] - had
    return least


def cut(text: str, width: int) -> str:
    """As much of a text as fits, with … where there is more."""
    if _width(text) <= width:
        return text
    from rich.cells import set_cell_size

    return set_cell_size(text, width - 1).rstrip() + "…"


def _sum(widths: Mapping[int, int]) -> int:
    return sum(widths.values()) + _GAP * (len(widths) - 1)


def styled(text: str, style: str | None) -> str:
    """Colour a word, where stdout is a terminal."""
    import os

    if not style or not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return text
    from rich.style import Style

    return Style.parse(style).render(text)


def console(*, stderr: bool = False) -> "Console":
    """The terminal."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, soft_wrap=False)


def _width(text: str) -> int:
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)
