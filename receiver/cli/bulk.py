"""Bulk: the orders of a batch file, checked as a whole, queued in the server, followed, summed up.

Once an order is queued the server has it: whoever stops this, or closes the laptop, loses nothing, and the same command
goes on where it was.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from receiver import clock
from receiver.cli import screen, words
from receiver.cli.batch_file import BadLine, Entry, batch_id_of, read_entries, refuse
from receiver.cli.meter import OPEN, Meter, costs_of, counted, metering
from receiver.cli.screen import Column
from receiver.cli.trouble import FAILED, WrongUsage
from receiver.cli.verb import Given

if TYPE_CHECKING:
    from receiver.client import Batch, Clipbell, Job, Refused

T = TypeVar("T")
#: Requests to the server at once.
AT_ONCE = 8
#: Seconds between two looks at the batch.
LOOK = 1.0
#: So many seconds may the server be away (a restart) before this gives up.
AWAY = 60.0
#: States after which an order is placed again, where that is wished.
AGAIN = ("failed", "rejected", "abandoned")
LOSSES = (Column("state"), Column("reason"), Column("jobs", right=True), Column("in the vendor's words", flexible=True))


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be done with a batch file. `vendor`: of lines that name none."""

    file: Path
    vendor: str | None = None
    batch: str | None = None
    wait: bool = False
    retry_failed: bool = False


@dataclass(frozen=True, slots=True)
class Queued:
    """What came of queueing: the batch as it stands, how many orders are new, and what was refused."""

    batch: "Batch | None"
    new: int
    refused: Sequence[BadLine]


def order_batch(given: Given, wish: Wish) -> None:
    """Queue every line of a file that is not there yet, and follow the batch if that is wished."""
    batch_id = wish.batch or batch_id_of(wish.file)
    try:
        entries = read_entries(wish.file, batch_id, wish.vendor)
    except OSError as error:
        raise WrongUsage(f"--batch {wish.file}: {error.strerror}; give a .jsonl or .csv file.") from error
    from receiver.client import ServerFailed, ServerUnreachable

    with given.client() as client, metering() as meter:
        bulk = Bulk(client, meter, batch_id, wish)
        try:
            bulk.check(entries)
            queued = bulk.queue(entries)
            batch = bulk.follow() if wish.wait and queued.batch else queued.batch
        except (KeyboardInterrupt, ServerUnreachable, ServerFailed):
            bulk.say_how_to_go_on()
            raise
    _tell(given, wish, queued, batch, len(entries))


class Bulk:
    """One batch on its way into the server."""

    def __init__(self, client: "Clipbell", meter: Meter, batch_id: str, wish: Wish) -> None:
        self._client = client
        self._meter = meter
        self._batch_id = batch_id
        self._wish = wish
        self._is_queueing = False

    def check(self, entries: Sequence[Entry]) -> None:
        """Have the server check every line, before any is ordered.

        Raises: WrongUsage with everything that is wrong.
        """
        bad = []
        for number, (entry, answer) in enumerate(self._each(entries, self._checked), 1):
            self._meter.queued("checked", number, len(entries))
            bad += [BadLine(entry.line, problem) for problem in answer]
        refuse(self._wish.file, bad)

    def queue(self, entries: Sequence[Entry]) -> Queued:
        """Queue every line; those that are there already are left as they are."""
        from receiver.client import Refused

        before = self._look()
        self._is_queueing = True
        refused = []
        for number, (entry, answer) in enumerate(self._each(entries, self._placed), 1):
            self._meter.queued("queued", number, len(entries))
            if isinstance(answer, Refused):
                refused += [BadLine(entry.line, problem) for problem in problems_of(answer)]
        after = self._look()
        return Queued(after, (after.jobs if after else 0) - (before.jobs if before else 0), refused)

    def follow(self) -> "Batch":
        """Show how the batch stands until nothing more is awaited, but for orders of unknown fate that are overdue."""
        while True:
            batch = self._patiently(lambda: self._client.batch(self._batch_id))
            self._meter.stands(batch)
            if sum(batch.states.get(state, 0) for state in OPEN) <= batch.stuck:
                return batch
            time.sleep(LOOK)

    def say_how_to_go_on(self) -> None:
        """What to do after an interruption."""
        if self._is_queueing:
            screen.note(f"\nStopped. What is queued goes on in the server: clipbell jobs --batch {self._batch_id}")
        else:
            screen.note("\nStopped. Nothing was ordered by this run.")
        screen.note("The same command again queues only what is missing.")

    # --- one line ---

    def _checked(self, entry: Entry) -> Sequence[str]:
        from receiver.client import Refused

        try:
            self._patiently(lambda: self._client.check(**entry.fields, queue=True, batch=self._batch_id))
        except Refused as error:
            return problems_of(error)
        return ()

    def _placed(self, entry: Entry) -> "Job | Refused":
        """The job of a line: the one that is there, or, where that is wished and it failed, the next take."""
        from receiver.client import Refused

        key, take = entry.key, 1
        while True:
            fields = {**entry.fields, "queue": True, "batch": self._batch_id, "idempotency_key": key}
            try:
                job = self._patiently(partial(self._submit, fields))
            except Refused as error:
                return error
            if not self._wish.retry_failed or job.state not in AGAIN:
                return job
            take += 1
            key = f"{entry.key}~{take}"

    def _submit(self, fields: Mapping[str, Any]) -> "Job":
        return self._client.submit(**fields)

    # --- talking ---

    def _look(self) -> "Batch | None":
        from receiver.client import NotFound

        try:
            return self._patiently(lambda: self._client.batch(self._batch_id))
        except NotFound:
            return None

    def _patiently(self, ask: Callable[[], T]) -> T:
        """Ask again while the server is away; an order has its key, so that asking twice orders once."""
        from receiver.client import ServerFailed, ServerUnreachable

        end = clock.monotonic() + AWAY
        while True:
            try:
                return ask()
            except (ServerUnreachable, ServerFailed) as error:
                first = not self._is_queueing and isinstance(error, ServerUnreachable) and not error.sent
                if first or error.code == "not_clipbell" or clock.monotonic() > end:
                    raise
            time.sleep(LOOK)

    def _each(self, entries: Iterable[Entry], work: Callable[[Entry], T]) -> Iterator[tuple[Entry, T]]:
        pool = ThreadPoolExecutor(AT_ONCE)
        try:
            going = {pool.submit(work, entry): entry for entry in entries}
            for done in as_completed(going):
                yield going[done], done.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def problems_of(error: "Refused") -> list[str]:
    """What is wrong with one line, in words."""
    return [f"{each.field}: {each.problem}" for each in error.problems] or [str(error)]


# --- the end -----------------------------------------------------------------------------------------------


def _tell(given: Given, wish: Wish, queued: Queued, batch: "Batch | None", lines: int) -> None:
    if given.as_json:
        refused = [{"line": each.line, "problem": each.problem} for each in queued.refused]
        screen.print_json({**(batch.raw if batch else {}), "lines": lines, "new": queued.new, "refused": refused})
    else:
        _print(wish, queued, batch, lines)
    lost = wish.wait and batch is not None and (batch.failures or not batch.done)
    if queued.refused or lost:
        raise typer.Exit(FAILED)


def _print(wish: Wish, queued: Queued, batch: "Batch | None", lines: int) -> None:
    there = lines - queued.new - len({each.line for each in queued.refused})
    known = f", {there} were there already" if there > 0 else ""
    if batch is not None:
        screen.facts([("batch", batch.batch), ("lines", f"{lines}: {queued.new} queued now{known}"), *facts_of(batch)])
        losses_table(batch)
    for each in queued.refused:
        screen.note(f"line {each.line} was not queued: {each.problem}")
    if batch is not None and not batch.done:
        screen.note(f"The server goes on with it; look with: clipbell jobs --batch {batch.batch}")
    if batch is not None and any(each.state in AGAIN for each in batch.failures):
        screen.note(f"Order again what failed: clipbell submit --batch {wish.file} --retry-failed")


def facts_of(batch: "Batch") -> list[tuple[str, str]]:
    """How a batch stands, as names and values."""
    again = f" ({batch.retaken} of the failed ordered again)" if batch.retaken else ""
    took = (batch.settled_at - batch.began_at).total_seconds() if batch.done and batch.settled_at else None
    return [
        ("jobs", f"{batch.jobs}: {counted(batch.states)}{again}"),
        ("cost", costs_of(batch.costs) or "nothing yet"),
        ("open", costs_of(batch.costs, open_=True)),
        ("began", words.moment(batch.began_at)),
        ("done", f"{words.moment(batch.settled_at)}, after {words.span(took)}" if took is not None else "not yet"),
    ]


def print_batch(batch: "Batch") -> None:
    """Print how a batch stands, above the list of its jobs."""
    screen.facts([("batch", words.clean(batch.batch)), *facts_of(batch)])
    losses_table(batch)
    screen.say()


def losses_table(batch: "Batch") -> None:
    """Print what failed, by reason; nothing where nothing did."""
    rows = [(each.state, words.clean(each.code), str(each.count), words.clean(each.message)) for each in batch.failures]
    if rows:
        screen.say()
        screen.table(LOSSES, rows, empty="")
