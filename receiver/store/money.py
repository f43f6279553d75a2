"""Money in the store: ledger lines, their sums, and what a budget has to know. All sums are of integers."""

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Subquery, and_, case, func, literal, select, union_all

from receiver.store import tables
from receiver.store.lists import by, listed
from receiver.store.protocol import Line, Query, Totals
from receiver.store.rows import LINE_COLUMNS, line_of
from schemas.event import MICROS, at, micros
from schemas.job import JobState

#: States in which a vendor may still take money, first those in which it may have the order.
AT_VENDOR = tuple(state.value for state in (JobState.SUBMITTING, JobState.RUNNING, JobState.UNKNOWN))
OPEN = (JobState.QUEUED.value, *AT_VENDOR)
GROUPINGS = ("vendor", "account", "day", "model", "tag")
_DAY = 86_400 * MICROS
_LEDGER_BY = by(tables.ledger, "job_id vendor account kind basis evidence_id")
_jobs, _lines, _tags = tables.jobs.c, tables.ledger.c, tables.job_tags.c

# what is booked for a job in the unit of its estimate
_booked = (
    select(func.coalesce(func.sum(_lines.micros), 0))
    .where(_lines.job_id == _jobs.id, _lines.unit == _jobs.estimate_unit)
    .scalar_subquery()
)
#: What a job may still cost beyond its lines.
EXPECTED = _jobs.estimate_micros - _booked
_is_open = _jobs.state.in_(OPEN)
# what waits in the queue is let go only when there is money for it, and counts from then
_is_reserved = _jobs.state.in_(AT_VENDOR)


def read_ledger(connection: Connection, query: Query) -> list[Line]:
    """List money lines."""
    return [line_of(row) for row in listed(connection, tables.ledger, LINE_COLUMNS, query, _LEDGER_BY)]


# --- sums ------------------------------------------------------------------------------------------------


def read_sums(connection: Connection, grouping: str) -> list[Mapping[str, Any]]:
    """Sum lines and open estimates, one row for each key and unit, of credits one for each vendor.

    Raises: ValueError for a grouping that does not exist.
    """
    if grouping not in GROUPINGS:
        raise ValueError(f"the ledger cannot be summed by {grouping}; it can by {', '.join(GROUPINGS)}")
    rows = connection.execute(_summed(union_all(_booked_parts(grouping), _open_parts(grouping)).subquery())).fetchall()
    shaped = [_shape(grouping, *row) for row in rows]
    return sorted(shaped, key=_place)


def _place(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return row["key"] is not None, row["key"] or "", row["unit"] or "", row["vendor"] or ""


def _booked_parts(grouping: str) -> Select[Any]:
    keys = {"vendor": _lines.vendor, "account": _lines.account, "day": _lines.at // _DAY}
    # a line of unknown amount has no unit: it stands beside those that its job has
    unit = func.coalesce(_lines.unit, _jobs.booked_unit, _jobs.estimate_unit)
    parts = select(
        _key(grouping, keys).label("key"),
        unit.label("unit"),
        _whose(unit, _lines.vendor).label("vendor"),
        _lines.job_id.label("job_id"),
        _lines.kind.label("kind"),
        _lines.micros.label("micros"),
    )
    return _with_tags(grouping, parts.select_from(tables.ledger.outerjoin(tables.jobs, _jobs.id == _lines.job_id)))


def _open_parts(grouping: str) -> Select[Any]:
    keys = {"vendor": _jobs.vendor, "account": _jobs.account, "day": _jobs.created_at // _DAY}
    unit = _jobs.estimate_unit
    parts = select(
        _key(grouping, keys), unit, _whose(unit, _jobs.vendor), _jobs.id, literal("open"), EXPECTED.label("open")
    )
    return _with_tags(grouping, parts.select_from(tables.jobs)).where(_is_open, EXPECTED > 0)


def _whose(unit: ColumnElement[Any], vendor: ColumnElement[Any]) -> ColumnElement[Any]:
    # a credit of one vendor is not worth that of another: they are never added up
    return case((unit == "credits", vendor), else_=None)


def _key(grouping: str, keys: Mapping[str, ColumnElement[Any]]) -> ColumnElement[Any]:
    return {"model": _jobs.model, "tag": _tags.tag, **keys}[grouping]


def _with_tags(grouping: str, parts: Select[Any]) -> Select[Any]:
    return parts.outerjoin(tables.job_tags, _tags.job_id == _jobs.id) if grouping == "tag" else parts


def _summed(parts: Subquery) -> Select[Any]:
    part = parts.c

    def of(kind: str) -> ColumnElement[Any]:
        return func.coalesce(func.sum(case((part.kind == kind, part.micros), else_=0)), 0)

    unknown = func.sum(case((part.kind == "unknown", 1), else_=0))
    jobs = func.count(part.job_id.distinct())
    sums = select(part.key, part.unit, part.vendor, of("charge"), of("refund"), of("open"), unknown, jobs)
    return sums.group_by(part.key, part.unit, part.vendor)


def _shape(grouping: str, key: Any, unit: str | None, vendor: str | None, *figures: int) -> dict[str, Any]:
    charged, refunded, open_, unknown_lines, jobs = figures
    return {
        "key": _day_of(key) if grouping == "day" else key,
        "unit": unit,
        "vendor": vendor,
        "charged": _decimal(charged),
        "refunded": _decimal(refunded),
        "total": _decimal(charged + refunded),
        "open_estimate": _decimal(open_),
        "unknown_lines": int(unknown_lines),
        "jobs": int(jobs),
    }


def _day_of(number: int) -> str:
    return (date(1970, 1, 1) + timedelta(days=int(number))).isoformat()


def _decimal(amount: int) -> Decimal:
    return Decimal(int(amount)) / MICROS


# --- budgets ---------------------------------------------------------------------------------------------


def read_totals(connection: Connection, moment: int) -> Totals:
    """What is spent and reserved in the UTC day and month of a moment, by when the orders went out."""
    day = moment - moment % _DAY
    month, today = _month_of(moment), (day, day + _DAY)
    by_day: dict[tuple[str, str], int] = {}
    by_month: dict[tuple[str, str], int] = {}
    unpriced = 0
    counts_at, went_out = _lines.counts_at, func.coalesce(_jobs.sent_at, _jobs.created_at)
    booked = select(_lines.account, _lines.unit, *(_within(s, counts_at, _lines.micros) for s in (month, today)))
    booked = booked.add_columns(literal(0)).where(counts_at >= month[0], counts_at < month[1], _lines.unit.is_not(None))
    left = case((EXPECTED > 0, EXPECTED), else_=0)
    without = func.sum(case((_jobs.estimate_micros.is_(None), 1), else_=0))
    reserved = select(_jobs.account, _jobs.estimate_unit, *(_within(s, went_out, left) for s in (month, today)))
    for statement in (
        booked.group_by(_lines.account, _lines.unit),
        reserved.add_columns(without).where(_is_reserved).group_by(_jobs.account, _jobs.estimate_unit),
    ):
        for account, unit, of_month, of_day, number in connection.execute(statement).fetchall():
            by_month[account, unit] = by_month.get((account, unit), 0) + int(of_month or 0)
            by_day[account, unit] = by_day.get((account, unit), 0) + int(of_day or 0)
            unpriced += int(number)
    return Totals(
        day={key: amount for key, amount in by_day.items() if amount},
        month={key: amount for key, amount in by_month.items() if amount},
        unpriced=unpriced,
    )


def _within(span: tuple[int, int], moment: ColumnElement[int], amount: ColumnElement[int]) -> ColumnElement[int]:
    return func.sum(case((and_(moment >= span[0], moment < span[1]), amount), else_=0))


def _month_of(moment: int) -> tuple[int, int]:
    first = at(moment).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    following = (first + timedelta(days=31)).replace(day=1)
    return micros(first), micros(following)
