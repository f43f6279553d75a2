"""Turns: calls counted in sliding windows, for each account and for all processes together."""

from collections.abc import Sequence

from sqlalchemy import select

from receiver.store import tables
from receiver.store.protocol import Rate
from receiver.store.writer import Tx, hold_latch

#: What is older counts for no window that anybody sets, unless a window itself is longer.
LONGEST = 8 * 86_400 * 1_000_000
_turns = tables.turns.c


def take_turn(tx: Tx, account: str, kind: str, rates: Sequence[Rate], now: int) -> int:
    """Count one call if every rate allows it and answer 0; else answer when to ask again."""
    hold_latch(tx, f"turn {account}")
    again = max((_free_at(tx, account, kind, rate, now) for rate in rates), default=0)
    if again:
        return again
    connection = tx.connection
    oldest = now - max(LONGEST, *(rate.window for rate in rates), 0)
    connection.execute(tables.turns.delete().where(_turns.account == account, _turns.at < oldest))
    connection.execute(tables.turns.insert().values(account=account, at=now, kind=kind))
    return 0


def _free_at(tx: Tx, account: str, kind: str, rate: Rate, now: int) -> int:
    if rate.kind is not None and rate.kind != kind:
        return 0
    if rate.count < 1:
        return now + rate.window
    calls = select(_turns.at).where(_turns.account == account, _turns.at > now - rate.window)
    if rate.kind is not None:
        calls = calls.where(_turns.kind == kind)
    # the call that has to leave the window before there is room for one more
    blocking = tx.connection.execute(calls.order_by(_turns.at.desc()).limit(1).offset(rate.count - 1)).scalar()
    # a clock that was set back must not close the account for longer than the window
    return 0 if blocking is None else min(int(blocking), now) + rate.window
