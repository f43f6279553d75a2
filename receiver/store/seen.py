"""Seen: what this installation has seen of each of its accounts, from the newest jobs of each. Reads only."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, Subquery, case, exists, func, select

from receiver.store import tables
from receiver.store.rows import clean
from schemas.event import MICROS, Source
from schemas.job import JobState

#: The newest jobs of an account say how its vendor fares now, and cost the same however many there were before.
NEWEST = 1000
_jobs, _evidence = tables.jobs.c, tables.evidence.c


def read_seen(connection: Connection, account: str) -> Mapping[str, Any]:
    """Jobs by state, callbacks on time, late and lost, and the median seconds from acceptance to a completed clip.

    On time: the verdict came by callback before the job was overdue. Late: by callback after that, or a callback came
    once a look had found the verdict. Lost: a look found it, and no callback ever came.
    """
    newest = _newest(account)
    states = select(newest.c.state, func.count()).group_by(newest.c.state).order_by(newest.c.state)
    sums = connection.execute(select(*(func.sum(case((said, 1), else_=0)) for said in _callbacks(newest)))).one()
    on_time, late, lost = (int(number or 0) for number in sums)
    by_state = {row[0]: int(row[1]) for row in connection.execute(states)}
    return {
        "jobs": sum(by_state.values()),
        "states": by_state,
        "callbacks": {"on_time": on_time, "late": late, "lost": lost},
        "median_seconds": _median(connection, newest),
    }


def _newest(account: str) -> Subquery:
    wanted = (_jobs.id, _jobs.state, _jobs.callback, _jobs.settled_by, _jobs.overdue_at, _jobs.submitted_at)
    newest = select(*wanted, _jobs.created_at, _jobs.settled_at).where(_jobs.account == clean(account))
    return newest.order_by(_jobs.id.desc()).limit(NEWEST).subquery()


def _callbacks(newest: Subquery) -> tuple[ColumnElement[bool], ...]:
    job = newest.c
    told = (job.callback == 1) & (job.settled_by == Source.CALLBACK.value)
    found = (job.callback == 1) & job.settled_by.in_([Source.POLL.value, Source.HISTORY.value])
    came = exists().where(_evidence.job_id == job.id, _evidence.kind == "callback")
    return told & job.overdue_at.is_(None), (told & job.overdue_at.is_not(None)) | (found & came), found & ~came


def _median(connection: Connection, newest: Subquery) -> float | None:
    job = newest.c
    took = (job.settled_at - func.coalesce(job.submitted_at, job.created_at)).label("took")
    done = select(took).where(job.state == JobState.COMPLETED.value).subquery()
    count = connection.execute(select(func.count()).select_from(done)).scalar_one()
    # of an even number the two in the middle, which are one and the same of an odd one
    middle = select(done.c.took).order_by(done.c.took).offset(max((count - 1) // 2, 0)).limit(2 - count % 2)
    found = [int(each) for each in connection.execute(middle).scalars()] if count else []
    return sum(found) / len(found) / MICROS if found else None
