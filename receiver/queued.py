"""Queue: lets queued orders go, one line for each account, so that a full account never holds up another's.

A queued order without `next_at` is in line, and lines go by age. Whoever is first waits until its vendor has a turn and
a place for it and the budget has the money; it is let go in one commit with all three, so that a crash sends nothing
twice. One that has to wait by itself (`next_at`) stands aside until the keeper puts it back in line.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass

import structlog

from receiver.kit import Kit
from receiver.settle import SECOND
from receiver.store.protocol import Change
from receiver.submit import Submitter
from schemas.errors import BudgetReached, InvalidOrder, StoreUnavailable
from schemas.event import Failure
from schemas.job import Job, JobState
from schemas.values import replace

#: Orders of one account that are on their way to its vendor at once.
AT_ONCE = 8
#: Seconds: until an empty line is looked at again, a full account or a used-up budget is asked again.
IDLE, ASK, BUDGET = 2.0, 5.0, 2.0
#: Seconds that a line rests at most after its vendor could not be reached, and at least between two looks.
AWAY, SOONEST = 30.0, 0.05
#: Seconds that an order stands aside which no budget allows, or that something unforeseen happened to.
ASIDE, BROKEN = 600.0, 60.0
log = structlog.get_logger("clipbell.queue")


class Queue:
    """All lines. One for each process that works."""

    def __init__(self, kit: Kit, submitter: Submitter) -> None:
        self._lines = [Line(kit, submitter, name) for name in kit.settings.accounts]
        self._stop = asyncio.Event()

    def wake(self) -> None:
        """Look for orders now. Call from the queue's own loop."""
        for line in self._lines:
            line.wake()

    async def run(self) -> None:
        """Let orders go until stopped."""
        await asyncio.gather(self._stop.wait(), *[line.run() for line in self._lines])

    def stop(self) -> None:
        """Let nothing go any more; what is being let go still goes, then `run` ends."""
        self._stop.set()
        for line in self._lines:
            line.stop()


@dataclass(frozen=True, slots=True)
class Pause:
    """How long a line rests; `wakes`: or until some job changes."""

    seconds: float
    wakes: bool = False


class Line:
    """The line of one account."""

    def __init__(self, kit: Kit, submitter: Submitter, account: str) -> None:
        self._kit = kit
        self._submitter = submitter
        self._account = account
        self._first: Job | None = None
        self._going: set[asyncio.Task[Job]] = set()
        self._not_before = 0
        self._bell, self._stop = asyncio.Event(), asyncio.Event()

    def wake(self) -> None:
        """Something changed."""
        self._bell.set()

    def stop(self) -> None:
        """End after the present step."""
        self._stop.set()
        self._bell.set()

    async def run(self) -> None:
        """Let one order go after the other."""
        while not self._stop.is_set():
            self._bell.clear()
            step = asyncio.create_task(self._step())
            await asyncio.wait([step])
            error = step.exception()
            pause = step.result() if error is None else await self._broken(error)
            if pause is not None:
                await self._rest(pause)

    async def _rest(self, pause: Pause) -> None:
        ends = self._bell if pause.wakes else self._stop
        with suppress(TimeoutError):
            # not wait_for: before Python 3.12 it loses a cancellation that comes together with the wake
            async with asyncio.timeout(pause.seconds):
                await ends.wait()
        if not self._stop.is_set():
            await asyncio.sleep(SOONEST)

    async def _step(self) -> Pause | None:
        """Let the first go, or say how long to wait; None: go on."""
        now = self._kit.now()
        if now < self._not_before:
            return Pause((self._not_before - now) / SECOND)
        line = await self._kit.store.line(self._account, 1) if len(self._going) < AT_ONCE else []
        if not line:
            return Pause(IDLE, wakes=True)
        self._first = line[0]
        try:
            going = await self._submitter.let_go(line[0])
        except BudgetReached as error:
            return await self._without_money(line[0], error)
        except InvalidOrder as error:
            # what was fine when it was queued is not under today's configuration
            failure = Failure("invalid_order", str(error))
            await self._kit.store.apply(line[0].id, lambda row: _rejected(row, failure))
            return None
        if going.task is not None:
            self._going.add(going.task)
            going.task.add_done_callback(self._arrived)
        if going.again:
            return Pause(min(max(going.again - self._kit.now(), 0) / SECOND, ASK))
        return None

    def _arrived(self, task: "asyncio.Task[Job]") -> None:
        self._going.discard(task)
        self._bell.set()
        if task.cancelled() or task.exception() is not None:
            return
        job = task.result()
        if job.state is JobState.QUEUED and job.next_at is not None:
            # it could not be sent: neither could those behind it
            self._not_before = min(job.next_at, self._kit.now() + int(AWAY * SECOND))

    async def _without_money(self, job: Job, error: BudgetReached) -> Pause | None:
        if not error.for_ever:
            return Pause(BUDGET)
        log.warning("a queued order is beyond every budget", job=job.id, reason=str(error))
        await self._aside(job, ASIDE)
        return None

    async def _broken(self, error: BaseException) -> Pause:
        if self._first is not None and not isinstance(error, StoreUnavailable):
            log.error("letting an order go broke", job=self._first.id, error=type(error).__name__)
            with suppress(StoreUnavailable):
                await self._aside(self._first, BROKEN)
        return Pause(IDLE)

    async def _aside(self, job: Job, seconds: float) -> None:
        next_at = self._kit.now() + int(seconds * SECOND)
        await self._kit.store.apply(job.id, lambda row: _set_aside(row, next_at))


def in_line(job: Job | None) -> Change:
    """Put a queued order back in line."""
    return _set_aside(job, None)


def _set_aside(job: Job | None, next_at: int | None) -> Change:
    if job is None or job.state is not JobState.QUEUED:
        return Change()
    return Change(job=replace(job, next_at=next_at))


def _rejected(job: Job | None, failure: Failure) -> Change:
    if job is None or job.state is not JobState.QUEUED:
        return Change()
    return Change(job=replace(job, state=JobState.REJECTED, failure=failure, next_at=None))
