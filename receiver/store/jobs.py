"""Jobs in the store: placed, decided upon, claimed, looked up."""

from collections.abc import Callable, Mapping

from msgspec import Struct
from sqlalchemy import Connection, bindparam, select

from receiver.store import sql, tables
from receiver.store.batch import Batch, Needs, insert_jobs, keep_bodies
from receiver.store.lists import Condition, by, by_tag, listed
from receiver.store.money import read_totals
from receiver.store.protocol import Applied, Change, Decide, Evidence, Placed, Query, Totals
from receiver.store.rates import has_place
from receiver.store.rows import JOB_COLUMNS, clean, job_of
from receiver.store.writer import Tx, hold_latch
from schemas.errors import Taken, VendorBusy
from schemas.job import Job, JobState
from schemas.values import replace

#: Seconds after which a place at the vendor may have become free.
WAIT_FOR_PLACE = 20.0
#: How many jobs are hastened in one commit.
HASTENED = 500
_jobs = tables.jobs.c
_all = [_jobs[name] for name in JOB_COLUMNS]


_BY: Mapping[str, Condition] = {
    **by(tables.jobs, "state vendor account origin batch vendor_job_id model settled_by"),
    "tag": by_tag(_jobs.id),
}


# --- writing ---------------------------------------------------------------------------------------------


class Apply(Struct, frozen=True):
    """One decision about a job, with the evidence that led to it."""

    job_id: str
    decision: Decide
    evidence: Evidence | None

    def need(self, needs: Needs) -> None:
        """The job's row, and whether the evidence is there already."""
        needs.jobs.add(self.job_id)
        if self.evidence is not None:
            needs.evidence.add(self.evidence.id)

    def decide(self, batch: Batch) -> Applied:
        """Decide on the row as it stands, unless the evidence was decided upon before."""
        job = batch.jobs.get(self.job_id)
        known = self._known(batch)
        if known is not None:
            return Applied(job, Change(verdict=known))
        change = self.decision(job)
        return Applied(None if change.forget else change.job or job, change)

    def ask(self, batch: Batch, decided: Applied) -> Applied:
        """Ask for all that the change wants."""
        if self._known(batch) is not None:
            return decided
        change = decided.change
        if self.evidence is not None:
            batch.keep(self.evidence, change.verdict)
        batch.jobs[self.job_id] = decided.job
        for line in change.lines:
            batch.book(line)
        batch.follow(change.told, change.raised, change.cleared)
        return decided

    def _known(self, batch: Batch) -> str | None:
        return None if self.evidence is None else batch.verdicts.get(self.evidence.id)


def place(
    tx: Tx, job: Job, order: bytes, admit: Callable[[Totals], None] | None = None, max_open: int | None = None
) -> Placed:
    """Keep a new job, or answer the one that was there first."""
    first = _first(tx, job)
    if first is not None:
        return Placed(first, is_new=first.id == job.id)
    if max_open is not None and not has_place(tx, job.account, max_open):
        text = (
            f"{job.account} has {max_open} jobs open, which is all that it takes; try again later, or queue the order."
        )
        raise VendorBusy(text, retry_after=WAIT_FOR_PLACE)
    if admit is not None:
        # one at a time: two orders must not both find room for one
        hold_latch(tx, "admit")
        admit(read_totals(tx.connection, job.created_at))
    if job.order_sha256 is not None:
        keep_bodies(tx, {job.order_sha256: order})
    if not insert_jobs(tx, [job], "ON CONFLICT DO NOTHING"):
        first = _first(tx, job)
        if first is None:
            raise Taken(f"{job.account} has the job {job.vendor_job_id} already, under another id.")
        return Placed(first, is_new=first.id == job.id)
    tx.changed.jobs.add(job.id)
    return Placed(job, is_new=True)


def _first(tx: Tx, job: Job) -> Job | None:
    return read_job(tx.connection, "id", job.id) or read_job_by_key(tx.connection, job.idempotency_key)


def claim_jobs(tx: Tx, now: int, until: int, limit: int) -> list[Job]:
    """Take due jobs, earliest first."""
    rest = "FROM jobs WHERE next_at <= ? ORDER BY next_at LIMIT ?"
    due = sql.fetch(tx.connection, JOB_COLUMNS, rest, [now, limit], f"{tx.row_lock} SKIP LOCKED")
    found = [job_of(row) for row in due]
    rows = [(job.id, until, until, job.fence + 1) for job in found]
    sql.update(tx.connection, tables.jobs, ("next_at", "held_until", "fence"), rows)
    return [replace(job, next_at=until, fence=job.fence + 1) for job in found]


def extend_jobs(tx: Tx, fences: Mapping[str, int], until: int) -> None:
    """Hold jobs longer; one that was settled or planned anew meanwhile is left alone."""
    if not fences:
        return
    held = (
        tables.jobs.update()
        .where(_jobs.id == bindparam("job"), _jobs.fence == bindparam("ours"), _jobs.next_at < until)
        .values(next_at=until, held_until=until)
    )
    tx.connection.execute(held, [{"job": id_, "ours": fence} for id_, fence in sorted(fences.items())])


def hasten_jobs(tx: Tx, account: str | None, now: int, *, expecting: bool) -> int:
    """Make due some jobs at their vendor; answers how many."""
    expects = (_jobs.callback == 1) & (_jobs.looks == 0)
    waiting = [_jobs.state == JobState.RUNNING.value, expects if expecting else ~expects]
    waiting += [_jobs.next_at > now, _jobs.held_until.is_(None)]
    if account is not None:
        waiting.append(_jobs.account == account)
    some = select(_jobs.id).where(*waiting).order_by(_jobs.id).limit(HASTENED)
    return tx.connection.execute(tables.jobs.update().where(_jobs.id.in_(some), *waiting).values(next_at=now)).rowcount


def release_jobs(tx: Tx, now: int) -> None:
    """Make due whatever a dead process held: claimed, or in the middle of a submission."""
    held = _jobs.held_until.is_not(None) | (_jobs.state == JobState.SUBMITTING.value)
    tx.connection.execute(tables.jobs.update().where(_jobs.next_at > now, held).values(next_at=now, held_until=None))


# --- reading ---------------------------------------------------------------------------------------------


def read_job(connection: Connection, name: str, value: str) -> Job | None:
    """Read the job with a unique column of this value."""
    found = sql.fetch(connection, JOB_COLUMNS, f"FROM jobs WHERE {name} = ?", [clean(value)])
    return job_of(found[0]) if found else None


def read_job_by_key(connection: Connection, key: str | None) -> Job | None:
    """Read the job that holds an idempotency key."""
    return None if key is None else read_job(connection, "idempotency_key", key)


def read_job_by_vendor_id(connection: Connection, account: str, vendor_job_id: str) -> Job | None:
    """Read the job that has this id at its vendor."""
    rest = "FROM jobs WHERE account = ? AND vendor_job_id = ?"
    found = sql.fetch(connection, JOB_COLUMNS, rest, [clean(account), clean(vendor_job_id)])
    return job_of(found[0]) if found else None


def read_line(connection: Connection, account: str, limit: int) -> list[Job]:
    """The queued orders of an account that wait for nothing but their turn, the oldest first."""
    rest = f"FROM jobs WHERE account = ? AND {tables.IN_LINE} ORDER BY id LIMIT ?"
    return [job_of(row) for row in sql.fetch(connection, JOB_COLUMNS, rest, [clean(account), limit])]


def read_jobs(connection: Connection, query: Query) -> list[Job]:
    """List jobs."""
    return [job_of(row) for row in listed(connection, tables.jobs, JOB_COLUMNS, query, _BY)]
