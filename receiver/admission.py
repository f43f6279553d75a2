"""Admission: whether there is money for an order, asked in its own transaction, and the alerts about budgets.

What may be spent is decided in `budget.py`; whether the vendor has room and a turn is decided by the store.
"""

from collections.abc import Callable, Iterable

from receiver.alerts import Notice
from receiver.budget import Mark, purse_of
from receiver.kit import Kit
from receiver.store.accounts import Begun, Demand
from receiver.store.protocol import Placed, Query, Totals
from schemas.errors import BudgetReached
from schemas.job import Job

ALERT = "budget.reached"
#: More alerts of a kind than stand at any time: two budgets with three marks each, of two periods.
MOST = 50


class Admission:
    """Lets orders go out, or refuses them for want of money. One for each event loop."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self._purse = purse_of(kit.settings)
        #: Subjects that this process has raised: so that not every order asks the store again.
        self._raised: set[str] = set()

    def check(self, job: Job) -> None:
        """Refuse what could never be placed. Raises: BudgetReached."""
        if self._purse is not None:
            self._purse.check(job)

    async def look(self, job: Job) -> None:
        """Refuse, before it takes a turn at its vendor, what there is no money for now. Raises: BudgetReached."""
        if self._purse is None:
            return
        now = self._kit.now()
        totals = await self._kit.store.totals(now)
        try:
            self._purse.admit(job, totals, now)
        except BudgetReached:
            await self._raise(self._purse.marks(totals, now, refused=job))
            raise

    async def place(self, job: Job, order: bytes, max_open: int | None) -> Placed:
        """Keep a new job that goes to its vendor at once. Raises: BudgetReached, VendorBusy."""
        reached: list[Mark] = []
        placed = await self._kit.store.place(
            job, order, admit=self._admit(job, job.created_at, reached), max_open=max_open
        )
        if placed.is_new:
            await self._raise(reached)
        return placed

    async def begin(self, job: Job, demand: Demand, until: int) -> Begun:
        """Let a queued order go. Raises: BudgetReached."""
        reached: list[Mark] = []
        now = self._kit.now()
        admit = self._admit(job, now, reached)
        begun = await self._kit.store.begin_order(job.id, demand, now, until, admit=admit)
        if begun.job is not None:
            await self._raise(reached)
        return begun

    async def care(self) -> None:
        """Raise what is reached however it came about, and clear what is of a period that has ended."""
        kit, purse = self._kit, self._purse
        now = kit.now()
        if purse is not None:
            await self._raise(purse.marks(await kit.store.totals(now), now))
        for alert in await kit.store.alerts(Query({"code": ALERT, "standing": True}, MOST)):
            subject = alert["subject"]
            if purse is None or purse.is_over(subject, now):
                text = f"The budget {subject.partition(':')[0]} is free again"
                await kit.store.alert(kit.rules.alarm.cleared(Notice(ALERT, subject, now), text))
                self._raised.discard(subject)

    async def _raise(self, marks: Iterable[Mark]) -> None:
        kit = self._kit
        for mark in marks:
            if mark.subject not in self._raised:
                facts = {"what": mark.what, "step": mark.step}
                await kit.store.alert(kit.rules.alarm.raised(Notice(ALERT, mark.subject, kit.now()), facts))
                self._raised.add(mark.subject)

    def _admit(self, job: Job, now: int, reached: list[Mark]) -> Callable[[Totals], None] | None:
        """What is asked in the transaction; `reached` then holds what is to be told after its commit."""
        purse = self._purse
        if purse is None:
            return None

        def admit(totals: Totals) -> None:
            purse.admit(job, totals, now)
            reached[:] = purse.marks(totals, now, placed=job)

        return admit
