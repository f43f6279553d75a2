"""SqlStore: the promise of `protocol.py`, kept over SQLite or PostgreSQL by the same statements.

Writes go through the writer's thread, reads through a few threads with connections that cannot write. Nothing here
decides anything; each method hands on to the module of its subject.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from receiver.store import (
    batch,
    batches,
    care,
    deliveries,
    evidence,
    findings,
    gates,
    jobs,
    money,
    pauses,
    rates,
    retention,
    seen,
    surveys,
)
from receiver.store.accounts import Begun, Demand, Gate, Past, Rate, Spot, Standing
from receiver.store.auditing import Finding, FindingSum
from receiver.store.backend import Backend
from receiver.store.batch import Batch, Step
from receiver.store.parking import Pause
from receiver.store.protocol import (
    AlertCleared,
    AlertRaised,
    Applied,
    Changed,
    Claimed,
    Clip,
    Decide,
    Delivery,
    Evidence,
    Finish,
    Line,
    NewDelivery,
    Placed,
    Query,
    Swept,
    Totals,
)
from receiver.store.readers import Readers
from receiver.store.writer import Tx, Verdict, Writer
from schemas.errors import StoreUnavailable
from schemas.event import Event
from schemas.job import Job


class SqlStore:
    """The durable memory. See `protocol.Store`."""

    def __init__(self, engines: Backend) -> None:
        self._engines = engines
        self._writer = Writer(engines, run_steps)
        self._readers = Readers(engines)
        self._closed = False
        self._writer.start()

    async def close(self) -> None:
        """Finish what is queued, checkpoint, let go of the file."""
        await asyncio.to_thread(self.close_now)

    def close_now(self) -> None:
        """The same where there is no event loop. Once is enough, and more do no harm."""
        if self._closed:
            return
        self._closed = True
        self._writer.close()
        self._readers.close()
        self._engines.close()

    # --- jobs ---

    async def place(
        self,
        job: Job,
        order: bytes,
        *,
        admit: Callable[[Totals], None] | None = None,
        max_open: int | None = None,
    ) -> Placed:
        """Keep a new job and the bytes of its order."""
        return await self._writer.work(lambda tx: jobs.place(tx, job, order, admit, max_open), refuses=True)

    async def begin_order(
        self, job_id: str, demand: Demand, now: int, until: int, *, admit: Callable[[Totals], None] | None = None
    ) -> Begun:
        """Take a turn for a queued job and make it `submitting`."""
        return await self._writer.work(
            lambda tx: rates.begin_order(tx, job_id, demand, now, until, admit), refuses=True
        )

    async def line(self, account: str, limit: int) -> list[Job]:
        """The queued orders of an account that wait for their turn."""
        return await self._readers.read(jobs.read_line, account, limit)

    async def spot(self, job: Job) -> Spot:
        """Where a queued order stands."""
        return await self._readers.read(surveys.read_spot, job)

    async def hasten_jobs(self, account: str | None, now: int, *, expecting: bool) -> int:
        """Make due the jobs at their vendor."""
        number = 0
        while more := await self._writer.work(lambda tx: jobs.hasten_jobs(tx, account, now, expecting=expecting)):
            number += more
        return number

    def apply(self, job_id: str, decide: Decide, evidence: Evidence | None = None) -> asyncio.Future[Applied]:
        """Lock the job, decide, and write everything that the change asks for."""
        return self._writer.step(jobs.Apply(job_id, decide, evidence))

    async def claim_jobs(self, now: int, until: int, limit: int) -> list[Job]:
        """Take the jobs that are due."""
        return await self._writer.work(lambda tx: jobs.claim_jobs(tx, now, until, limit))

    async def extend_jobs(self, fences: Mapping[str, int], until: int) -> None:
        """Hold jobs longer."""
        await self._writer.work(lambda tx: jobs.extend_jobs(tx, fences, until))

    async def job(self, job_id: str) -> Job | None:
        """Read one job."""
        return await self._readers.read(jobs.read_job, "id", job_id)

    async def job_by_key(self, idempotency_key: str) -> Job | None:
        """Read the job that holds an idempotency key."""
        return await self._readers.read(jobs.read_job_by_key, idempotency_key)

    async def job_by_vendor_id(self, account: str, vendor_job_id: str) -> Job | None:
        """Read the job that has this id at its vendor."""
        return await self._readers.read(jobs.read_job_by_vendor_id, account, vendor_job_id)

    async def jobs(self, query: Query) -> list[Job]:
        """List jobs."""
        return await self._readers.read(jobs.read_jobs, query)

    async def event_ids(self, job_ids: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        """The events of each of these jobs, oldest first."""
        return await self._readers.read(evidence.read_event_ids, job_ids)

    async def body(self, sha256: str) -> bytes | None:
        """Read kept bytes."""
        return await self._readers.read(evidence.read_body, sha256)

    # --- what was sent, what was told ---

    async def evidence(self, query: Query) -> list[Mapping[str, Any]]:
        """List evidence in the contract's shape."""
        return await self._readers.read(evidence.read_evidence, query)

    async def events(self, query: Query) -> list[Event]:
        """List events."""
        return await self._readers.read(evidence.read_events, query)

    async def ledger(self, query: Query) -> list[Line]:
        """List money lines."""
        return await self._readers.read(money.read_ledger, query)

    async def ledger_sums(self, by: str) -> list[Mapping[str, Any]]:
        """Sum lines and open estimates."""
        return await self._readers.read(money.read_sums, by)

    async def findings(self, query: Query, savers: Sequence[str]) -> list[Finding]:
        """List what does not add up."""
        return await self._readers.read(findings.read_findings, query, savers)

    async def finding_sums(self, query: Query, savers: Sequence[str]) -> list[FindingSum]:
        """Count and sum what does not add up."""
        return await self._readers.read(findings.read_sums, query, savers)

    async def totals(self, at: int) -> Totals:
        """What is spent and reserved in a UTC day and month."""
        return await self._readers.read(money.read_totals, at)

    async def batch(self, batch_: str) -> Mapping[str, Any] | None:
        """How the orders of a batch stand."""
        return await self._readers.read(batches.read_batch, batch_)

    async def seen(self, account: str) -> Mapping[str, Any]:
        """What the newest jobs of an account show."""
        return await self._readers.read(seen.read_seen, account)

    async def alerts(self, query: Query) -> list[Mapping[str, Any]]:
        """List alerts."""
        return await self._readers.read(care.read_alerts, query)

    async def clips(self, query: Query) -> list[Clip]:
        """List saved files."""
        return await self._readers.read(care.read_clips, query)

    async def revoke_link(self, job_id: str, now: int) -> None:
        """Note that no living link of a job shall open any more."""
        await self._writer.work(lambda tx: care.revoke_link(tx, job_id, now))

    async def is_link_revoked(self, job_id: str) -> bool:
        """Whether a job's links were revoked."""
        return await self._readers.read(care.is_link_revoked, job_id)

    async def alert(self, change: AlertRaised | AlertCleared) -> bool:
        """Raise or clear one alert."""
        took: bool = await self._writer.step(batch.Alert(change))
        return took

    # --- deliveries ---

    async def claim_deliveries(
        self, handler: str, now: int, until: int, limit: int, *, again: int | None = None
    ) -> list[Claimed]:
        """Take due deliveries of one handler."""
        wish = deliveries.Wish(handler, now, limit, again)
        found = await self._writer.work(lambda tx: deliveries.claim(tx, wish, until))
        return deliveries.read_claimed(found)

    async def extend_deliveries(self, fences: Mapping[str, int], until: int) -> None:
        """Hold deliveries longer."""
        await self._writer.work(lambda tx: deliveries.extend(tx, fences, until))

    async def finish_delivery(self, delivery_id: str, fence: int, finish: Finish) -> bool:
        """Record how an attempt ended."""
        took: bool = await self._writer.step(deliveries.End(delivery_id, fence, finish))
        return took

    async def deliveries(self, query: Query) -> list[Delivery]:
        """List deliveries with their attempts."""
        return await self._readers.read(deliveries.read_deliveries, query)

    async def short_of_room(self) -> Sequence[str]:
        """The folders at which deliveries find no room."""
        return await self._readers.read(deliveries.read_short_of_room)

    async def retry_deliveries(self, ids: Sequence[str], now: int) -> list[str]:
        """Make dead and waiting deliveries due now."""
        return await self._writer.work(lambda tx: deliveries.retry(tx, ids, now))

    async def replay(self, event_id: str, deliveries_: Sequence[NewDelivery], now: int, *, again: bool) -> list[str]:
        """Deliver an event again."""
        return await self._writer.work(lambda tx: deliveries.replay(tx, event_id, deliveries_, now, again=again))

    async def adopt_handlers(self, names: Sequence[str], now: int) -> Mapping[str, int]:
        """Park what waits for handlers that are gone."""
        return await self._writer.work(lambda tx: deliveries.adopt(tx, names, now))

    async def pause_handler(self, pause: Pause, raised: AlertRaised | None = None) -> None:
        """Pause a handler, or give its pause another end."""
        await self._writer.step(pauses.Begin(pause, raised))

    async def resume_handler(self, handler: str, cleared: AlertCleared) -> bool:
        """End a handler's pause."""
        ended: bool = await self._writer.step(pauses.End(handler, cleared))
        return ended

    async def pauses(self) -> list[Pause]:
        """All handlers that are paused."""
        return await self._readers.read(pauses.read)

    async def park_deliveries(self, handler: str, now: int) -> int:
        """Park what waits for a handler."""
        return await self._writer.work(lambda tx: pauses.park(tx, handler, now))

    async def unpark_deliveries(self, handler: str, now: int, limit: int) -> int:
        """Make due the newest parked deliveries of a handler."""
        return await self._writer.work(lambda tx: pauses.unpark(tx, handler, now, limit))

    async def claim_probe(self, handler: str, now: int, until: int) -> Claimed | None:
        """Take one parked delivery of a handler whose pause has ended."""
        found = await self._writer.work(lambda tx: pauses.probe(tx, handler, now, until))
        return next(iter(deliveries.read_claimed(found)), None)

    async def parked(self) -> Mapping[str, int]:
        """How many deliveries are parked, by handler."""
        return await self._readers.read(pauses.read_parked)

    async def release_leases(self, now: int) -> None:
        """Make due whatever a dead process held."""
        if self._engines.is_exclusive:
            await self._writer.work(lambda tx: _release(tx, now))

    # --- limits ---

    async def take_turn(
        self, account: str, kind: str, rates_: Sequence[Rate], now: int, *, max_open: int | None = None
    ) -> int:
        """Count one call, or say when to ask again."""
        demand = Demand(account, rates_, max_open)
        return await self._writer.work(lambda tx: rates.take_turn(tx, kind, demand, now))

    async def close_gate(self, gate: Gate) -> None:
        """Close an account for a kind of calls."""
        await self._writer.work(lambda tx: gates.close(tx, gate))

    async def open_gates(self, account: str, kinds: Sequence[str]) -> tuple[int, int]:
        """Open the stopped gates of an account."""
        return await self._writer.work(lambda tx: gates.open_(tx, account, kinds))

    async def gates(self) -> list[Gate]:
        """All gates."""
        return await self._readers.read(gates.read)

    # --- what this installation knows of its accounts ---

    async def standings(self) -> list[Standing]:
        """Count what is open."""
        return await self._readers.read(surveys.read_standings)

    async def used_turns(self, account: str, rates_: Sequence[Rate], now: int) -> list[int]:
        """How many calls each window holds now."""
        return await self._readers.read(surveys.read_used, account, rates_, now)

    async def recent_past(self, limit: int) -> list[Past]:
        """The newest jobs that were settled."""
        return await self._readers.read(surveys.read_past, limit)

    async def latest_callbacks(self, after: str) -> Mapping[str, tuple[str, int]]:
        """Each account's latest callback after some evidence."""
        return await self._readers.read(surveys.read_callbacks, after)

    # --- care ---

    def subscribe(self, listener: Callable[[Changed], None]) -> Callable[[], None]:
        """Have a listener called after each commit."""
        return self._writer.subscribe(listener)

    async def sweep(self, kind: str, before: int, after: str = "") -> Swept:
        """Delete a few rows that are old enough."""
        return await self._writer.work(lambda tx: retention.sweep(tx, kind, before, after))

    async def counts(self) -> Mapping[str, int]:
        """Rows that matter for health."""
        return await self._readers.read(care.read_counts)

    async def check(self) -> None:
        """Commit something small."""
        await self._writer.work(care.beat)
        if self._writer.trouble is not None:
            raise StoreUnavailable(f"the store commits, but its housekeeping fails: {self._writer.trouble}")


def _release(tx: Tx, now: int) -> None:
    jobs.release_jobs(tx, now)
    deliveries.release(tx, now)


def run_steps(tx: Tx, steps: Sequence[Step]) -> list[Verdict]:
    """Decide all steps on rows that were read together, and write all that they ask for together."""
    whole = Batch(tx, steps)
    verdicts = []
    for step in steps:
        try:
            decided = step.decide(whole)
        except Exception as error:  # noqa: BLE001 - it is this step's alone, and goes to its caller
            verdicts.append(Verdict(error=error))
        else:
            # what fails here may be half done, and undoes the whole batch
            verdicts.append(Verdict(step.ask(whole, decided)))
    whole.flush()
    return verdicts
