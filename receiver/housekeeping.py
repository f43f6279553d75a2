"""Housekeeping: what is done now and then, in small steps: retention, alerts about budgets and about full disks.

Decides nothing.
"""

import asyncio
from collections.abc import Mapping

import structlog

from receiver.admission import Admission
from receiver.alerts import Notice
from receiver.clock import id_at
from receiver.delivering import MISMATCH
from receiver.kit import Kit
from receiver.settings import Retention
from receiver.settle import SECOND
from receiver.store.protocol import Query
from schemas.errors import StoreUnavailable

#: Seconds between two rounds, and after a long one that found nothing to delete.
EVERY, LONG_PAUSE = 10.0, 300.0
#: Seconds between two steps of a round: others want to write as well.
BREATH = 0.1
#: An alert about a clip that is not as ordered stands for a week.
MISMATCH_STANDS = 7 * 86_400 * SECOND
#: So many steps make a round a long one.
LONG = 20
log = structlog.get_logger("clipbell.housekeeping")


class Housekeeper:
    """One for each process that works."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self._admission = Admission(kit)

    async def run(self) -> None:
        """Go round until cancelled."""
        pause = EVERY
        while True:
            try:
                await self._admission.care()
                await self.look_for_room()
                await self.forget_mismatches()
                pause = await self._sweep()
            except StoreUnavailable as error:
                log.warning("housekeeping waits for the store", reason=str(error))
            await asyncio.sleep(pause)

    async def look_for_room(self) -> None:
        """Clear what is raised about disks on which nothing waits for room any more. Raises: StoreUnavailable."""
        kit = self._kit
        low = await kit.store.alerts(Query({"code": "disk.low", "standing": True}, 200))
        short = set(await kit.store.short_of_room()) if low else set()
        for subject in {alert["subject"] for alert in low} - short:
            notice = Notice("disk.low", subject, kit.now())
            await kit.store.alert(kit.rules.alarm.cleared(notice, f"No download waits for room at {subject} any more"))

    async def forget_mismatches(self) -> None:
        """Clear what was told long ago of clips that are not as ordered: what was to be done was done, or not wanted.

        Raises: StoreUnavailable.
        """
        kit = self._kit
        now = kit.now()
        old = Query({"code": MISMATCH, "standing": True}, 200, id_at("alr_", now - MISMATCH_STANDS))
        for alert in await kit.store.alerts(old):
            notice = Notice(MISMATCH, alert["subject"], now)
            text = f"No longer shown, as it was told a week ago: {alert['text']}"
            await kit.store.alert(kit.rules.alarm.cleared(notice, text))

    async def _sweep(self) -> float:
        """Delete what is older than it has to be kept; answers how long to rest."""
        gone = steps = 0
        for kind, seconds in spans(self._kit.settings.retention).items():
            before, after = self._kit.now() - int(seconds * SECOND), ""
            while True:
                step = await self._kit.store.sweep(kind, before, after)
                gone, steps = gone + step.gone, steps + 1
                if step.after is None:
                    break
                after = step.after
                await asyncio.sleep(BREATH)
        if gone:
            log.info("old rows deleted", rows=gone)
        return LONG_PAUSE if steps > LONG and not gone else EVERY


def spans(retention: Retention) -> Mapping[str, float]:
    """How long each kind of rows is kept, in seconds; what is kept for ever is not here."""
    # an alert that was cleared goes with the events that told of it
    kinds = (
        ("evidence", retention.evidence),
        ("events", retention.events),
        ("alerts", retention.events),
        ("jobs", retention.jobs),
    )
    return {kind: seconds for kind, seconds in kinds if seconds is not None}
