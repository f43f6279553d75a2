"""Waiting for jobs with progress bars on a terminal, with a line for each change elsewhere. Writes to stderr only."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from receiver.cli import screen

if TYPE_CHECKING:
    from rich.progress import Progress

    from receiver.client import Clipbell, Job

Show = Callable[["Job"], None]


def watched(client: "Clipbell", job: "Job") -> "Job":
    """Wait until a job has ended, and show that."""
    with bars({job.id: job.account}) as show:
        return client.wait(job.id, on_look=show)


@contextmanager
def bars(names: Mapping[str, str]) -> Iterator[Show]:
    """Give a function that shows how a job stands: a bar for each of these ids, or a line for each change."""
    if not sys.stderr.isatty():
        yield _in_lines(names)
        return
    with _progress() as progress:
        tasks = {job_id: progress.add_task(name, total=None, state="") for job_id, name in names.items()}

        def show(job: "Job") -> None:
            if not progress.tasks[tasks[job.id]].finished:
                progress.update(tasks[job.id], total=1 if job.has_ended else None, state=_coloured(job.state))
                progress.update(tasks[job.id], completed=1 if job.has_ended else 0)

        yield show


def _in_lines(names: Mapping[str, str]) -> Show:
    last: dict[str, str] = {}

    def show(job: "Job") -> None:
        if last.get(job.id) != job.state:
            screen.note(f"{names[job.id]} {job.id} {job.state}")
        last[job.id] = job.state

    return show


def _coloured(state: str) -> str:
    style = screen.STYLES.get(state, "")
    return f"[{style}]{state}[/]" if style else state


def _progress() -> "Progress":
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:<12}"), BarColumn(bar_width=32), TextColumn("{task.fields[state]:<12}"))
    return Progress(*columns, TimeElapsedColumn(), console=screen.console(stderr=True))
