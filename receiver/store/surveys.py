"""Surveys: what this installation knows of its accounts from its own rows. Reads only."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, func, select

from receiver.store import sql, tables
from receiver.store.accounts import Past, Rate, Spot, Standing
from receiver.store.rows import clean
from schemas.job import Job

_turns = tables.turns.c
_PAST = ("account", "model", "state", "callback", "settled_by", "submitted_at", "settled_at")


def read_standings(connection: Connection) -> list[Standing]:
    """Count what is open, by account, state and whether a callback is expected."""
    rest = f"FROM jobs WHERE {tables.OPEN_JOBS} GROUP BY account, state, callback"
    rows = sql.fetch(connection, ("account", "state", "callback", "count(*)"), rest, [])
    return [Standing(account, state, bool(callback), number) for account, state, callback, number in rows]


def read_spot(connection: Connection, job: Job) -> Spot:
    """How many orders of its account are before a queued one, and how many jobs hold a place there."""
    account = clean(job.account)
    line = f"FROM jobs WHERE account = ? AND {tables.IN_LINE} AND id < ?"
    ((ahead,),) = sql.fetch(connection, ("count(*)",), line, [account, clean(job.id)])
    held = f"FROM jobs WHERE account = ? AND {tables.OPEN_JOBS} AND {tables.HOLDS_A_PLACE}"
    ((places,),) = sql.fetch(connection, ("count(*)",), held, [account])
    return Spot(int(ahead), int(places))


def read_used(connection: Connection, account: str, rates: Sequence[Rate], now: int) -> list[int]:
    """How many calls each window holds."""
    used = []
    for rate in rates:
        calls = select(func.count()).select_from(tables.turns)
        calls = calls.where(_turns.account == account, _turns.at > now - rate.window)
        if rate.kind is not None:
            calls = calls.where(_turns.kind == rate.kind)
        used.append(int(connection.execute(calls).scalar_one()))
    return used


def read_past(connection: Connection, limit: int) -> list[Past]:
    """The newest settled jobs, newest order first."""
    rows = [
        row
        for state in ("completed", "failed")
        for row in sql.fetch(
            connection,
            ("id", *_PAST),
            # others know how long their orders took, not we
            "FROM jobs WHERE state = ? AND origin = 'ordered' AND settled_at IS NOT NULL ORDER BY id DESC LIMIT ?",
            [state, limit],
        )
    ]
    newest = sorted(rows, key=lambda row: str(row[0]), reverse=True)[:limit]
    return [_past(row) for row in newest]


def _past(row: Sequence[object]) -> Past:
    values = dict(zip(_PAST, row[1:], strict=True))
    return Past(**{**values, "callback": bool(values["callback"])})  # type: ignore[arg-type] # as the table has them


def read_callbacks(connection: Connection, after: str) -> Mapping[str, tuple[str, int]]:
    """Each account's latest callback after some evidence: its id, and when it came."""
    rest = "FROM evidence WHERE id > ? AND kind = 'callback' GROUP BY account"
    found = sql.fetch(connection, ("account", "max(id)", "max(at)"), rest, [clean(after)])
    return {str(account): (str(id_), int(at)) for account, id_, at in found}
