"""Work: keeper and courier on a loop of their own, beside the web's or alone. Meets the web only in the store."""

import asyncio
import random
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress

import structlog

from receiver import clock
from receiver.courier import Courier
from receiver.housekeeping import Housekeeper
from receiver.keeper import Keeper
from receiver.kit import Kit
from receiver.looker import Looker
from receiver.loops import new_loop
from receiver.net import Net
from receiver.posts import make_posts, routes_of
from receiver.queued import Queue
from receiver.routing import Router
from receiver.settings import Settings
from receiver.settle import Rules
from receiver.share import Share
from receiver.store.protocol import Changed, Store
from receiver.submit import Submitter
from receiver.tokens import Tokens
from receiver.vitals import Vitals
from receiver.ward import adopt
from receiver.watch import Watch

#: Seconds that deliveries and orders under way get at the end.
GRACE_DELIVERIES, GRACE_ORDERS = 5.0, 10.0
BEAT = 1.0
Wake = Callable[[], None]
log = structlog.get_logger("clipbell.work")


def make_kit(settings: Settings, store: Store, share: Share | None = None) -> Kit:
    """Make the kit for one event loop. `share` is what the process's loops have in common."""
    router = Router(routes_of(settings), clock.new_id)
    return Kit(
        settings=settings,
        store=store,
        rules=Rules(settings.accounts, settings.confirm, router),
        tokens=Tokens(settings.secret_keys),
        net=Net(public_only=False),
        public=Net(allow=settings.allow, public_only=True),
        now=clock.micros,
        dice=random.random,
        share=share or Share(),
    )


class Work:
    """Everything that moves by itself."""

    def __init__(self, settings: Settings, store: Store, vitals: Vitals, share: Share) -> None:
        self._store = store
        self._vitals = vitals
        self._kit = make_kit(settings, store, share)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until told to stop; then let what is under way finish for a while and give back the rest."""
        kit = self._kit
        looker, submitter = Looker(kit), Submitter(kit)
        posts = make_posts(kit, looker)
        await adopt(kit, [post.name for post in posts])
        courier = Courier(kit, posts)
        keeper, queue = Keeper(kit, looker), Queue(kit, submitter)
        leave = self._follow(courier.wake, keeper.wake, queue.wake)
        await courier.start()
        queueing = asyncio.create_task(queue.run())
        loops = {
            "the keeper": asyncio.create_task(keeper.run()),
            "the housekeeping": asyncio.create_task(Housekeeper(kit).run()),
            "the queue": queueing,
            "the watch": asyncio.create_task(Watch(kit).run()),
        }
        try:
            while not stop.is_set():
                self._vitals.beat((*courier.dead, *(name for name, task in loops.items() if task.done())))
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), BEAT)
        finally:
            leave()
            # an order is not left half let go
            queue.stop()
            for task in loops.values():
                if task is not queueing:
                    task.cancel()
            await asyncio.gather(*loops.values(), courier.stop(GRACE_DELIVERIES), return_exceptions=True)
            await submitter.drain(GRACE_ORDERS)

    def _follow(self, wake_courier: Callable[[Iterable[str]], None], *wake_for_jobs: Wake) -> Callable[[], None]:
        loop = asyncio.get_running_loop()

        def wake(changed: Changed) -> None:
            with suppress(RuntimeError):  # the loop has ended
                if changed.handlers:
                    loop.call_soon_threadsafe(wake_courier, changed.handlers)
                if changed.jobs:
                    for each in wake_for_jobs:
                        loop.call_soon_threadsafe(each)

        return self._store.subscribe(wake)


class WorkThread:
    """Runs `Work` in a thread with a loop of its own."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._loop = new_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="clipbell-work", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Ask it to end; `join` waits for it."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._stop.set)

    def join(self, seconds: float) -> bool:
        """Wait for the end; False where it did not come in time."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._work.run(self._stop))
        finally:
            self._loop.close()
