"""Keeper: the loop that keeps jobs moving. Jobs are rows with a `next_at`, not coroutines.

What is done with a due job follows from its state: a queued one that stood aside goes back into its line, one that was
being submitted when its process died becomes `unknown`, a running one is looked at, an old one is given up.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

import structlog

from receiver.history import Historian
from receiver.kit import Kit
from receiver.limits import interval
from receiver.looker import TIMEOUT, Looker
from receiver.looking import after_waiting, kind_of
from receiver.placing import Placing, after_submission
from receiver.planner import SLOW_SHARE, Planner
from receiver.queued import in_line
from receiver.settle import SECOND
from receiver.store.protocol import Change
from receiver.submit import LEASE
from schemas.answers import Unclear
from schemas.errors import ClipbellError, StoreUnavailable, VendorBusy
from schemas.job import Job, JobState
from schemas.values import replace

#: How many jobs are tended at a time. All others are rows and cost nothing.
BATCH = 32
IDLE, BREATH = 1.0, 0.02
log = structlog.get_logger("clipbell.keeper")


class Keeper:
    """One for each process that works."""

    def __init__(self, kit: Kit, looker: Looker) -> None:
        self._kit = kit
        self._looker = looker
        self._historian = Historian(kit, looker.outlooks)
        self._planner = Planner()
        self._tending: dict[asyncio.Task[None], Job] = {}
        self._wake = asyncio.Event()
        self._by_state: Mapping[JobState, Callable[[Job], Awaitable[object]]] = {
            JobState.QUEUED: self._queue,
            JobState.SUBMITTING: self._lost,
            JobState.RUNNING: self._look,
            JobState.UNKNOWN: self._look,
            JobState.REJECTED: self._look,
            JobState.ABANDONED: self._look,
        }

    def wake(self) -> None:
        """Look for due jobs now. Call from the keeper's own loop."""
        self._wake.set()

    async def run(self) -> None:
        """Keep jobs moving until cancelled."""
        while True:
            self._wake.clear()
            free = BATCH - len(self._tending)
            claimed = await self._claim(free) if free > 0 else 0
            if not claimed:
                await self._rest()

    async def _claim(self, free: int) -> int:
        kit = self._kit
        now = kit.now()
        try:
            jobs = await kit.store.claim_jobs(now, now + LEASE, free)
        except StoreUnavailable:
            await asyncio.sleep(IDLE)
            return 0
        for job in jobs:
            await self._begin(job)
        return len(jobs)

    async def _begin(self, job: Job) -> None:
        busy_with = Counter(each.account for each in self._tending.values())
        if self._planner.has_hands_for(job.account, busy_with, _monotonic()):
            task = asyncio.create_task(self._tend(job))
            self._tending[task] = job
            task.add_done_callback(self._done)
        else:
            # as fast as the hands that it is left with come free
            await self._again(job, self._kit.now() + SECOND, TIMEOUT / SLOW_SHARE)

    def _done(self, task: "asyncio.Task[None]") -> None:
        job = self._tending.pop(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("tending broke", job=job.id, error=type(task.exception()).__name__)
        self._wake.set()

    async def _rest(self) -> None:
        with suppress(TimeoutError):
            # not wait_for: before Python 3.12 it loses a cancellation that comes together with the wake
            async with asyncio.timeout(IDLE):
                await self._wake.wait()
                # every commit wakes it: what gathers for a moment is claimed together
                await asyncio.sleep(BREATH)

    async def _tend(self, job: Job) -> None:
        began = _monotonic()
        try:
            act = self._by_state.get(job.state, self._leave)
            await (act if job.account in self._kit.settings.accounts else self._leave)(job)
        except VendorBusy as busy:
            await self._refused(job, busy)
        except StoreUnavailable:
            pass  # its lease runs out and it is due again
        except ClipbellError as error:
            log.warning("job not tended", job=job.id, state=job.state.value, reason=str(error))
            await self._later(job, self._kit.now() + 60 * SECOND)
        finally:
            self._planner.note(job.account, _monotonic() - began, _monotonic())

    async def _refused(self, job: Job, busy: VendorBusy) -> None:
        account, now = self._kit.settings.accounts[job.account], self._kit.now()
        step = interval(account.limits, kind_of(job, account, now))
        await self._again(job, now + int(busy.retry_after * SECOND), step)

    async def _again(self, job: Job, again: int, step: float) -> None:
        with suppress(StoreUnavailable):
            await self._later(job, self._planner.slot(job.account, again, step, self._kit.dice()))

    async def _queue(self, job: Job) -> None:
        """An order that stood aside goes back into its line."""
        await self._kit.store.apply(job.id, in_line)

    async def _lost(self, job: Job) -> None:
        kit = self._kit
        reason = "the program ended while the order was under way"
        placing = Placing(kit.settings.accounts[job.account], kit.rules, kit.now(), None)
        await kit.store.apply(job.id, lambda row: after_submission(row, Unclear(reason), placing))

    async def _look(self, job: Job) -> None:
        kit, account = self._kit, self._kit.settings.accounts[job.account]
        if job.vendor_job_id is not None:
            await self._looker.look(job)
            return
        if job.state is JobState.UNKNOWN and account.vendor.history_request is not None:
            await self._historian.look(job)
            return
        await kit.store.apply(job.id, lambda row: after_waiting(row, account, kit.now(), kit.rules))

    async def _leave(self, job: Job) -> None:
        """A job whose account has left the configuration, or that needs nothing: ask again in an hour."""
        await self._later(job, None if job.is_settled else self._kit.now() + 3600 * SECOND)

    async def _later(self, job: Job, next_at: int | None) -> None:
        def decide(row: Job | None) -> Change:
            # whoever has planned it anew meanwhile knows better
            if row is None or row.is_settled or row.state is not job.state or row.next_at != job.next_at:
                return Change()
            return Change(job=replace(row, next_at=next_at))

        await self._kit.store.apply(job.id, decide)


def _monotonic() -> float:
    return asyncio.get_running_loop().time()
