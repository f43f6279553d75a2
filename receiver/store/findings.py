"""Findings: money that does not add up, found over jobs, lines and saved files by one search a kind. Reads only.

What was paid for a job is summed from its lines by unit: a job with lines in two units is found in each. A line without
an amount counts where nothing else is booked: then something was taken, and how much is unknown.

A page is one union of all searches over a stretch of jobs, and further stretches only until it is full: it costs what
lies between its first finding and its last, however many jobs there are.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Subquery,
    and_,
    case,
    cast,
    exists,
    false,
    func,
    literal_column,
    null,
    or_,
    select,
    true,
    union_all,
)

from receiver.store import tables
from receiver.store.auditing import KINDS, Finding, FindingSum
from receiver.store.lists import Condition, by
from receiver.store.protocol import Query
from receiver.store.rows import JOB_COLUMNS, clean, job_of, money_of
from schemas.job import JobState

#: So many of the newest jobs are gone through; the report must not take minutes of a database that never forgets.
MOST = 100_000
#: How many jobs the first stretch of a page has; each further one has twice as many as the one before.
STRETCH = 200
_jobs, _lines, _clips = tables.jobs.c, tables.ledger.c, tables.clips.c
_columns = [_jobs[name] for name in JOB_COLUMNS]
_BY: Mapping[str, Condition] = {**by(tables.jobs, "vendor account"), "job_id": lambda value: _jobs.id == clean(value)}
_KIND_OF = {prefix: kind for kind, prefixes in KINDS.items() for prefix in prefixes}


def _word(ours: str) -> ColumnElement[Any]:
    # a word of ours: PostgreSQL would take two parameters for two different things
    return literal_column(f"'{ours}'", tables.Word)


_NOTHING = cast(null(), tables.Word)
#: Each unit there is, and none.
_units = union_all(*[select(unit.label("unit")) for unit in (_word("USD"), _word("credits"), _NOTHING)]).subquery(
    "units"
)
#: What was taken for a job in a unit. Summed job by job: an engine that misjudges a table may take a join of sums for
#: a small one, and sum up the table for each job.
_paid = select(func.sum(_lines.micros)).where(_lines.job_id == _jobs.id, _lines.unit == _units.c.unit).scalar_subquery()
_has_lines = exists().where(_lines.job_id == _jobs.id)
_is_unsaid = and_(_units.c.unit.is_(None), _has_lines, ~_has_lines.where(_lines.unit.is_not(None)))

#: What the order was placed at; of jobs from before that was kept, what stands on them.
_quote = func.coalesce(_jobs.quote_micros, _jobs.estimate_micros)
_quote_unit = func.coalesce(_jobs.quote_unit, _jobs.estimate_unit)
#: As it stands in the column: a quotation mark within a text would have a backslash before it.
_REFUNDED = '"refunded":true'


@dataclass(frozen=True, slots=True)
class _Search:
    """Where to look: the jobs that pass the filters, after one and up to another, and who saves files."""

    wanted: Sequence[ColumnElement[bool]]
    savers: Sequence[str]
    #: The oldest that counts is the next after it.
    floor: str
    after: str
    up_to: str | None = None

    def among(self, *conditions: ColumnElement[bool]) -> list[ColumnElement[bool]]:
        """These conditions, and those of the search."""
        end = [_jobs.id <= self.up_to] if self.up_to is not None else []
        return [*conditions, *self.wanted, _jobs.id > self.after, *end]


# --- one search a kind: the job, the amount, its unit, the other job ---------------------------------------------


def _no_file(search: _Search) -> Select[Any]:
    events, rows = tables.events.c, tables.deliveries.c
    at_it = exists().where(
        events.job_id == _jobs.id,
        rows.event_id == events.id,
        rows.handler.in_([clean(name) for name in search.savers]),
        rows.next_at.is_not(None),
    )
    is_over = _jobs.state.in_((JobState.COMPLETED.value, JobState.ABANDONED.value))
    is_saved = exists().where(_clips.job_id == _jobs.id)
    is_paid = or_(_paid > 0, _is_unsaid)
    return _found("no_file", _paid, _units.c.unit).where(*search.among(is_over, is_paid, ~is_saved, ~at_it))


def _not_refunded(search: _Search) -> Select[Any]:
    has_failed = _jobs.state == JobState.FAILED.value
    is_kept = or_(_paid > 0, _is_unsaid & ~_jobs.outcome.contains(_REFUNDED))
    return _found("not_refunded", _paid, _units.c.unit).where(*search.among(has_failed, is_kept))


def _off_estimate(search: _Search) -> Select[Any]:
    is_over = _jobs.state == JobState.COMPLETED.value
    differs = and_(_jobs.cost_unit == _quote_unit, _jobs.cost_micros != _quote)
    found = _found("off_estimate", _jobs.cost_micros - _quote, _jobs.cost_unit)
    return found.where(*search.among(is_over, differs))


def _paid_twice(search: _Search) -> Select[Any]:
    jobs, lines = tables.jobs.alias("earlier"), tables.ledger.alias("earlier_lines")
    earlier, unit = jobs.c, _units.c.unit
    taken = select(func.sum(lines.c.micros)).where(lines.c.job_id == earlier.id, lines.c.unit == unit)
    # the first of them counts whatever is asked for
    first = select(earlier.id).where(
        earlier.prompt_sha256 == _jobs.prompt_sha256,
        earlier.id < _jobs.id,
        earlier.id > search.floor,
        taken.correlate(jobs, _units).scalar_subquery() > 0,
    )
    other = first.correlate(tables.jobs, _units).order_by(earlier.id).limit(1).scalar_subquery()
    return _found("paid_twice", _paid, unit, other).where(*search.among(_paid > 0, other.is_not(None)))


def _found(
    kind: str, amount: ColumnElement[Any], unit: ColumnElement[Any], other: ColumnElement[Any] = _NOTHING
) -> Select[Any]:
    of_credits, usual = KINDS[kind]
    prefix = case((unit == _word("credits"), _word(of_credits)), else_=_word(usual))
    columns = {"job_id": _jobs.id, "prefix": prefix, "amount": amount, "unit": unit, "other": other}
    each = select(*[column.label(name) for name, column in columns.items()])
    return each if unit is _jobs.cost_unit else each.select_from(tables.jobs.join(_units, true()))


_SEARCHES: Mapping[str, Callable[[_Search], Select[Any]]] = {
    "no_file": _no_file,
    "off_estimate": _off_estimate,
    "not_refunded": _not_refunded,
    "paid_twice": _paid_twice,
}


# --- reading -----------------------------------------------------------------------------------------------------


def read_findings(connection: Connection, query: Query, savers: Sequence[str]) -> list[Finding]:
    """List what does not add up, the newest job first, and of one job in the order of the ids.

    Raises: ValueError for a filter that does not exist.
    """
    found: list[Finding] = []
    for stretch in _stretches(connection, _search(connection, query, savers), query.before):
        each = _union(_kinds(query), stretch).c
        page = select(*_columns, each.prefix, each.amount, each.unit, each.other).where(_jobs.id == each.job_id)
        if query.before is not None:
            page = page.where(_comes_after(each.job_id, each.prefix, query.before))
        page = page.order_by(each.job_id.desc(), each.prefix).limit(query.limit - len(found))
        found += [_finding(row) for row in connection.execute(page).fetchall()]
        if len(found) >= query.limit:
            break
    return found


def read_sums(connection: Connection, query: Query, savers: Sequence[str]) -> list[FindingSum]:
    """Count and sum all of them."""
    each = _union(_kinds(query), _search(connection, query, savers)).c
    whose = case((each.unit == _word("credits"), _jobs.vendor), else_=null())
    keys = (each.prefix, whose, each.unit)
    summed = select(*keys, func.count(), func.sum(each.amount)).where(_jobs.id == each.job_id).group_by(*keys)
    rows = connection.execute(summed).fetchall()
    sums = [FindingSum(_KIND_OF[row[0]], row[1], int(row[3]), money_of(_whole(row[4]), row[2])) for row in rows]
    return sorted(sums, key=lambda s: (list(KINDS).index(s.kind), s.amount is None, s.vendor or ""))


def _search(connection: Connection, query: Query, savers: Sequence[str]) -> _Search:
    """The search over all jobs that count."""
    unknown = query.filters.keys() - {"kind", *_BY}
    if unknown:
        raise ValueError(f"findings cannot be listed by {', '.join(sorted(unknown))}")
    wanted = [_BY[name](value) for name, value in query.filters.items() if name != "kind"]
    floor = connection.execute(select(_jobs.id).order_by(_jobs.id.desc()).limit(1).offset(MOST)).scalar() or ""
    return _Search(wanted, savers, floor, after=floor)


def _kinds(query: Query) -> list[str]:
    kind = query.filters.get("kind")
    return [each for each in _SEARCHES if kind in (None, each)]


def _stretches(connection: Connection, whole: _Search, before: str | None) -> Iterator[_Search]:
    """The search in stretches, the newest jobs first; from the job of a finding on, where one is given."""
    size, stretch = STRETCH, replace(whole, up_to=None if before is None else clean(f"job{before[3:]}"))
    while True:
        ahead = select(_jobs.id).where(*stretch.among()).order_by(_jobs.id.desc()).limit(1).offset(size)
        last: str | None = connection.execute(ahead).scalar()
        yield replace(stretch, after=last or whole.after)
        if last is None:
            return
        size, stretch = 2 * size, replace(stretch, up_to=last)


def _union(kinds: Sequence[str], search: _Search) -> Subquery:
    # a kind that there is not finds nothing
    searches = [_SEARCHES[kind](search) for kind in kinds] or [_no_file(search).where(false())]
    return union_all(*searches).subquery("found")


def _comes_after(job_id: ColumnElement[Any], prefix: ColumnElement[Any], cursor: str) -> ColumnElement[bool]:
    """Whether a finding stands behind the one whose id the cursor is."""
    last = clean(f"job{cursor[3:]}")
    return or_(job_id < last, and_(job_id == last, prefix > cursor[:3]))


def _finding(row: Sequence[Any]) -> Finding:
    *job, prefix, amount, unit, other = row
    return Finding(_KIND_OF[prefix], job_of(job), money_of(_whole(amount), unit), other)


def _whole(amount: Any) -> int | None:
    # PostgreSQL sums whole numbers into decimals
    return None if amount is None else int(amount)
