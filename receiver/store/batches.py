"""Batches: how the orders of one batch stand and what they cost, in a few sums. Reads only.

An order whose key ends in `~2` is the second take of the one with the key before it: a failure that was ordered again
is no failure of the batch any more.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal
from json import loads
from typing import Any

from sqlalchemy import Connection, func, select

from receiver.store import tables
from receiver.store.money import EXPECTED, OPEN
from receiver.store.rows import clean
from schemas.event import MICROS
from schemas.job import JobState

#: How a clip can be lost to its batch.
LOST = tuple(s.value for s in (JobState.FAILED, JobState.REJECTED, JobState.ABANDONED, JobState.UNKNOWN))
#: More reasons than these are read by nobody.
MOST_FAILURES = 10_000
TAKE = "~"
_jobs, _lines = tables.jobs.c, tables.ledger.c


def read_batch(connection: Connection, batch: str) -> Mapping[str, Any] | None:
    """How a batch stands; None: there is no order of it."""
    name = clean(batch) or ""
    columns = (func.count(), func.count(_jobs.overdue_at), func.min(_jobs.created_at), func.max(_jobs.settled_at))
    counted = select(_jobs.state, *columns).where(_jobs.batch == name).group_by(_jobs.state)
    rows = connection.execute(counted).fetchall()
    if not rows:
        return None
    states = {row[0]: int(row[1]) for row in rows}
    failures, retaken = _failures(connection, name)
    return {
        "batch": batch,
        "jobs": sum(states.values()),
        "states": dict(sorted(states.items())),
        "done": not any(state in OPEN for state in states),
        "stuck": sum(int(row[2]) for row in rows if row[0] == JobState.UNKNOWN.value),
        "retaken": retaken,
        "failures": failures,
        "costs": _costs(connection, name),
        "began_at": min(row[3] for row in rows),
        "settled_at": max((row[4] for row in rows if row[4] is not None), default=None),
    }


def _failures(connection: Connection, batch: str) -> tuple[list[dict[str, Any]], int]:
    """What was lost, by state and reason, most frequent first; and how many losses a later take stands in for."""
    keys = select(_jobs.idempotency_key).where(_jobs.batch == batch, _jobs.idempotency_key.contains(TAKE))
    takes = _latest_takes(connection.execute(keys).scalars())
    lost = select(_jobs.state, _jobs.idempotency_key, _jobs.outcome).where(_jobs.batch == batch, _jobs.state.in_(LOST))
    counts: Counter[tuple[str, str | None]] = Counter()
    messages: dict[tuple[str, str | None], str | None] = {}
    retaken = 0
    for state, key, outcome in connection.execute(lost.order_by(_jobs.id).limit(MOST_FAILURES)).fetchall():
        if key is not None and _is_retaken(key, takes):
            retaken += 1
            continue
        failure = loads(outcome)["failure"] or {}
        reason = (state, failure.get("code"))
        counts[reason] += 1
        messages.setdefault(reason, failure.get("message"))
    found = [
        {"state": state, "code": code, "message": messages[state, code], "count": count}
        for (state, code), count in counts.most_common()
    ]
    return found, retaken


def _latest_takes(keys: Iterable[str | None]) -> dict[str, int]:
    latest: dict[str, int] = {}
    for key in keys:
        first, take = _take_of(key or "")
        latest[first] = max(latest.get(first, 1), take)
    return latest


def _is_retaken(key: str, latest: Mapping[str, int]) -> bool:
    first, take = _take_of(key)
    return latest.get(first, 1) > take


def _take_of(key: str) -> tuple[str, int]:
    first, found, number = key.rpartition(TAKE)
    return (first, int(number)) if found and number.isdecimal() and number.isascii() else (key, 1)


def _costs(connection: Connection, batch: str) -> list[dict[str, Any]]:
    """What was booked and what is still expected, by account and unit: credits of two vendors are not the same."""
    of_batch = _jobs.batch == batch
    booked = select(_lines.account, _lines.unit, func.sum(_lines.micros))
    booked = booked.join_from(tables.jobs, tables.ledger, _lines.job_id == _jobs.id)
    booked = booked.where(of_batch, _lines.micros.is_not(None)).group_by(_lines.account, _lines.unit)
    open_ = select(_jobs.account, _jobs.estimate_unit, func.sum(EXPECTED))
    open_ = open_.where(of_batch, _jobs.state.in_(OPEN), EXPECTED > 0).group_by(_jobs.account, _jobs.estimate_unit)
    sums: dict[tuple[str, str], list[int]] = {}
    for place, statement in enumerate((booked, open_)):
        for account, unit, amount in connection.execute(statement).fetchall():
            sums.setdefault((account, unit), [0, 0])[place] += int(amount)
    return [
        {"account": account, "unit": unit, "total": Decimal(total) / MICROS, "open_estimate": Decimal(left) / MICROS}
        for (account, unit), (total, left) in sorted(sums.items())
    ]
