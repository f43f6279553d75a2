"""Deliveries in the store: claimed under a lease with a fence, finished, tried again, replayed, parked."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, bindparam, func, or_, select, text

from receiver.store import sql, tables
from receiver.store.batch import Batch, Ending, Needs
from receiver.store.lists import Condition, by, statement
from receiver.store.protocol import Attempt, Claimed, Delivery, Finish, NewDelivery, Query
from receiver.store.rows import DELIVERY_COLUMNS, Row, clean, delivery_of, event_of, new_delivery_rows
from receiver.store.writer import Tx
from schemas.values import replace

_rows = tables.deliveries.c
_all = [_rows[name] for name in DELIVERY_COLUMNS]
_attempts = tables.attempts.c
_STUCK = ("dead", "parked")

# --- attempts --------------------------------------------------------------------------------------------


class End(Struct, frozen=True):
    """How one attempt ended."""

    delivery_id: str
    fence: int
    finish: Finish

    def need(self, needs: Needs) -> None:
        """Whose lease it is now."""
        needs.deliveries.add(self.delivery_id)

    def decide(self, batch: Batch) -> bool:
        """Whether the lease is still ours."""
        lease = batch.leases.get(self.delivery_id)
        return lease is not None and lease.fence == self.fence and lease.state == "running"

    def ask(self, batch: Batch, decided: bool) -> bool:
        """Ask for the attempt and what follows from it to be recorded."""
        if not decided:
            return False
        finish = self.finish
        batch.end_attempt(self.delivery_id, Ending(finish.state, finish.next_at), finish.attempt)
        for clip in finish.clips:
            batch.save(clip)
        batch.follow(finish.told, finish.raised, finish.cleared)
        return True


def attempts_of(connection: Connection, ids: Sequence[str]) -> dict[str, tuple[Attempt, ...]]:
    """The attempts of these deliveries, oldest first."""
    columns = ("delivery_id", "at", "outcome", "reason", "answer")
    rest = "FROM attempts WHERE delivery_id [?] ORDER BY delivery_id, fence"
    found: dict[str, list[Attempt]] = {}
    for delivery_id, *attempt in sql.fetch(connection, columns, rest, [list(ids)]):
        found.setdefault(delivery_id, []).append(Attempt(*attempt))
    return {delivery_id: tuple(attempts) for delivery_id, attempts in found.items()}


# --- leases ----------------------------------------------------------------------------------------------


#: A delivery with its event's JSON and the seconds from acceptance to verdict.
Held = tuple[Delivery, str, float | None]


class Wish(Struct, frozen=True):
    """Whose deliveries are wanted, due by when, and how many: of all, and of those that are delivered again."""

    handler: str
    now: int
    limit: int
    again: int | None = None


def claim(tx: Tx, wish: Wish, until: int) -> list[Held]:
    """Take due deliveries."""
    limits = (wish.limit, wish.limit, wish.limit if wish.again is None else min(wish.limit, wish.again))
    lock = f"{tx.row_lock} SKIP LOCKED"
    whose = (clean(wish.handler), wish.now)
    asked = [
        sql.Ask(DELIVERY_COLUMNS, queue, (*whose, limit), lock)
        for queue, limit in zip((_PERISHABLE, _NEWS, _AGAIN), limits, strict=True)
    ]
    found = [delivery_of(row) for rows in sql.fetch_each(tx.connection, asked) for row in rows]
    return hold(tx, found[: wish.limit], until)


def hold(tx: Tx, found: Sequence[Delivery], until: int) -> list[Held]:
    """Take these deliveries, which are locked, under a lease."""
    if not found:
        return []
    held = [
        replace(each, state="running", next_at=until, fence=each.fence + 1, claims=each.claims + 1) for each in found
    ]
    rows = [(each.id, each.state, each.next_at, each.fence, each.claims) for each in held]
    sql.update(tx.connection, tables.deliveries, ("state", "next_at", "fence", "claims"), rows)
    tried = [each.id for each in found if each.fence]
    attempts = attempts_of(tx.connection, tried) if tried else {}
    events = _events(tx, {each.event_id for each in held})
    return [(replace(each, attempts=attempts.get(each.id, ())), *events[each.event_id]) for each in held]


_QUEUE = "FROM deliveries WHERE handler = ? AND next_at <= ? AND state IN ('pending', 'running') AND"
_PERISHABLE = f"{_QUEUE} {tables.PERISHABLE} ORDER BY deadline, next_at LIMIT ?"
_NEWS = f"{_QUEUE} {tables.PATIENT} AND lane = 0 ORDER BY next_at LIMIT ?"
_AGAIN = f"{_QUEUE} {tables.PATIENT} AND lane = 1 ORDER BY next_at LIMIT ?"


def _events(tx: Tx, ids: set[str]) -> dict[str, tuple[str, float | None]]:
    columns = ("events.id", "events.body", "jobs.submitted_at", "jobs.settled_at")
    rest = "FROM events LEFT JOIN jobs ON jobs.id = events.job_id WHERE events.id [?]"
    rows = sql.fetch(tx.connection, columns, rest, [sorted(ids)])
    return {id_: (body, _span(accepted, settled)) for id_, body, accepted, settled in rows}


def _span(accepted: int | None, settled: int | None) -> float | None:
    return None if accepted is None or settled is None else (settled - accepted) / 1_000_000


def read_claimed(found: Iterable[Held]) -> list[Claimed]:
    """The same with their events read."""
    return [Claimed(delivery, event_of(body), elapsed) for delivery, body, elapsed in found]


def extend(tx: Tx, fences: Mapping[str, int], until: int) -> None:
    """Hold deliveries longer, each only while its fence is still ours."""
    if not fences:
        return
    held = (
        tables.deliveries.update()
        .where(_rows.id == bindparam("delivery"), _rows.fence == bindparam("ours"), _rows.state == "running")
        .values(next_at=until)
    )
    rows = [{"delivery": id_, "ours": fence} for id_, fence in sorted(fences.items())]
    tx.connection.execute(held, rows)


def release(tx: Tx, now: int) -> None:
    """Make due whatever a dead process held."""
    held = _rows.next_at.is_not(None) & (_rows.state == "running")
    changed = tx.connection.execute(
        tables.deliveries.update().where(held).values(state="pending", next_at=now).returning(_rows.id, _rows.handler)
    )
    _note(tx, changed.fetchall())


# --- again -----------------------------------------------------------------------------------------------


def retry(tx: Tx, ids: Sequence[str], now: int) -> list[str]:
    """Make dead and waiting deliveries due now, behind what is new."""
    wanted = sorted({clean(id_) or "" for id_ in ids})
    tried = _locked(tx, _rows.id.in_(wanted))
    again = [row for row in tried if row.state in ("dead", "pending")]
    restart(tx, again, [now] * len(again))
    return [row.id for row in again]


def replay(tx: Tx, event_id: str, new: Sequence[NewDelivery], now: int, *, again: bool) -> list[str]:
    """Deliver an event again to these targets."""
    event_id = clean(event_id) or ""
    job_id = tx.connection.execute(select(tables.events.c.job_id).where(tables.events.c.id == event_id)).one_or_none()
    if job_id is None:
        return []
    there = {(row.handler, row.target): row for row in _locked(tx, _rows.event_id == event_id)}
    missing = [each for each in new if (each.handler, clean(each.target)) not in there]
    made = new_delivery_rows(missing, event_id, job_id[0], now, lane=1)
    sql.insert(tx.connection, tables.deliveries, DELIVERY_COLUMNS, made, "ON CONFLICT DO NOTHING")
    _note(tx, [(each.id, each.handler) for each in missing])
    deadlines = {there[key].id: each.deadline for each in new if (key := (each.handler, clean(each.target))) in there}
    asked = [row for row in there.values() if row.id in deadlines]
    over = [row for row in asked if row.state == "dead" or (again and row.state == "done")]
    restart(tx, over, [now] * len(over))
    sql.update(tx.connection, tables.deliveries, ("deadline",), [(row.id, deadlines[row.id]) for row in over])
    will_run = [row.id for row in asked if row in over or row.state in ("pending", "running")]
    return sorted([each.id for each in missing] + will_run)


def _locked(tx: Tx, condition: ColumnElement[bool]) -> list[Any]:
    return list(tx.connection.execute(select(*_all).where(condition).order_by(_rows.id).with_for_update()).fetchall())


def restart(tx: Tx, rows: Sequence[Any], due: Sequence[int]) -> None:
    """Make deliveries due at these times, with a fresh schedule and behind what is new."""
    ids = [row.id for row in rows]
    if not ids:
        return
    counted = select(_attempts.delivery_id, func.count()).where(_attempts.delivery_id.in_(ids))
    rows_of = tx.connection.execute(counted.group_by(_attempts.delivery_id)).fetchall()
    made: dict[str, int] = {row[0]: row[1] for row in rows_of}
    columns = ("state", "next_at", "claims", "lane", "skipped", "replays")
    values = [
        (row.id, "pending", at, 0, 1, made.get(row.id, 0), row.replays + (row.state == "done"))
        for row, at in zip(rows, due, strict=True)
    ]
    sql.update(tx.connection, tables.deliveries, columns, values)
    _note(tx, [(row.id, row.handler) for row in rows])


def _note(tx: Tx, rows: Iterable[Row]) -> None:
    for id_, handler in rows:
        tx.changed.deliveries.add(id_)
        tx.changed.handlers.add(handler)


# --- handlers that come and go ---------------------------------------------------------------------------


def adopt(tx: Tx, names: Sequence[str], now: int) -> dict[str, int]:
    """Park what waits for a handler that is not among these; answer how many are parked for such handlers."""
    connection = tx.connection
    known = _rows.handler.in_(list(names))
    # what a worker holds is left to it until its lease has run out
    waiting = or_(_rows.state == "pending", (_rows.state == "running") & (_rows.next_at <= now))
    parked = tables.deliveries.update().where(_rows.next_at.is_not(None), waiting, ~known)
    connection.execute(parked.values(state="parked", next_at=None))
    left = select(_rows.handler, func.count()).where(text(tables.STUCK), _rows.state == "parked", ~known)
    counted = connection.execute(left.group_by(_rows.handler).order_by(_rows.handler)).fetchall()
    return {row[0]: row[1] for row in counted}


# --- reading ---------------------------------------------------------------------------------------------


def _of_job(job_id: Any) -> ColumnElement[bool]:
    events = tables.events.c
    return _rows.event_id.in_(select(events.id).where(events.job_id == job_id))


_BY: Mapping[str, Condition] = {**by(tables.deliveries, "id state handler target event_id"), "job_id": _of_job}


def read_deliveries(connection: Connection, query: Query) -> list[Delivery]:
    """List deliveries with their attempts."""
    wanted = statement(tables.deliveries, DELIVERY_COLUMNS, query, _BY)
    if query.filters.get("state") in _STUCK:
        wanted = wanted.where(text(tables.STUCK))
    rows = connection.execute(wanted).fetchall()
    attempts = attempts_of(connection, [row[0] for row in rows])
    return [delivery_of(row, attempts.get(row[0], ())) for row in rows]


def read_short_of_room(connection: Connection) -> list[str]:
    """The folders at which deliveries found no room at their last attempt."""
    newer = tables.attempts.alias().c
    is_last = ~select(newer.fence).where(newer.delivery_id == _rows.id, newer.fence > _attempts.fence).exists()
    short = select(_attempts.answer).distinct().join(tables.deliveries, _rows.id == _attempts.delivery_id)
    found = short.where(_rows.next_at.is_not(None), _attempts.outcome == "no_room", is_last).order_by(_attempts.answer)
    return list(connection.execute(found).scalars())
