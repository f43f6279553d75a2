"""Courier: the loop that carries deliveries. Claim, hand over, decide, record.

Each handler has a lane of its own, so that one handler's trouble never delays another's. A lease with a fence is
held while a handler works; what a late worker brings under an old fence is not taken. How a handler fails is its
business, that it fails is ours: this is one of the two places that catch everything.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import structlog

from handlers.protocol import Handler, HandlerType, Outcome, Parcel, TryLater
from receiver.delivering import Ending, crashed, ending
from receiver.kit import Kit
from receiver.retry import SCHEDULE
from receiver.settings import HandlerConfig
from receiver.settle import SECOND
from receiver.store.protocol import Claimed, Finish
from receiver.window import Window
from schemas.errors import StoreUnavailable

LEASE, HEARTBEAT, IDLE = 12 * SECOND, 4.0, 1.0
#: A delivery whose worker died so often without an outcome is given up.
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


@dataclass
class Lane:
    """One handler's deliveries: claimed ones by target, and the calls that run."""

    post: Post
    kit: Kit
    window: Window
    #: Claimed and not in a call yet, by target.
    waiting: dict[str, list[Claimed]] = field(default_factory=lambda: defaultdict(list))
    #: Fences of all that is claimed.
    fences: dict[str, int] = field(default_factory=dict)
    calls: dict[asyncio.Task[None], str] = field(default_factory=dict)
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def room(self) -> int:
        """How many more deliveries may be claimed: no more than may start now, so that the freshest are chosen late."""
        batch = self.post.type.max_batch
        free = self.post.config.concurrency * batch - len(self.fences)
        starts = self.window.room(_monotonic())
        return free if starts is None else min(free, starts * batch - sum(map(len, self.waiting.values())))

    async def run(self) -> None:
        """Carry until cancelled."""
        heart = asyncio.create_task(self._beat())
        try:
            while True:
                self.wake.clear()
                claimed = await self._claim() if self.room > 0 else 0
                self._start_calls()
                if not claimed:
                    with suppress(TimeoutError):
                        pause = self.window.wait(_monotonic()) or IDLE
                        await asyncio.wait_for(self.wake.wait(), min(pause, IDLE))
        finally:
            heart.cancel()

    async def stop(self, seconds: float) -> None:
        """Let calls finish for a while, cancel the rest, and give back what was not delivered."""
        if self.calls:
            await asyncio.wait(self.calls, timeout=seconds)
        for call in list(self.calls):
            call.cancel()
        if self.calls:
            await asyncio.wait(self.calls, timeout=2)
        back = Finish("pending", None, next_at=self.kit.now())
        with suppress(StoreUnavailable):
            for delivery_id, fence in list(self.fences.items()):
                await self.kit.store.finish_delivery(delivery_id, fence, back)
        with suppress(TimeoutError):
            await asyncio.wait_for(self.post.handler.close(), 5)

    async def _claim(self) -> int:
        now = self.kit.now()
        try:
            found = await self.kit.store.claim_deliveries(self.post.name, now, now + LEASE, self.room)
        except StoreUnavailable:
            await asyncio.sleep(IDLE)
            return 0
        for claimed in found:
            self.fences[claimed.delivery.id] = claimed.delivery.fence
            self.waiting[claimed.delivery.target].append(claimed)
        return len(found)

    def _start_calls(self) -> None:
        kind, most = self.post.type, self.post.config.concurrency
        for target in list(self.waiting):
            while self.waiting[target] and len(self.calls) < most and self.window.room(_monotonic()) != 0:
                # a handler that takes several at once is given what gathers while its last call runs
                if kind.max_batch > 1 and target in self.calls.values():
                    break
                batch, rest = self.waiting[target][: kind.max_batch], self.waiting[target][kind.max_batch :]
                self.waiting[target] = rest
                self.window.note(_monotonic())
                call = asyncio.create_task(self._call(batch))
                self.calls[call] = target
                call.add_done_callback(self._ended)
            if not self.waiting[target]:
                del self.waiting[target]

    def _ended(self, call: "asyncio.Task[None]") -> None:
        self.calls.pop(call, None)
        if not call.cancelled() and call.exception() is not None:
            log.error("delivery not recorded", handler=self.post.name, error=type(call.exception()).__name__)
        self.wake.set()

    async def _call(self, batch: Sequence[Claimed]) -> None:
        live = [claimed for claimed in batch if claimed.delivery.claims <= DEATHS]
        outcomes = await self._hand_over(live) if live else {}
        for claimed in batch:
            delivery = claimed.delivery
            outcome = outcomes.get(delivery.key, TryLater("the handler gave no outcome"))
            if claimed.delivery.claims > DEATHS:
                outcome = crashed(DEATHS)
            schedule = self.post.config.retry
            steps = SCHEDULE if schedule is None else schedule
            end = Ending(claimed, outcome, self.post.type.perishable, self.kit.now(), self.kit.dice(), steps)
            await self._record(claimed, ending(end, self.kit.rules))

    async def _hand_over(self, batch: Sequence[Claimed]) -> Mapping[str, Outcome]:
        parcels = [_parcel(claimed) for claimed in batch]
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

    async def _record(self, claimed: Claimed, finish: Finish) -> None:
        delivery = claimed.delivery
        recorded = False
        try:
            while not recorded:
                # where the store cannot commit, the outcome is kept, and the lease held, until it can
                with suppress(StoreUnavailable):
                    await self.kit.store.finish_delivery(delivery.id, delivery.fence, finish)
                    recorded = True
                if not recorded:
                    await asyncio.sleep(IDLE)
        finally:
            self.fences.pop(delivery.id, None)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT)
            if self.fences:
                with suppress(StoreUnavailable):
                    await self.kit.store.extend_deliveries(dict(self.fences), self.kit.now() + LEASE)


class Courier:
    """All lanes. One for each process that works."""

    def __init__(self, kit: Kit, posts: Sequence[Post]) -> None:
        self._lanes = [Lane(post, kit, Window(post.config.rate)) for post in posts]
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start every lane."""
        self._tasks = [asyncio.create_task(lane.run()) for lane in self._lanes]

    def wake(self) -> None:
        """Look for due deliveries now. Call from the courier's own loop."""
        for lane in self._lanes:
            lane.wake.set()

    @property
    def dead(self) -> list[str]:
        """Lanes that ended though nobody asked them to: a bug of ours that health must show."""
        return [lane.post.name for lane, task in zip(self._lanes, self._tasks, strict=True) if task.done()]

    async def stop(self, seconds: float) -> None:
        """Stop claiming, let calls finish for so long, give back the rest."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(lane.stop(seconds) for lane in self._lanes))


def _parcel(claimed: Claimed) -> Parcel:
    delivery = claimed.delivery
    return Parcel(delivery.key, claimed.event, delivery.target, len(delivery.attempts), claimed.elapsed)


def _monotonic() -> float:
    return asyncio.get_running_loop().time()


def _place(error: BaseException) -> str:
    trace: Any = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else ""
