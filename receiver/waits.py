"""Waits: why an order from the queue has not gone out yet, by what its account, its vendor and its budget show.

Decides nothing: the queue and the store do. What is said here is what they would find at this moment.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from receiver.budget import Purse, purse_of
from receiver.kit import Kit
from receiver.limits import kept_for_looks, room
from receiver.outlook import Outlook, Outlooks
from receiver.settings import Account
from receiver.settle import SECOND
from receiver.store.accounts import Rate, Spot
from receiver.store.protocol import Totals
from schemas.errors import BudgetReached
from schemas.job import Job, JobState
from schemas.units import say_rate

#: Kinds of calls whose gates hold up an order from the queue.
_GATES = ("", "order", "queue")


@dataclass(frozen=True, slots=True)
class Wait:
    """One reason. `until`: when it is over, or looked at again, as far as that is known."""

    code: str
    text: str
    until: int | None = None


@dataclass(frozen=True, slots=True)
class Scene:
    """What an order finds at its account."""

    account: Account
    outlook: Outlook
    spot: Spot
    totals: Totals
    purse: Purse | None
    now: int


class Waits:
    """Looks at what holds an order up. One for each event loop."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self._purse = purse_of(kit.settings)
        self._outlooks = Outlooks(kit)

    async def of(self, job: Job) -> list[Wait]:
        """The reasons, the order's own first; none for a job that is not queued, or whose turn it is."""
        if job.state is not JobState.QUEUED:
            return []
        account = self._kit.settings.accounts.get(job.account)
        if account is None:
            text = f"its account {job.account} is not configured any more; put the section [vendors.{job.account}] back"
            return [Wait("account", text)]
        store, now = self._kit.store, self._kit.now()
        outlook = await self._outlooks.of(account)
        spot, totals = await store.spot(job), await store.totals(now)
        return list(waits(job, Scene(account, outlook, spot, totals, self._purse, now)))


def waits(job: Job, scene: Scene) -> Iterator[Wait]:
    """What holds up a queued order."""
    yield from _own(job, scene)
    yield from _gates(scene)
    yield from _places(scene)
    yield from _rates(scene)
    yield from _money(job, scene)


def _own(job: Job, scene: Scene) -> Iterator[Wait]:
    if job.next_at is not None:
        tried = f" after {job.tries} {'try' if job.tries == 1 else 'tries'}" if job.tries else ""
        yield Wait("aside", f"it stands aside{tried} and comes back into the line by itself", job.next_at)
    elif scene.spot.ahead:
        orders = "1 order is" if scene.spot.ahead == 1 else f"{scene.spot.ahead} orders are"
        yield Wait("line", f"{orders} before it in the line of {scene.account.name}")


def _gates(scene: Scene) -> Iterator[Wait]:
    name = scene.account.name
    for gate in scene.outlook.gates:
        if gate.kind not in _GATES or gate.until <= scene.now:
            continue
        if gate.stopped:
            text = f"{name} refuses our calls ({gate.reason}); check the key and the balance at the vendor"
            yield Wait("stopped", text, gate.until)
        else:
            yield Wait("asked_to_wait", f"{name} asked us to wait ({gate.reason})", gate.until)


def _places(scene: Scene) -> Iterator[Wait]:
    most = scene.account.max_open
    if most is not None and scene.spot.places >= most:
        text = f"{scene.spot.places} jobs of {scene.account.name} are open, and it takes {most} at a time (max_open)"
        yield Wait("max_open", text)


def _rates(scene: Scene) -> Iterator[Wait]:
    limits = scene.account.limits
    keep = kept_for_looks(limits, scene.outlook.polled)
    for rate, used in zip(limits, scene.outlook.share.used, strict=False):
        let_in = room(rate.count, "order", keep=keep) if rate.kind is None else rate.count
        if rate.kind in (None, "order") and used >= let_in:
            yield Wait("rate", _used_up(scene, rate, used, let_in))


def _used_up(scene: Scene, rate: Rate, used: int, let_in: int) -> str:
    what = "orders" if rate.kind else "calls"
    said = say_rate(rate.count, rate.window / SECOND)
    left = f"; the last {rate.count - let_in} are kept for looks at open jobs" if let_in < rate.count else ""
    return f"{scene.account.name} takes {said} {what}, and {used} are used{left}"


def _money(job: Job, scene: Scene) -> Iterator[Wait]:
    if scene.purse is None:
        return
    try:
        scene.purse.admit(job, scene.totals, scene.now)
    except BudgetReached as error:
        yield Wait("budget", str(error))
