"""Batch: what a group of decisions reads beforehand and writes afterwards, in a few statements for all of them.

Decisions see each other's effects in order through the rows held here. Nothing is written before `flush` but alerts,
which are rare and whose effect decides what else is told.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from msgspec import Struct

from receiver.store import sql, tables
from receiver.store.protocol import AlertCleared, AlertRaised, Attempt, Clip, Evidence, Line, Told
from receiver.store.rows import (
    CLIP_COLUMNS,
    DELIVERY_COLUMNS,
    EVENT_COLUMNS,
    EVIDENCE_COLUMNS,
    JOB_COLUMNS,
    LINE_COLUMNS,
    NEW_JOB_COLUMNS,
    Row,
    attempt_row,
    changed_columns,
    clean,
    clip_row,
    event_row,
    evidence_row,
    job_of,
    job_row,
    line_row,
    new_delivery_rows,
)
from receiver.store.writer import Tx
from schemas.event import micros
from schemas.job import Job

_KEEP = "ON CONFLICT DO NOTHING"
_HOLD = "ON CONFLICT (sha256) DO UPDATE SET sha256 = excluded.sha256"
_CLEAR = "UPDATE alerts SET cleared_at = ? WHERE code = ? AND subject = ? AND cleared_at IS NULL RETURNING id"
_REPLACE_CLIP = "ON CONFLICT (job_id, number, handler) DO UPDATE SET " + ", ".join(
    f"{name} = excluded.{name}" for name in ("path", "bytes", "sha256", "mime_type", "poster", "at")
)


@dataclass(slots=True)
class Needs:
    """What a batch has to read before its decisions."""

    jobs: set[str] = field(default_factory=set)
    evidence: set[str] = field(default_factory=set)
    deliveries: set[str] = field(default_factory=set)


class Step(Protocol):
    """One decision of a batch."""

    def need(self, needs: Needs) -> None:
        """Name what is to be read."""
        ...

    def decide(self, batch: "Batch") -> Any:
        """Decide, asking for nothing yet. May run again in another batch. An exception is this step's alone."""
        ...

    def ask(self, batch: "Batch", decided: Any) -> Any:
        """Ask for what was decided to be written; the answer goes to the caller."""
        ...


class Lease(Struct, frozen=True):
    """What is known of a delivery that a worker holds."""

    fence: int
    state: str


class Ending(Struct, frozen=True):
    """What a delivery's row becomes once an attempt ended."""

    state: str
    next_at: int | None


class Alert(Struct, frozen=True):
    """One alert to raise or clear by itself."""

    change: AlertRaised | AlertCleared

    def need(self, needs: Needs) -> None:
        """Nothing."""

    def decide(self, batch: "Batch") -> None:
        """Nothing to decide."""

    def ask(self, batch: "Batch", decided: None) -> bool:
        """Whether it took effect."""
        return batch.alert(self.change)


class Batch:
    """Rows read, and rows to be written."""

    def __init__(self, tx: Tx, steps: Iterable[Step]) -> None:
        """Read what the steps need; rows to be changed are locked in the order of their ids."""
        needs = Needs()
        for step in steps:
            step.need(needs)
        self.tx = tx
        found = _read(tx, needs)
        self._before = {row[0]: job_of(row) for row in found.get("jobs", ())}
        self.jobs: dict[str, Job | None] = dict(self._before)
        self.verdicts: dict[str, str] = {row[0]: row[1] for row in found.get("evidence", ())}
        self.leases = {id_: Lease(fence, state) for id_, fence, state in found.get("deliveries", ())}
        self._evidence: list[tuple[Evidence, str]] = []
        self._told: list[Told] = []
        self._lines: list[Line] = []
        self._attempts: list[Row] = []
        self._clips: dict[tuple[str, int, str], Row] = {}
        self._endings: dict[str, Ending] = {}

    # --- what decisions ask for ---

    def keep(self, evidence: Evidence, verdict: str) -> None:
        """Keep evidence under a verdict."""
        self.verdicts[evidence.id] = verdict
        self._evidence.append((evidence, verdict))

    def tell(self, told: Told) -> None:
        """Keep an event, and make its deliveries due."""
        self._told.append(told)

    def book(self, line: Line) -> None:
        """Add a line to the ledger."""
        self._lines.append(line)

    def save(self, clip: Clip) -> None:
        """Note a saved file; the same clip saved again by the same handler replaces what was noted."""
        self._clips[clip.job_id, clip.number, clip.handler] = clip_row(clip)

    def alert(self, change: AlertRaised | AlertCleared) -> bool:
        """Raise or clear an alert at once, and tell of it if that took effect."""
        took = raise_alert(self.tx, change) if isinstance(change, AlertRaised) else clear_alert(self.tx, change)
        if took:
            self.tell(change.told)
        return took

    def follow(self, told: Iterable[Told], raised: Iterable[AlertRaised], cleared: Iterable[AlertCleared]) -> None:
        """What a change and the end of an attempt have in common: events told, alerts raised, alerts cleared."""
        for each in told:
            self.tell(each)
        for rise in raised:
            self.alert(rise)
        for clearing in cleared:
            self.alert(clearing)

    def end_attempt(self, delivery_id: str, ending: Ending, attempt: Attempt | None) -> None:
        """Record an attempt and what its delivery becomes."""
        fence = self.leases[delivery_id].fence
        if attempt is not None:
            self._attempts.append(attempt_row(delivery_id, fence, attempt))
        self.leases[delivery_id] = Lease(fence, ending.state)
        self._endings[delivery_id] = ending
        self.tx.changed.deliveries.add(delivery_id)

    # --- writing ---

    def flush(self) -> None:
        """Write everything."""
        connection = self.tx.connection
        # one kind of row after the other: what makes them stays at hand
        keep_bodies(self.tx, {evidence.sha256: evidence.body for evidence, _ in self._evidence})
        kept = [evidence_row(evidence, verdict) for evidence, verdict in self._evidence]
        sql.insert(connection, tables.evidence, EVIDENCE_COLUMNS, kept, _KEEP)
        write_jobs(self.tx, self._before, self.jobs)
        self._tell_all()
        sql.insert(connection, tables.ledger, (*LINE_COLUMNS, "counts_at"), self._ledger_rows(), _KEEP)
        attempts = ("delivery_id", "fence", "at", "outcome", "reason", "answer")
        sql.insert(connection, tables.attempts, attempts, self._attempts)
        sql.insert(connection, tables.clips, CLIP_COLUMNS, list(self._clips.values()), _REPLACE_CLIP)
        endings = [(id_, ending.state, ending.next_at, 0) for id_, ending in self._endings.items()]
        sql.update(connection, tables.deliveries, ("state", "next_at", "claims"), endings)

    def _tell_all(self) -> None:
        """Keep the events, and make their deliveries due."""
        connection = self.tx.connection
        events = [event_row(told.event) for told in self._told]
        sql.insert(connection, tables.events, EVENT_COLUMNS, events, "ON CONFLICT (id) DO NOTHING")
        rows: list[Row] = []
        for told in self._told:
            event = told.event
            rows += new_delivery_rows(told.deliveries, event.id, event.job_id, micros(event.received_at))
        sql.insert(connection, tables.deliveries, DELIVERY_COLUMNS, rows, _KEEP)
        for told in self._told:
            self.tx.changed.deliveries.update([new.id for new in told.deliveries])
            self.tx.changed.handlers.update([new.handler for new in told.deliveries])

    def _ledger_rows(self) -> list[Row]:
        """The lines, with the moment that their money counts from: when the order went out."""
        jobs: Mapping[str, Job | None] = self.jobs
        others = {line.job_id for line in self._lines} - jobs.keys()
        if others:
            found = {row[0]: job_of(row) for row in _read(self.tx, Needs(jobs=others)).get("jobs", ())}
            jobs = {**found, **jobs}
        return [(*line_row(line), _counts_at(line, jobs.get(line.job_id))) for line in self._lines]


def _counts_at(line: Line, job: Job | None) -> int:
    return line.at if job is None else job.sent_at or job.created_at


def _read(tx: Tx, needs: Needs) -> dict[str, list[Row]]:
    """The rows of each table that has any to be read, in the order of their ids."""
    wanted = (
        ("jobs", JOB_COLUMNS, needs.jobs),
        ("evidence", ("id", "verdict"), needs.evidence),
        ("deliveries", ("id", "fence", "state"), needs.deliveries),
    )
    asked = {
        table: sql.Ask(columns, f"FROM {table} WHERE id [?] ORDER BY id", [sorted(ids)], tx.row_lock)
        for table, columns, ids in wanted
        if ids
    }
    return dict(zip(asked, sql.fetch_each(tx.connection, list(asked.values())), strict=True))


def keep_bodies(tx: Tx, bodies: Mapping[str, bytes]) -> None:
    """Keep bytes under their SHA-256, unless they are kept already."""
    # where others write too, what is kept already has to be held, lest retention takes it away at this moment
    keep = _HOLD if tx.row_lock else _KEEP
    # the same order in every process: two that keep the same bytes must not wait for each other
    sql.insert(tx.connection, tables.bodies, ("sha256", "body"), sorted(bodies.items()), keep)


def raise_alert(tx: Tx, alert: AlertRaised) -> bool:
    """Raise an alert unless it stands; False where it does, or where this very one was raised before."""
    columns = ("id", "code", "subject", "job_id", "text", "next_step", "raised_at")
    texts = (clean(alert.subject), alert.job_id, clean(alert.text), clean(alert.next_step))
    row = (alert.id, alert.code, *texts, alert.at)
    took = sql.insert(tx.connection, tables.alerts, columns, [row], _KEEP) > 0
    if took:
        tx.changed.alerts.add(alert.id)
    return took


def clear_alert(tx: Tx, alert: AlertCleared) -> bool:
    """Clear an alert if it stands."""
    cleared = sql.change(tx.connection, _CLEAR, (alert.at, alert.code, clean(alert.subject)))
    tx.changed.alerts.update(id_ for (id_,) in cleared)
    return bool(cleared)


def write_jobs(tx: Tx, before: Mapping[str, Job], after: Mapping[str, Job | None]) -> None:
    """Write what differs: new rows, changed columns, rows that shall go."""
    updates: dict[tuple[str, ...], list[Row]] = {}
    new: list[Job] = []
    for id_, job in after.items():
        old = before.get(id_)
        if job is old:
            continue
        tx.changed.jobs.add(id_)
        if job is None:
            tx.connection.execute(tables.jobs.delete().where(tables.jobs.c.id == id_))
        elif old is None:
            new.append(job)
        else:
            names, values = changed_columns(old, job)
            if "next_at" in names:
                # whoever writes a job decides anew when it is due: that ends a worker's lease
                updates.setdefault((*names, "held_until"), []).append((id_, *values, None))
            elif names:
                updates.setdefault(names, []).append((id_, *values))
            if old.tags != job.tags:
                tx.connection.execute(tables.job_tags.delete().where(tables.job_tags.c.job_id == id_))
                insert_tags(tx, [job])
    for names, rows in updates.items():
        sql.update(tx.connection, tables.jobs, names, rows)
    insert_jobs(tx, new)


def insert_jobs(tx: Tx, jobs: Sequence[Job], rest: str = "") -> int:
    """Insert new jobs with their tags; answers how many were inserted."""
    rows = [job_row(job) for job in jobs]
    count = sql.insert(tx.connection, tables.jobs, NEW_JOB_COLUMNS, rows, rest)
    if count == len(jobs):
        insert_tags(tx, jobs)
    return count


def insert_tags(tx: Tx, jobs: Sequence[Job]) -> None:
    """Insert the tags of jobs that have none yet."""
    rows = sorted({(clean(tag), job.id) for job in jobs for tag in job.tags})
    sql.insert(tx.connection, tables.job_tags, ("tag", "job_id"), rows)
