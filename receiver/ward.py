"""Ward: one handler's health as it is lived: what its calls tell, its pause, what is parked for it and let out again.

Decides nothing (`pausing.py` does). A pause stands in the store: it outlives this process, and others see it.
"""

import asyncio
from collections.abc import Iterable, Sequence

from receiver.alerts import Notice
from receiver.kit import Kit
from receiver.pausing import Act, Health, Tried, facts_of, facts_of_absent, judged, telling
from receiver.settle import SECOND
from receiver.store.parking import Pause
from receiver.store.protocol import AlertCleared, Claimed

#: Parked deliveries that are let out in a second, once a handler is well.
DRAIN = 10


class Ward:
    """Looks after one handler. Every method may raise StoreUnavailable, and then has changed nothing here."""

    def __init__(self, kit: Kit, handler: str) -> None:
        self._kit = kit
        self._handler = handler
        self._health = Health()
        self._judging = asyncio.Lock()
        #: Until when nothing more is let out; None: nothing is left.
        self._drains_at: int | None = 0
        #: The delivery that tries a paused handler.
        self.probe: str | None = None
        #: Moves with everything that this process does to the pause.
        self.version = 0

    @property
    def pause(self) -> Pause | None:
        """The pause that it is in."""
        return self._health.pause

    def told(self, pause: Pause | None) -> None:
        """Take over what stands in the store: another process, or a person, began or ended a pause."""
        if pause == self._health.pause:
            return
        self._health = Health(pause)
        self._drains_at = self._drains_at or 0

    async def judge(self, batch: Sequence[Tried]) -> None:
        """Draw the conclusion from a call; if it cannot be written down, the next call leads to the same one."""
        async with self._judging:
            self.version += 1
            tried = telling(self._health, batch)
            health, act = judged(self._health, tried)
            await self._act(act, health.pause, tried)
            self._health = health
            self.version += 1

    async def _act(self, act: Act, pause: Pause | None, tried: Tried) -> None:
        store, alarm = self._kit.store, self._kit.rules.alarm
        notice = Notice("handler.failing", self._handler, tried.now)
        if act is Act.RESUME:
            await store.resume_handler(self._handler, well_again(self._kit, self._handler))
            self._drains_at = self._drains_at or 0
        elif act is Act.ALARM:
            await store.alert(alarm.raised(notice, facts_of(tried), but=self._handler))
        elif act is Act.PAUSE and pause is not None:
            await store.pause_handler(pause, alarm.raised(notice, facts_of(tried), but=self._handler))
        elif act is Act.PROLONG and pause is not None:
            await store.pause_handler(pause)

    async def tend(self, lease: int) -> Claimed | None:
        """In a pause: park what came, and after it take one delivery to try with."""
        now, pause = self._kit.now(), self._health.pause
        await self._kit.store.park_deliveries(self._handler, now)
        if pause is None or pause.until is None or now < pause.until or self.probe is not None:
            return None
        claimed = await self._kit.store.claim_probe(self._handler, now, now + lease)
        if claimed is not None:
            self.probe = claimed.delivery.id
        return claimed

    async def drain(self) -> None:
        """Let out a few of those that were parked, the newest first; so many in a second."""
        now = self._kit.now()
        if self._drains_at is None or now < self._drains_at:
            return
        number = await self._kit.store.unpark_deliveries(self._handler, now, DRAIN)
        self._drains_at = now + SECOND if number == DRAIN else None


def well_again(kit: Kit, handler: str) -> AlertCleared:
    """The end of the alert about a handler."""
    notice = Notice("handler.failing", handler, kit.now())
    return kit.rules.alarm.cleared(notice, f"{handler} takes deliveries again")


async def adopt(kit: Kit, names: Iterable[str]) -> None:
    """At the start: park what waits for handlers that are not configured and tell of it; welcome those that are back.

    Raises: StoreUnavailable.
    """
    configured, now = set(names), kit.now()
    parked = await kit.store.adopt_handlers(sorted(configured), now)
    stood = {pause.handler: pause for pause in await kit.store.pauses()}
    for handler, number in parked.items():
        facts = facts_of_absent(handler, number)
        raised = kit.rules.alarm.raised(Notice("handler.failing", handler, now), facts)
        await kit.store.pause_handler(Pause(handler, now, None, facts["trouble"], 0), raised)
    for handler, pause in stood.items():
        if handler in configured and pause.until is None:
            await kit.store.resume_handler(handler, well_again(kit, handler))
