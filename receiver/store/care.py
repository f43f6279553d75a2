"""Care: what health asks of the store, alerts and clips as they can be looked up."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select, text, true

from receiver.store import sql, tables
from receiver.store.lists import Condition, by, listed
from receiver.store.protocol import Clip, Query
from receiver.store.rows import CLIP_COLUMNS, clean, clip_of
from receiver.store.writer import BEAT, Tx

_jobs, _deliveries, _alerts, _latches = tables.jobs.c, tables.deliveries.c, tables.alerts.c, tables.latches.c
_ALERT = ("id", "code", "subject", "job_id", "text", "next_step", "raised_at", "cleared_at")


def _standing(wanted: Any) -> ColumnElement[bool]:
    return _alerts.cleared_at.is_(None) if wanted else true()


_ALERTS_BY: Mapping[str, Condition] = {**by(tables.alerts, "id code subject job_id"), "standing": _standing}
_CLIPS_BY = by(tables.clips, "id job_id handler sha256")


def read_alerts(connection: Connection, query: Query) -> list[Mapping[str, Any]]:
    """List alerts."""
    rows = listed(connection, tables.alerts, _ALERT, query, _ALERTS_BY)
    return [dict(zip(_ALERT, row, strict=True)) for row in rows]


def read_clips(connection: Connection, query: Query) -> list[Clip]:
    """List saved files."""
    return [clip_of(row) for row in listed(connection, tables.clips, CLIP_COLUMNS, query, _CLIPS_BY)]


def read_counts(connection: Connection) -> dict[str, int]:
    """Jobs and deliveries by state, and alerts that stand. What is done is not counted: it only ever grows."""
    by_state = select(_jobs.state, func.count()).group_by(_jobs.state)
    counts = {f"jobs.{state}": count for state, count in connection.execute(by_state)}
    for condition in (_deliveries.next_at.is_not(None), text(tables.STUCK)):
        states = select(_deliveries.state, func.count()).where(condition).group_by(_deliveries.state)
        counts |= {f"deliveries.{state}": count for state, count in connection.execute(states)}
    standing = select(func.count()).select_from(tables.alerts).where(_alerts.cleared_at.is_(None))
    return {**counts, "alerts": connection.execute(standing).scalar_one()}


def revoke_link(tx: Tx, job_id: str, now: int) -> None:
    """Note that no living link of a job shall open any more."""
    sql.insert(tx.connection, tables.revoked_links, ("job_id", "at"), [(clean(job_id), now)], "ON CONFLICT DO NOTHING")


def is_link_revoked(connection: Connection, job_id: str) -> bool:
    """Whether a job's links were revoked."""
    found = select(tables.revoked_links.c.at).where(tables.revoked_links.c.job_id == clean(job_id))
    return connection.execute(found).first() is not None


def beat(tx: Tx) -> None:
    """Write something small."""
    sql.insert(tx.connection, tables.latches, ("name", "uses"), [("check", 1)], BEAT)
