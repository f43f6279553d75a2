"""SqlStore: the promise of `protocol.py`, kept over SQLite or PostgreSQL by the same statements.

Writes go through the writer's thread, reads through a few threads with connections that cannot write. Nothing here
decides anything; each method hands on to the module of its subject.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from receiver.store import batch, care, deliveries, evidence, jobs, money, rates, tables
from receiver.store.batch import Batch, Step
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
    Rate,
    Totals,
)
from receiver.store.rows import clean
from receiver.store.writer import Backend, Trial, Tx, Verdict, Writer, unavailable
from schemas.errors import StoreUnavailable
from schemas.event import Event
from schemas.job import Job

P = ParamSpec("P")
T = TypeVar("T")


class Engines(Backend, Protocol):
    """A backend as the store needs it."""

    readers: Engine
    is_exclusive: bool

    def close(self) -> None:
        """Close all connections and let go of what is held."""
        ...


class SqlStore:
    """The durable memory. See `protocol.Store`."""

    def __init__(self, engines: Engines) -> None:
        self._engines = engines
        self._writer = Writer(engines, run_steps)
        self._readers = ThreadPoolExecutor(4, thread_name_prefix="store-reader")
        self._writer.start()

    async def close(self) -> None:
        """Finish what is queued, checkpoint, let go of the file."""
        await asyncio.to_thread(self.close_now)

    def close_now(self) -> None:
        """The same where there is no event loop."""
        self._writer.close()
        self._readers.shutdown()
        self._engines.close()

    async def _read(self, read: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        def run() -> T:
            with self._engines.readers.connect() as connection:
                return read(connection, *args, **kwargs)

        def attempt() -> T:
            with Trial() as trial:
                return run()
            error = trial.error
            if error is not None and self._engines.may_redo(error):
                with Trial() as trial:
                    return run()
            assert trial.error is not None
            raise unavailable(trial.error) if self._engines.is_outage(trial.error) else trial.error

        try:
            future = self._readers.submit(attempt)
        except RuntimeError as error:
            raise StoreUnavailable("the store is closed") from error
        return await asyncio.wrap_future(future)

    # --- jobs ---

    async def place(self, job: Job, order: bytes, *, admit: Callable[[Totals], None] | None = None) -> Placed:
        placed: Placed = await self._writer.work(lambda tx: jobs.place(tx, job, order, admit))
        return placed

    async def apply(self, job_id: str, decide: Decide, evidence: Evidence | None = None) -> Applied:
        applied: Applied = await self._writer.step(jobs.Apply(job_id, decide, evidence))
        return applied

    async def claim_jobs(self, now: int, until: int, limit: int) -> list[Job]:
        claimed: list[Job] = await self._writer.work(lambda tx: jobs.claim_jobs(tx, now, until, limit))
        return claimed

    async def extend_jobs(self, fences: Mapping[str, int], until: int) -> None:
        await self._writer.work(lambda tx: jobs.extend_jobs(tx, fences, until))

    async def job(self, job_id: str) -> Job | None:
        return await self._read(jobs.read_job, tables.jobs.c.id == clean(job_id))

    async def job_by_key(self, idempotency_key: str) -> Job | None:
        return await self._read(jobs.read_job, tables.jobs.c.idempotency_key == clean(idempotency_key))

    async def job_by_vendor_id(self, account: str, vendor_job_id: str) -> Job | None:
        same = (tables.jobs.c.account == clean(account)) & (tables.jobs.c.vendor_job_id == clean(vendor_job_id))
        return await self._read(jobs.read_job, same)

    async def jobs(self, query: Query) -> list[Job]:
        return await self._read(jobs.read_jobs, query)

    async def event_ids(self, job_ids: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        return await self._read(evidence.read_event_ids, job_ids)

    async def body(self, sha256: str) -> bytes | None:
        return await self._read(evidence.read_body, sha256)

    # --- what was sent, what was told ---

    async def evidence(self, query: Query) -> list[Mapping[str, Any]]:
        return await self._read(evidence.read_evidence, query)

    async def events(self, query: Query) -> list[Event]:
        return await self._read(evidence.read_events, query)

    async def ledger(self, query: Query) -> list[Line]:
        return await self._read(money.read_ledger, query)

    async def ledger_sums(self, by: str) -> list[Mapping[str, Any]]:
        return await self._read(money.read_sums, by)

    async def alerts(self, query: Query) -> list[Mapping[str, Any]]:
        return await self._read(care.read_alerts, query)

    async def clips(self, query: Query) -> list[Clip]:
        return await self._read(care.read_clips, query)

    async def alert(self, change: AlertRaised | AlertCleared) -> bool:
        took: bool = await self._writer.step(batch.Alert(change))
        return took

    # --- deliveries ---

    async def claim_deliveries(self, handler: str, now: int, until: int, limit: int) -> list[Claimed]:
        found = await self._writer.work(lambda tx: deliveries.claim(tx, handler, now, until, limit))
        return deliveries.read_claimed(found)

    async def extend_deliveries(self, fences: Mapping[str, int], until: int) -> None:
        await self._writer.work(lambda tx: deliveries.extend(tx, fences, until))

    async def finish_delivery(self, delivery_id: str, fence: int, finish: Finish) -> bool:
        took: bool = await self._writer.step(deliveries.End(delivery_id, fence, finish))
        return took

    async def deliveries(self, query: Query) -> list[Delivery]:
        return await self._read(deliveries.read_deliveries, query)

    async def retry_deliveries(self, ids: Sequence[str], now: int) -> list[str]:
        again: list[str] = await self._writer.work(lambda tx: deliveries.retry(tx, ids, now))
        return again

    async def replay(self, event_id: str, deliveries_: Sequence[NewDelivery], now: int, *, again: bool) -> list[str]:
        will_run: list[str] = await self._writer.work(
            lambda tx: deliveries.replay(tx, event_id, deliveries_, now, again=again)
        )
        return will_run

    async def adopt_handlers(self, names: Sequence[str], now: int) -> Mapping[str, int]:
        parked: Mapping[str, int] = await self._writer.work(lambda tx: deliveries.adopt(tx, names, now))
        return parked

    async def release_leases(self, now: int) -> None:
        if self._engines.is_exclusive:
            await self._writer.work(lambda tx: _release(tx, now))

    # --- limits ---

    async def take_turn(self, account: str, kind: str, rates_: Sequence[Rate], now: int) -> int:
        again: int = await self._writer.work(lambda tx: rates.take_turn(tx, account, kind, rates_, now))
        return again

    # --- care ---

    def subscribe(self, listener: Callable[[Changed], None]) -> Callable[[], None]:
        return self._writer.subscribe(listener)

    async def counts(self) -> Mapping[str, int]:
        return await self._read(care.read_counts)

    async def check(self) -> None:
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
        verdict = Verdict()
        with Trial() as trial:
            verdict.result = step.decide(whole)
        verdict.error = trial.error
        if trial.error is None:
            # outside of the trial: what fails here may be half done, and undoes the whole batch
            verdict.result = step.ask(whole, verdict.result)
        verdicts.append(verdict)
    whole.flush()
    return verdicts
