"""Gates: accounts that were told to wait, or that refuse us until a person acts. For all processes together."""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection, func, select

from receiver.limits import probe_after
from receiver.store import sql, tables
from receiver.store.accounts import Gate
from receiver.store.rows import clean
from receiver.store.writer import Tx, hold_latch

_COLUMNS = ("account", "kind", "until", "since", "reason", "stopped", "probes")
_REPLACE = "ON CONFLICT (account, kind) DO UPDATE SET " + ", ".join(
    f"{name} = excluded.{name}" for name in ("until", "since", "reason", "stopped", "probes")
)
_gates = tables.gates.c


def close(tx: Tx, gate: Gate) -> None:
    """Close an account for a kind of calls."""
    hold_latch(tx, f"turn {gate.account}")
    before = next((old for old in _of(tx.connection, gate.account) if old.kind == gate.kind), None)
    if gate.stopped:
        probes = before.probes if before is not None and before.stopped else 0
        since = before.since if before is not None and before.stopped else gate.since
        gate = replace(gate, until=gate.since + probe_after(probes), since=since, probes=probes)
    elif before is not None and before.stopped:
        gate = replace(before, until=max(before.until, gate.until))
    elif before is not None and before.until > gate.until:
        return
    _write(tx, gate)


def standing(tx: Tx, account: str, kinds: Sequence[str], now: int) -> Gate | None:
    """The gate that a call of these kinds has to pass: the one that is closed longest."""
    passed = [gate for gate in _of(tx.connection, account) if gate.kind in kinds]
    # one that is not stopped is no more once its time has come
    return max((g for g in passed if g.stopped or g.until > now), key=lambda gate: gate.until, default=None)


def let_through(tx: Tx, gate: Gate, now: int) -> None:
    """Note that a stopped account is tried: the next one has to wait for longer."""
    if gate.stopped:
        _write(tx, replace(gate, until=now + probe_after(gate.probes + 1), probes=gate.probes + 1))


def open_(tx: Tx, account: str, kinds: Sequence[str]) -> tuple[int, int]:
    """Open the stopped gates for these kinds; answer how many were opened, and how many stopped ones are left."""
    hold_latch(tx, f"turn {account}")
    is_stopped = (_gates.account == account) & (_gates.stopped == 1)
    opened = tx.connection.execute(tables.gates.delete().where(is_stopped, _gates.kind.in_(list(kinds)))).rowcount
    left = select(func.count()).select_from(tables.gates).where(is_stopped)
    return opened, int(tx.connection.execute(left).scalar_one())


def read(connection: Connection) -> list[Gate]:
    """All gates."""
    return [_gate(row) for row in sql.fetch(connection, _COLUMNS, "FROM gates ORDER BY account, kind", [])]


def _of(connection: Connection, account: str) -> list[Gate]:
    return [_gate(row) for row in sql.fetch(connection, _COLUMNS, "FROM gates WHERE account = ?", [clean(account)])]


def _gate(row: Sequence[object]) -> Gate:
    values = dict(zip(_COLUMNS, row, strict=True))
    return Gate(**{**values, "stopped": bool(values["stopped"])})  # type: ignore[arg-type] # as the table has them


def _write(tx: Tx, gate: Gate) -> None:
    row = (gate.account, gate.kind, gate.until, gate.since, clean(gate.reason), int(gate.stopped), gate.probes)
    sql.insert(tx.connection, tables.gates, _COLUMNS, [row], _REPLACE)
