"""Lane: one handler's deliveries on their way: claimed under a lease with a fence, handed over, recorded.

How a handler fails is its business, that it fails is ours: this is one of the two places that catch everything.
"""

import asyncio
from collections import defaultdict
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import Any

import structlog

from handlers.protocol import Done, Handler, HandlerType, Outcome, Parcel, TryLater
from receiver.delivering import Ending, crashed, ending
from receiver.kit import Kit
from receiver.pausing import Tried
from receiver.retry import SCHEDULE
from receiver.settings import HandlerConfig
from receiver.settle import SECOND
from receiver.store.protocol import Claimed, Delivery, Finish
from receiver.ward import Ward
from receiver.window import Window
from schemas.errors import StoreUnavailable
from schemas.job import Job

LEASE, HEARTBEAT, IDLE = 12 * SECOND, 4.0, 1.0
#: Seconds between claims of a busy lane: each is a part of a commit, and what gathers meanwhile is claimed together.
BREATH = 0.02
#: Seconds that a call gives way to callbacks at most, and between two looks whether it still has to; and the
#: microseconds after which news give way no longer, so that work that could be done is never left behind for good.
WAY, WAY_AGAIN, LATE = 0.25, 0.005, 30 * SECOND
#: A delivery whose worker died so often without an outcome is set aside, and given up when that happens again.
DEATHS = 3
log = structlog.get_logger("clipbell.courier")


@dataclass(frozen=True, slots=True)
class Post:
    """A configured handler, ready to work."""

    config: HandlerConfig
    handler: Handler

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        return self.config.name

    @property
    def type(self) -> HandlerType:
        """What kind of handler it is."""
        return self.config.type

    @property
    def targets(self) -> int:
        """How many targets it has."""
        return len(self.config.type.targets(self.config.options))


class Lane:
    """Carries the deliveries of one handler."""

    def __init__(self, post: Post, kit: Kit) -> None:
        self.post = post
        self.ward = Ward(kit, post.name)
        self.wake = asyncio.Event()
        self._kit = kit
        self._window = Window(post.config.rate)
        #: All that is claimed, by id, and of these what is in no call yet, by target.
        self._held: dict[str, Claimed] = {}
        self._waiting: dict[str, list[Claimed]] = defaultdict(list)
        self._calls: dict[asyncio.Task[None], str] = {}

    async def run(self) -> None:
        """Carry until cancelled."""
        heart = asyncio.create_task(self._beat())
        try:
            while True:
                self.wake.clear()
                try:
                    is_busy = await self._step()
                except StoreUnavailable:
                    await asyncio.sleep(IDLE)
                    continue
                # before calls are counted: a rate is about when they set out
                may_all_begin = await self._give_way()
                self._start_calls(self.post.config.concurrency if may_all_begin else len(self._calls) + 1)
                is_held_back = not may_all_begin and bool(self._waiting)
                await (asyncio.sleep(BREATH) if is_busy or is_held_back else self._rest())
        finally:
            heart.cancel()

    async def stop(self, seconds: float) -> None:
        """Let calls finish for a while, cancel the rest, and give back what was not delivered."""
        if self._calls:
            await asyncio.wait(self._calls, timeout=seconds)
        for call in list(self._calls):
            call.cancel()
        if self._calls:
            await asyncio.wait(self._calls, timeout=2)
        with suppress(StoreUnavailable):
            await self._give_back(list(self._held.values()), Finish("pending", None, next_at=self._kit.now()))
        with suppress(TimeoutError):
            async with asyncio.timeout(5):
                await self.post.handler.close()

    # --- claiming ---

    async def _step(self) -> bool:
        """Claim what may be carried now; answer whether more may be due at once."""
        if self.ward.pause is not None:
            rest = [claimed for each in self._waiting.values() for claimed in each]
            idle = [claimed for claimed in rest if claimed.delivery.id != self.ward.probe]
            await self._give_back(idle, Finish("parked", None))
            probe = await self.ward.tend(LEASE)
            self._take([] if probe is None else [probe])
            return False
        await self.ward.drain()
        if self._room < 1:
            return False
        now = self._kit.now()
        found = await self._kit.store.claim_deliveries(
            self.post.name, now, now + LEASE, self._room, again=self._room_again
        )
        self._take(found)
        return bool(found)

    def _take(self, found: Iterable[Claimed]) -> None:
        for claimed in found:
            self._held[claimed.delivery.id] = claimed
            self._waiting[claimed.delivery.target].append(claimed)

    async def _give_back(self, found: Sequence[Claimed], finish: Finish) -> None:
        async def give(claimed: Claimed) -> None:
            delivery = claimed.delivery
            await self._kit.store.finish_delivery(delivery.id, delivery.fence, finish)
            self._held.pop(delivery.id, None)
            with suppress(ValueError):
                self._waiting[delivery.target].remove(claimed)

        await _all_done(map(give, found))

    @property
    def _room(self) -> int:
        """How many more may be claimed: no more than may start now, so that it is chosen late what goes first."""
        batch = self.post.type.max_batch
        free = self.post.config.concurrency * batch - len(self._held)
        starts = self._window.room(_monotonic())
        return free if starts is None else min(free, starts * batch - sum(map(len, self._waiting.values())))

    @property
    def _room_again(self) -> int:
        """How many of these may be such that are delivered again: half of the calls are kept for news."""
        share = max(self.post.config.concurrency // 2, 1) * self.post.type.max_batch
        return max(share - sum(claimed.delivery.lane for claimed in self._held.values()), 0)

    async def _rest(self) -> None:
        pause = self._window.wait(_monotonic()) or IDLE
        # not wait_for: before Python 3.12 it loses a cancellation that comes together with the wake
        with suppress(TimeoutError):
            async with asyncio.timeout(min(pause, IDLE)):
                await self.wake.wait()

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT)
            fences = {id_: claimed.delivery.fence for id_, claimed in self._held.items()}
            if fences:
                with suppress(StoreUnavailable):
                    await self._kit.store.extend_deliveries(fences, self._kit.now() + LEASE)

    # --- calling ---

    async def _give_way(self) -> bool:
        """Wait while callbacks need the processor; False where they still do, and one call is to begin all the same."""
        until = _monotonic() + WAY
        while self._waiting and self._kit.share.is_used_up and not self._is_late:
            if _monotonic() >= until:
                return False
            await asyncio.sleep(WAY_AGAIN)
        return True

    @property
    def _is_late(self) -> bool:
        since = self._kit.now() - LATE
        waiting = chain.from_iterable(self._waiting.values())
        return any(each.delivery.lane == 0 and each.delivery.created_at < since for each in waiting)

    def _start_calls(self, most: int) -> None:
        """Begin calls until so many are under way."""
        size, most = self.post.type.max_batch, min(most, self.post.config.concurrency)
        for target in list(self._waiting):
            while self._waiting[target] and len(self._calls) < most and self._window.room(_monotonic()) != 0:
                # a handler that takes several at once is given what gathers while its last call runs
                if size > 1 and target in self._calls.values():
                    break
                batch, self._waiting[target] = self._waiting[target][:size], self._waiting[target][size:]
                self._window.note(_monotonic())
                call = asyncio.create_task(self._call(batch))
                self._calls[call] = target
                call.add_done_callback(self._ended)
            if not self._waiting[target]:
                del self._waiting[target]

    def _ended(self, call: "asyncio.Task[None]") -> None:
        self._calls.pop(call, None)
        if not call.cancelled() and call.exception() is not None:
            log.error("delivery not recorded", handler=self.post.name, error=type(call.exception()).__name__)
        self.wake.set()

    async def _call(self, batch: Sequence[Claimed]) -> None:
        try:
            tried = await self._carry(batch)
            if tried:
                with suppress(StoreUnavailable):
                    await self.ward.judge(tried)
        except Exception:
            # their leases run out, and they are tried again; held on to they would be prolonged for ever
            for claimed in batch:
                self._held.pop(claimed.delivery.id, None)
            raise
        finally:
            if any(claimed.delivery.id == self.ward.probe for claimed in batch):
                self.ward.probe = None

    async def _carry(self, batch: Sequence[Claimed]) -> Sequence[Tried]:
        live = [claimed for claimed in batch if claimed.delivery.claims <= DEATHS]
        outcomes = await self._hand_over(live) if live else {}
        tried, records = [], []
        for claimed in batch:
            delivery = claimed.delivery
            outcome = outcomes.get(delivery.key, TryLater("the handler gave no outcome"))
            is_probe = delivery.id == self.ward.probe
            if delivery.claims > DEATHS:
                outcome = crashed(delivery, DEATHS)  # says nothing of the handler
            elif is_probe or not _is_about_disk(outcome):
                tried.append(self._tried(delivery, outcome, is_probe=is_probe))
            records.append(self._conclude(claimed, outcome, is_probe=is_probe))
        await _all_done(records)  # together, so that one commit serves them all
        return tried

    def _tried(self, delivery: Delivery, outcome: Outcome, *, is_probe: bool) -> Tried:
        post, now = self.post, self._kit.now()
        return Tried(
            post.name, delivery.id, outcome, now, is_probe, post.type.perishable, delivery.target, post.targets
        )

    async def _conclude(self, claimed: Claimed, outcome: Outcome, *, is_probe: bool) -> None:
        end = await self._ending(claimed, outcome, is_probe=is_probe)
        await self._record(claimed, ending(end, self._kit.rules))

    async def _ending(self, claimed: Claimed, outcome: Outcome, *, is_probe: bool) -> Ending:
        schedule = SCHEDULE if self.post.config.retry is None else self.post.config.retry
        kit, perishable = self._kit, self.post.type.perishable
        job = await self._job_of(claimed) if isinstance(outcome, Done) and outcome.saved else None
        return Ending(claimed, outcome, perishable, kit.now(), kit.dice(), schedule, is_probe, job)

    async def _job_of(self, claimed: Claimed) -> Job | None:
        """What a saved file is compared with; a store that cannot be read now could not be written to either."""
        while True:
            with suppress(StoreUnavailable):
                return await self._kit.store.job(claimed.event.job_id or "")
            await asyncio.sleep(IDLE)

    async def _hand_over(self, batch: Sequence[Claimed]) -> Mapping[str, Outcome]:
        parcels = [self._parcel(claimed) for claimed in batch]
        try:
            async with asyncio.timeout(self.post.config.timeout):
                return await self.post.handler.deliver(parcels)
        except TimeoutError:
            late = TryLater(f"no outcome within {self.post.config.timeout:g} s")
            return {parcel.key: late for parcel in parcels}
        except Exception as error:  # noqa: BLE001 - a plug-in may raise anything; it is recorded as an attempt
            # its text may hold a secret of the plug-in's: the kind and the place are enough to find it
            log.warning("handler raised", handler=self.post.name, error=type(error).__name__, where=_place(error))
            broke = TryLater(f"the handler raised {type(error).__name__}")
            return {parcel.key: broke for parcel in parcels}

    def _parcel(self, claimed: Claimed) -> Parcel:
        delivery = claimed.delivery
        account = self._kit.settings.accounts.get(claimed.event.account or "")
        title = account.vendor.title if account is not None else None
        return Parcel(delivery.key, claimed.event, delivery.target, delivery.tried, claimed.elapsed, title)

    async def _record(self, claimed: Claimed, finish: Finish) -> None:
        delivery = claimed.delivery
        recorded = False
        try:
            while not recorded:
                # where the store cannot commit, the outcome is kept, and the lease held, until it can
                with suppress(StoreUnavailable):
                    await self._kit.store.finish_delivery(delivery.id, delivery.fence, finish)
                    recorded = True
                if not recorded:
                    await asyncio.sleep(IDLE)
        finally:
            self._held.pop(delivery.id, None)


async def _all_done(works: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run all to their end, whatever becomes of one. Raises: the first one's exception."""
    for failure in await asyncio.gather(*works, return_exceptions=True):
        if isinstance(failure, BaseException):
            raise failure


def _is_about_disk(outcome: Outcome) -> bool:
    return isinstance(outcome, TryLater) and outcome.no_room_at is not None


def _monotonic() -> float:
    return asyncio.get_running_loop().time()


def _place(error: BaseException) -> str:
    trace: Any = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else ""
