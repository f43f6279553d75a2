"""Turns: calls counted in sliding windows, for each account and for all processes together.

Who goes first when there is not room for all is decided in `receiver/limits.py`; here stands who called and who waits.
"""

from collections.abc import Callable, Sequence

from sqlalchemy import select

from receiver.limits import BY_HAND_WITHIN, PATIENCE, SECOND, opens_at, room
from receiver.store import gates, sql, tables
from receiver.store.accounts import Begun, Demand, Rate
from receiver.store.batch import write_jobs
from receiver.store.money import read_totals
from receiver.store.protocol import Totals
from receiver.store.rows import JOB_COLUMNS, clean, job_of
from receiver.store.writer import Tx, hold_latch
from schemas.job import JobState
from schemas.values import replace

#: What is older counts for no window that anybody sets, unless a window itself is longer.
LONGEST = 8 * 86_400 * SECOND
#: How long somebody waits who was refused for want of a place, or of room that others wait for.
_A_WHILE = 2 * SECOND
#: Who is told to come back later than this is not held to be waiting all the time.
_SOON = 120 * SECOND
_LATER_END = "ON CONFLICT (account, kind) DO UPDATE SET until = excluded.until"
_turns, _waits = tables.turns.c, tables.waits.c


def take_turn(tx: Tx, kind: str, demand: Demand, now: int) -> int:
    """Count one call if every rate allows it and answer 0; else answer when to ask again."""
    hold_latch(tx, f"turn {demand.account}")
    return _turn(tx, kind, demand, now, by_hand=True)


def begin_order(
    tx: Tx, job_id: str, demand: Demand, now: int, until: int, admit: Callable[[Totals], None] | None = None
) -> Begun:
    """Take a turn for a queued job and make it `submitting`, both or neither."""
    hold_latch(tx, f"turn {demand.account}")
    found = sql.fetch(tx.connection, JOB_COLUMNS, "FROM jobs WHERE id = ?", [clean(job_id)], tx.row_lock)
    job = job_of(found[0]) if found else None
    if job is None or job.state is not JobState.QUEUED:
        return Begun(None)
    if admit is not None:
        hold_latch(tx, "admit")
        admit(read_totals(tx.connection, now))
    again = _turn(tx, "order", demand, now, by_hand=False)
    if again:
        return Begun(None, again)
    begun = replace(job, state=JobState.SUBMITTING, next_at=until, sent_at=now)
    write_jobs(tx, {job.id: job}, {job.id: begun})
    return Begun(begun)


def has_place(tx: Tx, account: str, max_open: int) -> bool:
    """Whether fewer jobs of an account are open at its vendor. The caller's transaction is alone with the account."""
    hold_latch(tx, f"turn {account}")
    counted = f"FROM jobs WHERE account = ? AND {tables.OPEN_JOBS} AND {tables.HOLDS_A_PLACE}"
    ((number,),) = sql.fetch(tx.connection, ("count(*)",), counted, [clean(account)])
    return int(number) < max_open


def _turn(tx: Tx, kind: str, demand: Demand, now: int, *, by_hand: bool) -> int:
    account = demand.account
    gate = gates.standing(tx, account, ("", kind) if by_hand or kind != "order" else ("", kind, "queue"), now)
    tries = 0 if gate is None else _calls(tx, account, max(gate.since, now - BY_HAND_WITHIN))
    again = opens_at(gate, now, tries if by_hand and kind == "order" else None)
    if again:
        return again
    again = _room_at(tx, kind, demand, now)
    if again:
        return again
    if gate is not None and now >= gate.until:
        gates.let_through(tx, gate, now)
    _count(tx, account, kind, demand.rates, now)
    return 0


def _room_at(tx: Tx, kind: str, demand: Demand, now: int) -> int:
    account = demand.account
    if kind == "order" and demand.max_open is not None and not has_place(tx, account, demand.max_open):
        return now + _A_WHILE
    waiting = _waiting(tx, account, now) - {kind}
    shared = [_free_at(tx, kind, demand, rate, waiting, now) for rate in demand.rates if rate.kind is None]
    own = [_free_at(tx, kind, demand, rate, waiting, now) for rate in demand.rates if rate.kind == kind]
    again = max(shared, default=0)
    if again:
        until = (again if again <= now + _SOON else now) + PATIENCE
        sql.insert(tx.connection, tables.waits, ("account", "kind", "until"), [(account, kind, until)], _LATER_END)
    return max(again, *own, 0)


def _free_at(tx: Tx, kind: str, demand: Demand, rate: Rate, waiting: frozenset[str], now: int) -> int:
    if rate.count < 1:
        return now + rate.window
    let_in = rate.count if rate.kind is not None else room(rate.count, kind, waiting, demand.keep)
    if let_in < 1:
        return now + min(_A_WHILE, rate.window)
    calls = select(_turns.at).where(_turns.account == demand.account, _turns.at > now - rate.window)
    if rate.kind is not None:
        calls = calls.where(_turns.kind == kind)
    # the call that has to leave the window before there is room for one more
    blocking = tx.connection.execute(calls.order_by(_turns.at.desc()).limit(1).offset(let_in - 1)).scalar()
    # a clock that was set back must not close the account for longer than the window
    return 0 if blocking is None else min(int(blocking), now) + rate.window


def _waiting(tx: Tx, account: str, now: int) -> frozenset[str]:
    kinds = select(_waits.kind).where(_waits.account == account, _waits.until > now)
    return frozenset(tx.connection.execute(kinds).scalars())


def _calls(tx: Tx, account: str, since: int) -> int:
    ((number,),) = sql.fetch(
        tx.connection, ("count(*)",), "FROM turns WHERE account = ? AND at > ?", [clean(account), since]
    )
    return int(number)


def _count(tx: Tx, account: str, kind: str, rates: Sequence[Rate], now: int) -> None:
    connection = tx.connection
    oldest = now - max(LONGEST, *(rate.window for rate in rates), 0)
    connection.execute(tables.turns.delete().where(_turns.account == account, _turns.at < oldest))
    connection.execute(tables.turns.insert().values(account=account, at=now, kind=kind))
    connection.execute(tables.waits.delete().where(_waits.account == account, _waits.kind == kind))
