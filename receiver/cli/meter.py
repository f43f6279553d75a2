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

    from receiver.client import Batch, Cost

#: The order in which states are told of.
STATES = ("completed", "failed", "rejected", "abandoned", "unknown", "running", "submitting", "queued")
#: Jobs in these are still on their way.
OPEN = ("queued", "submitting", "running", "unknown")
#: Seconds between two lines where there is no bar.
APART = 5.0


class Meter:
    """Shows progress; begun by `metering`."""

    def __init__(self, progress: "Progress | None") -> None:
        self._progress = progress
        self._tasks: dict[str, int] = {}
        self._told = (0.0, "", "")
        self._began: tuple[float, int] | None = None

    def queued(self, what: str, done: int, total: int) -> None:
        """So many of the lines are checked, or queued."""
        self._show(what, done, total, "", last=done == total)

    def stands(self, batch: "Batch") -> None:
        """How the batch stands now."""
        ended = batch.jobs - sum(batch.states.get(state, 0) for state in OPEN)
        now = clock.monotonic()
        self._began = self._began or (now, ended)
        parts = [counted(batch.states), costs_of(batch.costs)]
        if ended < batch.jobs:
            parts.append(_left(now - self._began[0], ended - self._began[1], batch.jobs - ended))
        self._show("done", ended, batch.jobs, "; ".join(filter(None, parts)), last=ended == batch.jobs)

    def _show(self, what: str, done: int, total: int, text: str, *, last: bool) -> None:
        if self._progress is None:
            self._say(what, f"{what} {done} of {total}{f': {text}' if text else ''}", last=last)
            return
        if what not in self._tasks:
            self._tasks[what] = self._progress.add_task(what, total=total, text="")
        self._progress.update(self._tasks[what], completed=done, total=total, text=text)  # type: ignore[arg-type] # a TaskID is an int

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
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description:<8}"), BarColumn(bar_width=24), MofNCompleteColumn())
    with Progress(*columns, TextColumn("{task.fields[text]}"), console=screen.console(stderr=True)) as progress:
        yield Meter(progress)


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
