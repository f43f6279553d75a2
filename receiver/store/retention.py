"""Retention: what is old enough goes, a few rows in each transaction. The ledger and the list of saved files stay.

A job and all that is about it stays whole while it is unsettled, while something about it is undelivered, or while an
alert about it stands. Rows are gone through by their ids, which sort by time, so that a step costs the same whatever
the tables hold: each answers where the next one begins. Bodies go with the last row that refers to them.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Table, and_, case, exists, func, or_, select

from receiver.store import tables
from receiver.store.protocol import Swept
from receiver.store.writer import Tx
from schemas.event import EventType
from schemas.job import JobState

#: Rows that one step looks at; a step about jobs looks at fewer, because each has evidence and events.
STEP, JOBS_STEP = 200, 20
#: How many pieces of evidence or events of one job go in one step.
PART = 500
#: States in which nothing can come of a job any more.
OVER = tuple(state.value for state in (JobState.COMPLETED, JobState.FAILED, JobState.REJECTED))
_jobs, _evidence, _events = tables.jobs.c, tables.evidence.c, tables.events.c
_deliveries, _alerts = tables.deliveries.c, tables.alerts.c


def sweep(tx: Tx, kind: str, before: int, after: str) -> Swept:
    """Let go of what is older than `before`, from the id `after` on. `kind`: evidence, events, alerts or jobs."""
    if kind == "jobs":
        return _sweep_jobs(tx, before, after)
    if kind == "alerts":
        return _sweep_alerts(tx, before, after)
    return _sweep_evidence(tx, before, after) if kind == "evidence" else _sweep_events(tx, before, after)


# --- what has to stay --------------------------------------------------------------------------------------


def _is_about_something_alive(job_id: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether a job of this id is unsettled, has something undelivered, or an alert that stands."""
    # aliases: the row that is judged may be of the same table
    job, event = tables.jobs.alias().c, tables.events.alias().c
    unsettled = exists().where(job.id == job_id, job.state.not_in(OVER))
    undelivered = exists().where(event.job_id == job_id, _deliveries.event_id == event.id, _deliveries.state != "done")
    alarmed = exists().where(_alerts.job_id == job_id, _alerts.cleared_at.is_(None))
    return or_(unsettled, undelivered, alarmed)


# --- steps -------------------------------------------------------------------------------------------------


def _sweep_evidence(tx: Tx, before: int, after: str) -> Swept:
    alive = _is_about_something_alive(_evidence.job_id)
    rows = _page(tx, tables.evidence, _evidence.at, after, STEP, alive)
    ids, end = _old(rows, before, STEP)
    _drop_evidence(tx, ids)
    return Swept(len(ids), end)


def _sweep_events(tx: Tx, before: int, after: str) -> Swept:
    undelivered = exists().where(_deliveries.event_id == _events.id, _deliveries.state != "done")
    # an alert is raised in the same microsecond in which its event is received
    standing = and_(
        _events.type == EventType.RAISED.value,
        exists().where(_alerts.raised_at == _events.received_at, _alerts.cleared_at.is_(None)),
    )
    alive = or_(_is_about_something_alive(_events.job_id), undelivered, standing)
    rows = _page(tx, tables.events, _events.received_at, after, STEP, alive)
    ids, end = _old(rows, before, STEP)
    _drop_events(tx, ids)
    return Swept(len(ids), end)


def _sweep_alerts(tx: Tx, before: int, after: str) -> Swept:
    """Alerts that were cleared; they go with the events that told of them."""
    rows = _page(tx, tables.alerts, _alerts.raised_at, after, STEP, _alerts.cleared_at.is_(None))
    ids, end = _old(rows, before, STEP)
    ids = list(
        tx.connection.execute(select(_alerts.id).where(_alerts.id.in_(ids), _alerts.cleared_at < before)).scalars()
    )
    _delete(tx, tables.alerts, ids)
    return Swept(len(ids), end)


def _sweep_jobs(tx: Tx, before: int, after: str) -> Swept:
    settled = func.coalesce(_jobs.settled_at, _jobs.created_at)
    alive = or_(_is_about_something_alive(_jobs.id), settled >= before)
    rows = _page(tx, tables.jobs, _jobs.created_at, after, JOBS_STEP, alive)
    ids, end = _old(rows, before, JOBS_STEP)
    gone = [job_id for job_id in ids if _is_bare(tx, job_id)]
    if gone:
        bodies = _of(tx, _jobs.order_sha256, _jobs.id, gone)
        _delete(tx, tables.alerts, _of(tx, _alerts.id, _alerts.job_id, gone))
        _delete(tx, tables.jobs, gone)
        _drop_bodies(tx, bodies)
        tx.changed.jobs.update(gone)
    # a job with more about it than goes in one step is where the next one begins
    return Swept(len(gone), end if len(gone) == len(ids) else after)


def _is_bare(tx: Tx, job_id: str) -> bool:
    """Drop a part of what is about a job; whether that was all."""
    evidence = _of(tx, _evidence.id, _evidence.job_id, [job_id], PART)
    _drop_evidence(tx, evidence)
    events = _of(tx, _events.id, _events.job_id, [job_id], PART)
    _drop_events(tx, events)
    return len(evidence) < PART and len(events) < PART


def _page(
    tx: Tx, table: Table, at: ColumnElement[int], after: str, size: int, alive: ColumnElement[bool]
) -> Sequence[Any]:
    """The next rows by id: when they came, and whether they have to stay."""
    stays = case((alive, 1), else_=0)
    page = select(table.c.id, at, stays).where(table.c.id > after).order_by(table.c.id).limit(size)
    return tx.connection.execute(page).fetchall()


def _old(rows: Sequence[Any], before: int, size: int) -> tuple[list[str], str | None]:
    """The ids that go, and where the next step begins; None: what follows is not old enough."""
    ids: list[str] = []
    for id_, at, stays in rows:
        if at >= before:
            return ids, None
        if not stays:
            ids.append(id_)
    return ids, rows[-1][0] if len(rows) == size else None


# --- deleting ----------------------------------------------------------------------------------------------


def _drop_evidence(tx: Tx, ids: Sequence[str]) -> None:
    bodies = _of(tx, _evidence.sha256, _evidence.id, ids)
    _delete(tx, tables.evidence, ids)
    _drop_bodies(tx, bodies)


def _drop_events(tx: Tx, ids: Sequence[str]) -> None:
    deliveries = _of(tx, _deliveries.id, _deliveries.event_id, ids)
    tx.connection.execute(tables.attempts.delete().where(tables.attempts.c.delivery_id.in_(deliveries)))
    _delete(tx, tables.deliveries, deliveries)
    _delete(tx, tables.events, ids)


def _drop_bodies(tx: Tx, candidates: Iterable[str]) -> None:
    """Drop bytes that nothing refers to any more."""
    bodies = tables.bodies.c.sha256
    ours = bodies.in_(sorted(set(candidates)))
    # who keeps the same bytes at this moment has to be through first, or to wait for us
    tx.connection.execute(select(bodies).where(ours).order_by(bodies).with_for_update())
    unused = (
        ours,
        ~exists().where(_evidence.sha256 == bodies),
        ~exists().where(_jobs.order_sha256 == bodies),
    )
    tx.connection.execute(tables.bodies.delete().where(*unused))


def _of(
    tx: Tx, wanted: ColumnElement[Any], column: ColumnElement[Any], values: Sequence[str], limit: int | None = None
) -> list[str]:
    if not values:
        return []
    found = select(wanted).where(column.in_(values), wanted.is_not(None)).limit(limit)
    return list(tx.connection.execute(found).scalars())


def _delete(tx: Tx, table: Table, ids: Sequence[str]) -> None:
    if ids:
        tx.connection.execute(table.delete().where(table.c.id.in_(ids)))
