"""The verb watch: a live table of jobs and deliveries on a terminal, a line for each change elsewhere."""

import sys
from typing import TYPE_CHECKING

from receiver.cli import screen, words
from receiver.cli.jobs import COLUMNS, job_row
from receiver.cli.telling import DELIVERY_COLUMNS, delivery_row
from receiver.cli.verb import REMOTE, Given, verb

if TYPE_CHECKING:
    import threading

    from rich.console import Group

    from receiver.client import Changed, Clipbell

#: Seconds: the table is read again at least so often, and at most so often.
LATEST, SOONEST = 10.0, 0.4
#: Rows of each table where there is no screen, and at least on one; lines of it that are none of theirs.
ROWS, LEAST, FRAME = 12, 3, 6


@verb(*REMOTE)
def watch(given: Given) -> None:
    """Follow jobs and deliveries as they change."""
    with given.client() as client:
        client.jobs(limit=1)
        if given.as_json:
            return _snapshot(client)
        if sys.stdout.isatty():
            return _live(client)
        return _in_lines(client)


def _snapshot(client: "Clipbell") -> None:
    jobs, deliveries = client.jobs(limit=ROWS), client.deliveries(limit=ROWS)
    screen.print_json({"jobs": [each.raw for each in jobs], "deliveries": [each.raw for each in deliveries]})


def _live(client: "Clipbell") -> None:
    import threading
    import time

    from rich.live import Live

    from receiver.client import ServerUnreachable

    changed = threading.Event()
    threading.Thread(target=_follow, args=(client, changed), daemon=True).start()
    shown = _tables(client)
    with Live(_titled(client, shown), console=screen.console(), auto_refresh=False, screen=True) as live:
        while True:
            _wait(changed)
            changed.clear()
            try:
                shown, away = _tables(client), ""
            except ServerUnreachable:
                away = "  The server is away; this is how it was."
            live.update(_titled(client, shown, away), refresh=True)
            time.sleep(SOONEST)


def _wait(changed: "threading.Event") -> None:
    """Until something changes, the terminal's size too; or the longest while is over."""
    import shutil

    size = shutil.get_terminal_size()
    for _ in range(round(LATEST / SOONEST)):
        if changed.wait(SOONEST) or shutil.get_terminal_size() != size:
            return


def _follow(client: "Clipbell", changed: "threading.Event") -> None:
    """Set the flag at every notice; a server that went away is for the reading of the tables to report."""
    import time

    from receiver.client import ClipbellError

    while True:
        try:
            for _ in client.stream():
                changed.set()
        except ClipbellError:
            time.sleep(1)
        changed.set()


def _tables(client: "Clipbell") -> "Group":
    import shutil

    from rich.console import Group
    from rich.text import Text

    width, lines = shutil.get_terminal_size()
    rows = rows_of(lines)
    jobs = [job_row(each) for each in client.jobs(limit=rows)]
    deliveries = [delivery_row(each) for each in client.deliveries(limit=rows)]
    return Group(
        screen.rich_table(COLUMNS, jobs, width), Text(), screen.rich_table(DELIVERY_COLUMNS, deliveries, width)
    )


def rows_of(lines: int) -> int:
    """How many rows of each table a terminal of so many lines has room for."""
    return max((lines - FRAME) // 2, LEAST)


def _titled(client: "Clipbell", tables: "Group", away: str = "") -> "Group":
    from rich.console import Group
    from rich.text import Text

    return Group(Text(f"Clipbell at {client.url}. Ctrl-C ends it.{away}\n", "bold yellow" if away else "dim"), tables)


def _in_lines(client: "Clipbell") -> None:
    import time

    while True:
        for notice in client.stream():
            screen.say(_line(client, notice))
            sys.stdout.flush()
        # the server ended it: it restarts, or it is gone, which the next request says
        time.sleep(1)
        client.jobs(limit=1)


def _line(client: "Clipbell", notice: "Changed") -> str:
    if notice.kind != "job":
        return f"{notice.kind} {words.clean(notice.id)}"
    found = client.job(notice.id)
    return f"job {found.id} {found.state} {found.account}"
