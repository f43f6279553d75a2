"""The writer: one thread, one connection, one commit for everybody who asks at the same moment.

All that a group asks for is done and written together (`batch.py`), and only if that fails one by one, each under a
savepoint of its own, so that a bad one fails alone: the usual group has none to wait for. Futures resolve after the
commit, with one wake-up for each event loop and group. What a failed COMMIT did is not known: every member is told
that the store is unavailable.
"""

import asyncio
import logging
import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from msgspec import Struct
from sqlalchemy import Connection

from receiver import clock
from receiver.store import sql, tables
from receiver.store.backend import Backend
from receiver.store.protocol import Changed
from receiver.store.trials import Trial, reason_of, told_of, unavailable
from schemas.errors import StoreUnavailable

LARGEST_GROUP = 256
#: More than this waiting means that nothing is committed any more; better to say so than to let everybody wait.
MOST_WAITING = 50_000
#: Seconds without work after which there is time for housekeeping.
IDLE = 0.5
#: Seconds until housekeeping that failed is tried again, however much work there is.
CARE_AGAIN = 1.0

T = TypeVar("T")
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Changes:
    """What a group changed, while it is being written."""

    jobs: set[str] = field(default_factory=set)
    deliveries: set[str] = field(default_factory=set)
    alerts: set[str] = field(default_factory=set)
    handlers: set[str] = field(default_factory=set)

    def frozen(self) -> Changed:
        """The same for those who listen."""
        return Changed(
            frozenset(self.jobs), frozenset(self.deliveries), frozenset(self.alerts), frozenset(self.handlers)
        )

    def __bool__(self) -> bool:
        return bool(self.jobs or self.deliveries or self.alerts)


@dataclass(slots=True)
class Tx:
    """The transaction of a group. `row_lock`: what a SELECT needs at its end to lock rows."""

    connection: Connection
    row_lock: str
    changed: Changes = field(default_factory=Changes)


BEAT = "ON CONFLICT (name) DO UPDATE SET uses = latches.uses + 1"


def hold_latch(tx: Tx, name: str) -> None:
    """Let one transaction at a time do what has this name, until its commit; within one process it is so anyway."""
    if tx.row_lock:
        sql.insert(tx.connection, tables.latches, ("name", "uses"), [(name, 1)], BEAT)


class Planner(Protocol):
    """Runs many decisions as one batch."""

    def __call__(self, tx: Tx, steps: Sequence[Any]) -> list["Verdict"]:
        """Decide and write all steps; answer each one's result or its own exception. Raises: whatever writing does."""
        ...


class Verdict(Struct, eq=False):
    """How a step ended."""

    result: Any = None
    error: Exception | None = None


class Member(Struct, eq=False):
    """One caller's part of a group: a step for the planner, or a piece of work of its own."""

    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
    #: Either a step or work.
    step: Any
    work: Callable[[Tx], Any] | None
    #: Work that refuses in the usual course of things has its savepoint at once, lest its group be done twice.
    refuses: bool = False
    result: Any = None
    error: Exception | None = None


class Writer:
    """The thread that writes. Safe to call from any event loop and thread."""

    def __init__(self, backend: Backend, planner: Planner) -> None:
        self._backend = backend
        self._plan = planner
        self._queue: queue.SimpleQueue[Member | None] = queue.SimpleQueue()
        self._listeners: tuple[Callable[[Changed], None], ...] = ()
        self._connection: Connection | None = None
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._closed = False
        self._door = threading.Lock()
        self._works = True
        #: Why housekeeping failed last; None: it did not.
        self.trouble: str | None = None
        self._care_again_at = 0.0

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    # --- for callers ---

    def step(self, step: Any) -> asyncio.Future[Any]:
        """Have a step decided and written; done after the commit. Raises: StoreUnavailable."""
        return self._ask(step, None)

    async def work(self, work: Callable[[Tx], T], *, refuses: bool = False) -> T:
        """Have a piece of work done in the next group; answer after the commit. `refuses`: it may well raise."""
        result: T = await self._ask(None, work, refuses=refuses)
        return result

    def subscribe(self, listener: Callable[[Changed], None]) -> Callable[[], None]:
        """Call `listener` from the writer's thread after each commit that changed something; answers its end."""
        self._listeners = (*self._listeners, listener)

        def unsubscribe() -> None:
            self._listeners = tuple(each for each in self._listeners if each is not listener)

        return unsubscribe

    def close(self) -> None:
        """Finish what is queued and let go of the connection. Blocks."""
        with self._door:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        if self._thread.is_alive():
            self._thread.join()

    def _ask(self, step: Any, work: Callable[[Tx], Any] | None, *, refuses: bool = False) -> asyncio.Future[Any]:
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        # nobody may slip in behind the end: there would be nobody to answer
        with self._door:
            if self._closed:
                raise StoreUnavailable("the store is closed")
            if self._queue.qsize() > MOST_WAITING:
                raise StoreUnavailable(f"more than {MOST_WAITING} writes wait; the disk or the database is too slow")
            self._queue.put(Member(future, loop, step, work, refuses))
        return future

    # --- the thread ---

    def _run(self) -> None:
        idle = True  # housekeeping at the very start has been done by whoever opened the store
        while True:
            try:
                first = self._queue.get(timeout=None if idle else IDLE)
            except queue.Empty:
                idle = True
                self._care(idle=True)
                continue
            group, ended = self._gather(first)
            if group:
                idle = False
                self._serve(group)
            if ended:
                break
        self._care(idle=True)
        self._disconnect()

    def _gather(self, first: Member | None) -> tuple[list[Member], bool]:
        """Everybody who waits already, and whether the end came behind them."""
        group: list[Member] = []
        member = first
        while member is not None:
            group.append(member)
            if len(group) >= LARGEST_GROUP or self._queue.empty():
                return group, False
            member = self._queue.get()
        return group, True

    def _serve(self, group: list[Member]) -> None:
        with Trial() as trial:
            changes = self._commit(group)
        if trial.error is not None:
            for member in group:
                member.error = unavailable(trial.error)
        elif changes:
            self._announce(changes)
        self._say(trial.error)
        _resolve(group)
        self._care(idle=False)

    def _commit(self, group: list[Member]) -> Changes:
        """Write and commit a group; before COMMIT once more on a fresh connection, where the engine says so."""
        with Trial() as trial:
            tx = self._write(group)
        if trial.error is not None and self._backend.may_redo(trial.error):
            self._disconnect()
            with Trial() as trial:
                tx = self._write(group)
        if trial.error is None:
            with Trial() as trial:
                tx.connection.commit()
        if trial.error is not None:
            self._disconnect()
            raise trial.error
        return tx.changed

    def _write(self, group: Sequence[Member]) -> Tx:
        """Do all that a group asks for; if anything fails all of it is undone, and done again with savepoints."""
        tx = self._begin()
        with Trial() as trial:
            self._do_all(tx, group)
        if trial.error is None:
            return tx
        if self._backend.is_outage(trial.error):
            raise trial.error
        tx.connection.rollback()
        tx = self._begin()
        self._do_apart(tx, group)
        return tx

    def _do_all(self, tx: Tx, group: Sequence[Member]) -> None:
        steps = []
        for member in group:
            member.result = member.error = None
            if member.work is None:
                steps.append(member)
            elif member.refuses:
                self._do(tx, member, member.work)
            else:
                member.result = member.work(tx)
        if steps:
            self._plan_all(tx, steps)

    def _do_apart(self, tx: Tx, group: Sequence[Member]) -> None:
        steps = [member for member in group if member.work is None]
        for member in group:
            if member.work is not None:
                self._do(tx, member, member.work)
        if steps:
            self._decide(tx, steps)

    def _begin(self) -> Tx:
        if self._connection is None:
            self._connection = self._backend.connect_writer()
        self._connection.begin()
        return Tx(self._connection, self._backend.row_lock)

    def _do(self, tx: Tx, member: Member, work: Callable[[Tx], Any]) -> None:
        def do() -> None:
            member.result = work(tx)

        member.result = None
        member.error = self._apart(tx, do)

    def _decide(self, tx: Tx, members: list[Member]) -> None:
        error = self._apart(tx, lambda: self._plan_all(tx, members))
        if error is not None and len(members) == 1:
            members[0].error = told_of(error)
        elif error is not None:
            for member in members:
                self._decide(tx, [member])

    def _plan_all(self, tx: Tx, members: Sequence[Member]) -> None:
        verdicts = self._plan(tx, [member.step for member in members])
        for member, verdict in zip(members, verdicts, strict=True):
            member.result, member.error = verdict.result, verdict.error

    def _apart(self, tx: Tx, work: Callable[[], None]) -> Exception | None:
        """Run under a savepoint of its own; answer what went wrong, unless that is the store itself."""
        tx.connection.exec_driver_sql("SAVEPOINT member")
        with Trial() as trial:
            work()
        if trial.error is not None:
            if self._backend.is_outage(trial.error):
                raise trial.error
            tx.connection.exec_driver_sql("ROLLBACK TO SAVEPOINT member")
        tx.connection.exec_driver_sql("RELEASE SAVEPOINT member")
        return trial.error

    def _say(self, error: Exception | None) -> None:
        # once when it begins and once when it is over: while it lasts every caller is told
        if (error is None) is not self._works:
            self._works = error is None
            if error is None:
                _log.warning("the store commits again")
            else:
                _log.error("the store cannot commit: %s", reason_of(error))

    def _announce(self, changes: Changes) -> None:
        changed = changes.frozen()
        for listener in self._listeners:
            with Trial() as trial:
                listener(changed)
            if trial.error is not None:
                _log.error("a listener of the store failed", exc_info=trial.error)

    def _care(self, *, idle: bool) -> None:
        if self._connection is None:
            return
        done = False
        # health shows what failed until it is done, and who asks for it may keep every idle moment away
        again = self.trouble is not None and clock.monotonic() >= self._care_again_at
        with Trial() as trial:
            done = self._backend.care(self._connection, idle=idle or again)
        if trial.error is not None:
            self.trouble = reason_of(trial.error)
            self._care_again_at = clock.monotonic() + CARE_AGAIN
            _log.error("housekeeping of the store failed: %s", self.trouble)
            self._disconnect()
        elif done:
            self.trouble = None

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            # a connection in trouble may refuse even to be closed
            with Trial():
                connection.invalidate()
            with Trial():
                connection.close()


def _resolve(group: Iterable[Member]) -> None:
    waiting: dict[asyncio.AbstractEventLoop, list[Member]] = {}
    for member in group:
        waiting.setdefault(member.loop, []).append(member)
    for loop, members in waiting.items():
        # the loop may have been closed meanwhile; what was committed stays
        with Trial():
            loop.call_soon_threadsafe(_set_all, members)


def _set_all(members: list[Member]) -> None:
    for member in members:
        future = member.future
        if future.done():
            continue  # the caller has gone
        if member.error is None:
            future.set_result(member.result)
        else:
            future.set_exception(member.error)
