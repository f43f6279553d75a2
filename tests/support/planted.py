"""Mistakes to plant into a small world: what each of them is, and by which words it must be found out."""

from decimal import Decimal
from typing import Any, cast

from receiver.net import Net
from receiver.store.protocol import Applied, Change, Decide, Evidence, Store
from schemas.errors import Unanswered
from schemas.event import Money
from schemas.job import Job, JobState
from schemas.values import replace
from schemas.vendor import Answer
from tests.support.small_world import Bug

NOTHING = Money(Decimal(0), "credits")


class Spoiled:
    """A store that does as the true one, but for what a planted mistake changes."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def apply(self, job_id: str, decide: Decide, evidence: Evidence | None = None) -> Applied:
        """Decide, and write what was decided, with the mistake in one of them."""
        return await self._store.apply(job_id, lambda job: self.change(decide, job), evidence)

    def change(self, decide: Decide, job: Job | None) -> Change:
        """Where the mistake is."""
        return decide(job)


class Forgetful(Spoiled):
    """Decisions do not see that there is a verdict already."""

    def change(self, decide: Decide, job: Job | None) -> Change:
        """Show the job as it was before its verdict."""
        if job is not None and job.is_settled:
            job = replace(job, state=JobState.RUNNING, settled_at=None, settled_by=None)
        return decide(job)


class Greedy(Spoiled):
    """Every charge is booked twice."""

    def change(self, decide: Decide, job: Job | None) -> Change:
        """Add each line once more."""
        change = decide(job)
        return replace(
            change,
            lines=(
                *change.lines,
                *(replace(each, id=f"{each.id}x", evidence_id=f"{each.id}x") for each in change.lines),
            ),
        )


class Generous(Spoiled):
    """What nobody knows costs nothing."""

    def change(self, decide: Decide, job: Job | None) -> Change:
        """Put a zero where no amount is."""
        change = decide(job)
        return replace(
            change, lines=tuple(replace(each, kind="charge", amount=each.amount or NOTHING) for each in change.lines)
        )


class Deaf(Spoiled):
    """Alerts are never cleared."""

    def change(self, decide: Decide, job: Job | None) -> Change:
        """Drop what clears."""
        return replace(decide(job), cleared=())


class Mute(Spoiled):
    """Events are kept, and the downloader is not told."""

    def change(self, decide: Decide, job: Job | None) -> Change:
        """Drop a delivery."""
        change = decide(job)
        return replace(change, told=tuple(replace(each, deliveries=each.deliveries[:1]) for each in change.told))


class Hasty(Spoiled):
    """Callbacks are answered and not kept."""

    async def apply(self, job_id: str, decide: Decide, evidence: Evidence | None = None) -> Applied:
        """Drop the evidence."""
        return await super().apply(job_id, decide, None)


class Idle(Spoiled):
    """Nobody comes back to a job once it runs."""

    def change(self, decide: Decide, job: Job | None) -> Change:
        """Plan nothing."""
        change = decide(job)
        if change.job is None or change.job.state is not JobState.RUNNING:
            return change
        return replace(change, job=replace(change.job, next_at=None))


class Insistent(Net):
    """What was not answered is sent again."""

    async def call(self, method: str, url: str, **how: Any) -> Answer:
        """Call twice if need be."""
        try:
            return await super().call(method, url, **how)
        except Unanswered:
            return await super().call(method, url, **how)


def spoiled(kind: type[Spoiled]) -> Bug:
    """A mistake in the store."""
    return Bug(store=lambda store: cast("Store", kind(store)))


#: mistake -> the mistake, and a pattern for what finds it
MISTAKES = {
    "a verdict does not end a job": (
        spoiled(Forgetful),
        "do not go together|verdict on .* changed|UNIQUE .* events.job_id",
    ),
    "charges are booked twice": (spoiled(Greedy), "in the ledger"),
    "unknown is zero": (spoiled(Generous), "a line of zero|: 0 in the ledger"),
    "alerts are not cleared": (spoiled(Deaf), "stands for|job.unknown: "),
    "a delivery is left out": (spoiled(Mute), "video|alert"),
    "callbacks are acknowledged and not kept": (spoiled(Hasty), "was acknowledged and is missing"),
    "nobody looks": (spoiled(Idle), "nobody comes back"),
    "a lost answer is sent again": (Bug(net=lambda _: Insistent(public_only=False)), "was sent again"),
}
