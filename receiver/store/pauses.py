"""Pauses in the store: handlers that are left alone, their deliveries parked, one taken to try, the rest let out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, or_, select, text

from receiver.store import sql, tables
from receiver.store.batch import Batch, Needs
from receiver.store.deliveries import hold, restart
from receiver.store.parking import Pause
from receiver.store.protocol import AlertCleared, AlertRaised, Delivery
from receiver.store.rows import DELIVERY_COLUMNS, clean, delivery_of
from receiver.store.writer import Tx

_COLUMNS = ("handler", "since", "until", "reason", "pauses")
_REPLACE = "ON CONFLICT (handler) DO UPDATE SET " + ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS[1:])
_rows, _pauses = tables.deliveries.c, tables.pauses.c
# the index is found by its own words only
_PARKED = f"FROM deliveries WHERE {tables.STUCK} AND state = 'parked' AND handler = ? ORDER BY"


@dataclass(frozen=True, slots=True)
class Begin:
    """A pause to begin or to prolong."""

    pause: Pause
    raised: AlertRaised | None

    def need(self, needs: Needs) -> None:
        """Nothing."""

    def decide(self, batch: Batch) -> None:
        """Nothing to decide."""

    def ask(self, batch: Batch, decided: None) -> None:
        """Write it down, and raise the alert."""
        pause = self.pause
        row = (pause.handler, pause.since, pause.until, clean(pause.reason), pause.pauses)
        sql.insert(batch.tx.connection, tables.pauses, _COLUMNS, [row], _REPLACE)
        if self.raised is not None:
            batch.alert(self.raised)


@dataclass(frozen=True, slots=True)
class End:
    """A pause to end."""

    handler: str
    cleared: AlertCleared

    def need(self, needs: Needs) -> None:
        """Nothing."""

    def decide(self, batch: Batch) -> None:
        """Nothing to decide."""

    def ask(self, batch: Batch, decided: None) -> bool:
        """Strike it out, and clear the alert."""
        ended = batch.tx.connection.execute(tables.pauses.delete().where(_pauses.handler == self.handler)).rowcount
        batch.alert(self.cleared)
        return ended > 0


def read(connection: Connection) -> list[Pause]:
    """All pauses."""
    return [Pause(*row) for row in sql.fetch(connection, _COLUMNS, "FROM pauses ORDER BY handler", [])]


def park(tx: Tx, handler: str, now: int) -> int:
    """Park what waits for a handler."""
    # what a worker holds is left to it until its lease has run out
    waiting = or_(_rows.state == "pending", (_rows.state == "running") & (_rows.next_at <= now))
    number = 0
    for queue in (tables.PERISHABLE, tables.PATIENT):
        parked = tables.deliveries.update().where(text(queue), _rows.handler == handler, waiting)
        changed = tx.connection.execute(parked.values(state="parked", next_at=None).returning(_rows.id)).scalars().all()
        tx.changed.deliveries.update(changed)
        number += len(changed)
    return number


def unpark(tx: Tx, handler: str, now: int, limit: int) -> int:
    """Make due the newest parked deliveries of a handler, the newest first."""
    found = _parked(tx, handler, "id DESC", limit)
    restart(tx, found, [now + place for place in range(len(found))])
    return len(found)


def probe(tx: Tx, handler: str, now: int, until: int) -> list[tuple[Delivery, str, float | None]]:
    """Take one parked delivery of a handler whose pause has ended: none or one."""
    # the oldest of those that were tried least: with the newest, the last target of each new event would always be it
    found = _parked(tx, handler, "fence, id", 1)
    over = (_pauses.handler == handler) & (_pauses.until <= now)
    if not found or not tx.connection.execute(tables.pauses.update().where(over).values(until=until)).rowcount:
        return []
    return hold(tx, found, until)


def _parked(tx: Tx, handler: str, order: str, limit: int) -> list[Delivery]:
    lock = f"{tx.row_lock} SKIP LOCKED"
    rows = sql.fetch(tx.connection, DELIVERY_COLUMNS, f"{_PARKED} {order} LIMIT ?", [clean(handler), limit], lock)
    return [delivery_of(row) for row in rows]


def read_parked(connection: Connection) -> dict[str, int]:
    """How many deliveries are parked, by handler."""
    left = select(_rows.handler, func.count()).where(text(tables.STUCK), _rows.state == "parked")
    rows: Sequence[Any] = connection.execute(left.group_by(_rows.handler).order_by(_rows.handler)).fetchall()
    return {row[0]: row[1] for row in rows}
