"""Evidence and events: what was sent to us and what was told, as it can be looked up. Both are written elsewhere."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, select

from receiver.store import sql, tables
from receiver.store.lists import Condition, Within, by, by_tag, listed
from receiver.store.protocol import Query
from receiver.store.rows import EVIDENCE_COLUMNS, clean, event_of, evidence_json
from schemas.event import Event

_events = tables.events.c
_jobs = tables.jobs.c


def _by_field(name: str) -> Condition:
    return lambda value: Within(_events.body, name) == clean(value)


def _of_vendor_job(value: Any) -> ColumnElement[bool]:
    # the jobs have an index: it says where to look
    jobs = select(_jobs.id).where(_jobs.vendor_job_id == clean(value))
    return _events.job_id.in_(jobs) & _by_field("vendor_job_id")(value)


_EVIDENCE_BY = by(tables.evidence, "id job_id account kind verdict status sha256")
_EVENTS_BY: Mapping[str, Condition] = {
    **by(tables.events, "id type job_id vendor account batch"),
    **{name: _by_field(name) for name in ("source", "trust", "model")},
    "vendor_job_id": _of_vendor_job,
    "tag": by_tag(_events.job_id),
}


def read_evidence(connection: Connection, query: Query) -> list[Mapping[str, Any]]:
    """List evidence in the contract's shape."""
    return [evidence_json(row) for row in listed(connection, tables.evidence, EVIDENCE_COLUMNS, query, _EVIDENCE_BY)]


def read_events(connection: Connection, query: Query) -> list[Event]:
    """List events."""
    return [event_of(row[0]) for row in listed(connection, tables.events, ("body",), query, _EVENTS_BY)]


def read_body(connection: Connection, sha256: str) -> bytes | None:
    """Read kept bytes."""
    body = connection.execute(select(tables.bodies.c.body).where(tables.bodies.c.sha256 == sha256)).scalar()
    return None if body is None else bytes(body)


def read_event_ids(connection: Connection, job_ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The events of each of these jobs, oldest first."""
    found: dict[str, list[str]] = {job_id: [] for job_id in job_ids}
    rest = "FROM events WHERE job_id [?]"
    for job_id, event_id in sql.fetch(connection, ("job_id", "id"), rest, [list(found)]):
        found[job_id].append(event_id)
    return {job_id: tuple(sorted(ids)) for job_id, ids in found.items()}
