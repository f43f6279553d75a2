"""Meter: how a batch fares, as a bar on a terminal, as a line now and then elsewhere. Writes to stderr only."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING

from receiver import clock
from receiver.cli import screen, words

if TYPE_CHECKING:
    from rich.progress import Progress
    from rich.text import Text

    from receiver.client import Batch, Cost

#: The order in which states are told of.
STATES = ("completed", "failed", "rejected", "abandoned", "unknown", "running", "submitting", "queued")
#: Jobs in these are still on their way.
OPEN = ("queued", "submitting", "running", "unknown")
#: Seconds between two lines where there is no bar.
APART = 5.0


class Meter:
    """Shows progress; begun by `metering`."""

    def __init__(self, progress: "Progress | None", below: "Text | None" = None) -> None:
        self._progress = progress
        self._below = below
        self._tasks: dict[str, int] = {}
        self._told = (0.0, "", "")
        self._began: tuple[float, int] | None = None

    def queued(self, what: str, done: int, total: int) -> None:
        """So many of the lines are checked, or queued."""
        self._show(what, done, total, last=done == total)

    def stands(self, batch: "Batch") -> None:
        """How the batch stands now."""
        ended = batch.jobs - sum(batch.states.get(state, 0) for state in OPEN)
        now = clock.monotonic()
        self._began = self._began or (now, ended)
        left = _left(now - self._began[0], ended - self._began[1], batch.jobs - ended) if ended < batch.jobs else ""
        parts = [counted(batch.states), costs_of(batch.costs)]
        self._show("done", ended, batch.jobs, "; ".join(filter(None, parts)), left, last=ended == batch.jobs)

    def _show(self, what: str, done: int, total: int, text: str = "", left: str = "", *, last: bool) -> None:
        if self._progress is None or self._below is None:
            told = "; ".join(filter(None, (text, left)))
            self._say(what, f"{what} {done} of {total}{f': {told}' if told else ''}", last=last)
            return
        if what not in self._tasks:
            self._tasks[what] = self._progress.add_task(what, total=total, left="")
        self._below.plain = text
        self._progress.update(self._tasks[what], completed=done, total=total, left=left)  # type: ignore[arg-type] # a TaskID is an int

    def _say(self, what: str, text: str, *, last: bool) -> None:
        at, what_before, before = self._told
        now = clock.monotonic()
        if text != before and (last or what != what_before or now - at >= APART):
            screen.note(text)
            self._told = (now, what, text)


@contextmanager
def metering() -> Iterator[Meter]:
    """Give a meter for as long as this lasts."""
    if not sys.stderr.isatty():
        yield Meter(None)
        return
    from rich.console import Group
    from rich.live import Live
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.text import Text

    columns = (TextColumn("{task.description:<8}"), BarColumn(bar_width=24), MofNCompleteColumn())
    # what was made and paid may take more than a line: it stands below the bars
    progress, below = Progress(*columns, TextColumn("{task.fields[left]}")), Text()
    with Live(Group(progress, below), console=screen.console(stderr=True)):
        yield Meter(progress, below)


def counted(states: Mapping[str, int]) -> str:
    """Counts by state: `10 completed, 2 failed, 25 queued`."""
    return ", ".join(f"{states[state]} {state}" for state in STATES if states.get(state))


def costs_of(costs: "Sequence[Cost]", *, open_: bool = False) -> str:
    """What was paid so far, or is still expected: dollars as one sum, credits by account. Empty: nothing."""
    dollars = sum(_amount(each, open_=open_) for each in costs if each.unit == "USD")
    credit = [each for each in costs if each.unit != "USD" and _amount(each, open_=open_)]
    said = [f"${dollars:f}"] if dollars else []
    said += [f"{_amount(each, open_=open_):f} {each.unit} at {each.account}" for each in credit]
    return " + ".join(said)


def _amount(cost: "Cost", *, open_: bool) -> Decimal:
    return cost.open_estimate if open_ else cost.total


def _left(seconds: float, ended: int, remaining: int) -> str:
    """How long the rest takes at the pace so far; empty while nobody knows."""
    return f"about {words.span(seconds / ended * remaining)} left" if ended and seconds > 1 else ""
