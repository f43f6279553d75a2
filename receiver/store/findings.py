"""Findings: money that does not add up, found over jobs, lines and saved files by one statement a kind. Reads only.

What was paid for a job is summed from its lines by unit: a job with lines in two units is found in each. A line without
an amount counts where nothing else is booked: then something was taken, and how much is unknown.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    case,
    exists,
    func,
    literal,
    literal_column,
    null,
    or_,
    select,
)
from sqlalchemy.sql.functions import Function

from receiver.store import tables
from receiver.store.auditing import KINDS, Finding, FindingSum
from receiver.store.lists import Condition, by
from receiver.store.protocol import Query
from receiver.store.rows import JOB_COLUMNS, clean, job_of, money_of
from schemas.job import JobState

#: So many of the newest jobs are gone through; the report must not take minutes of a database that never forgets.
MOST = 100_000
_jobs, _lines, _clips = tables.jobs.c, tables.ledger.c, tables.clips.c
_columns = [_jobs[name] for name in JOB_COLUMNS]
_BY: Mapping[str, Condition] = {**by(tables.jobs, "vendor account"), "job_id": lambda value: _jobs.id == clean(value)}

#: What was taken for each job by unit; without one where nobody said how much of anything.
_said = tables.ledger.alias("said").c
_is_unsaid = ~exists().where(_said.job_id == _lines.job_id, _said.unit.is_not(None))
_paid = (
    select(_lines.job_id, _lines.unit, func.sum(_lines.micros).label("micros"))
    .where(or_(_lines.unit.is_not(None), _is_unsaid))
    .group_by(_lines.job_id, _lines.unit)
    .subquery("paid")
)
_is_paid = or_(_paid.c.micros > 0, _paid.c.micros.is_(None))
#: What the order was placed at; of jobs from before that was kept, what stands on them.
_quote = func.coalesce(_jobs.quote_micros, _jobs.estimate_micros)
_quote_unit = func.coalesce(_jobs.quote_unit, _jobs.estimate_unit)
#: As it stands in the column: a quotation mark within a text would have a backslash before it.
_REFUNDED, _NO_PROMPT, _AFTER_PROMPT = '"refunded":true', ('{"prompt":null', '{"prompt":""'), ',"params":'


@dataclass(frozen=True, slots=True)
class _Search:
    """Where to look: the newest jobs that pass the filters, and who saves files."""

    connection: Connection
    filters: Mapping[str, Any]
    savers: Sequence[str]

    def among(self, *conditions: ColumnElement[bool]) -> list[ColumnElement[bool]]:
        """These conditions, and those of the search."""
        newest = tables.jobs.alias().c.id
        floor = select(newest).order_by(newest.desc()).limit(1).offset(MOST).scalar_subquery()
        wanted = [_BY[name](value) for name, value in self.filters.items() if name != "kind"]
        return [*conditions, *wanted, _jobs.id > func.coalesce(floor, "")]

    def prompt(self) -> ColumnElement[str]:
        """The prompt as JSON: the text before the next name. No engine has to read the rest of it."""
        find: Callable[..., Function[Any]] = func.strpos if self.connection.dialect.name == "postgresql" else func.instr
        return func.substr(_jobs.ordered, 1, find(_jobs.ordered, _AFTER_PROMPT))


# --- one statement a kind: the job's columns, the amount, its unit, the other job --------------------------------


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
    return _paid_for().where(*search.among(is_over, _is_paid, ~is_saved, ~at_it))


def _not_refunded(search: _Search) -> Select[Any]:
    has_failed = _jobs.state == JobState.FAILED.value
    is_kept = or_(_paid.c.micros > 0, _paid.c.micros.is_(None) & ~_jobs.outcome.contains(_REFUNDED))
    return _paid_for().where(*search.among(has_failed, is_kept))


def _off_estimate(search: _Search) -> Select[Any]:
    is_over = _jobs.state == JobState.COMPLETED.value
    differs = and_(_jobs.cost_unit == _quote_unit, _jobs.cost_micros != _quote)
    return _found(_jobs.cost_micros - _quote, _jobs.cost_unit).where(*search.among(is_over, differs))


def _paid_twice(search: _Search) -> Select[Any]:
    same = [_jobs.account, _jobs.model, search.prompt(), _paid.c.unit]
    has_prompt = [~_jobs.ordered.startswith(start) for start in _NO_PROMPT]
    first = func.first_value(_jobs.id).over(partition_by=same, order_by=_jobs.id)
    # filtered afterwards: the first of them counts whatever is asked for
    everything = _Search(search.connection, {}, ()).among(_paid.c.micros > 0, *has_prompt)
    columns = [_jobs.id, _paid.c.micros, _paid.c.unit, first.label("first")]
    again = select(*columns).join_from(tables.jobs, _paid, _paid.c.job_id == _jobs.id).where(*everything).subquery().c
    found = _found(again.micros, again.unit, again.first).where(again.id == _jobs.id)
    return found.where(*search.among(again.first != _jobs.id))


def _paid_for() -> Select[Any]:
    return _found(_paid.c.micros, _paid.c.unit).join_from(tables.jobs, _paid, _paid.c.job_id == _jobs.id)


def _found(
    amount: ColumnElement[Any], unit: ColumnElement[Any], other: ColumnElement[Any] | None = None
) -> Select[Any]:
    other = literal(None) if other is None else other
    return select(*_columns, amount.label("amount"), unit.label("unit"), other.label("other"))


_SELECTS: Mapping[str, Callable[[_Search], Select[Any]]] = {
    "no_file": _no_file,
    "off_estimate": _off_estimate,
    "not_refunded": _not_refunded,
    "paid_twice": _paid_twice,
}


# --- reading -----------------------------------------------------------------------------------------------------


def read_findings(connection: Connection, query: Query, savers: Sequence[str]) -> list[Finding]:
    """List what does not add up, the newest job first.

    Raises: ValueError for a filter that does not exist.
    """
    search = _Search(connection, query.filters, savers)
    found: list[Finding] = []
    for kind in _wanted(query):
        page = _SELECTS[kind](search)
        page = page.order_by(_jobs.id.desc(), page.selected_columns.unit.desc()).limit(query.limit)
        if query.before is not None:
            page = page.where(_comes_after(kind, page.selected_columns.unit, query.before))
        found += [_finding(kind, row) for row in connection.execute(page).fetchall()]
    # the newest job first, and of one job in the order of the ids; sorting is stable
    found.sort(key=lambda finding: finding.id)
    found.sort(key=lambda finding: finding.job.id, reverse=True)
    return found[: query.limit]


def read_sums(connection: Connection, query: Query, savers: Sequence[str]) -> list[FindingSum]:
    """Count and sum all of them."""
    search = _Search(connection, query.filters, savers)
    sums = []
    for kind in _wanted(query):
        each = _SELECTS[kind](search).subquery().c
        # PostgreSQL takes two parameters for two different things
        whose = case((each.unit == literal_column("'credits'"), each.vendor), else_=null())
        summed = select(whose, each.unit, func.count(), func.sum(each.amount)).group_by(whose, each.unit)
        rows = connection.execute(summed).fetchall()
        sums += [FindingSum(kind, row[0], int(row[2]), money_of(_whole(row[3]), row[1])) for row in rows]
    return sorted(sums, key=lambda s: (list(KINDS).index(s.kind), s.amount is None, s.vendor or ""))


def _wanted(query: Query) -> list[str]:
    unknown = query.filters.keys() - {"kind", *_BY}
    if unknown:
        raise ValueError(f"findings cannot be listed by {', '.join(sorted(unknown))}")
    kind = query.filters.get("kind")
    return [each for each in _SELECTS if kind in (None, each)]


def _comes_after(kind: str, unit: ColumnElement[Any], cursor: str) -> ColumnElement[bool]:
    """Whether a finding of this kind stands behind the one whose id the cursor is."""
    of_credits, usual = KINDS[kind]
    prefix = case((unit == "credits", of_credits), else_=usual)
    job_id = clean(f"job{cursor[3:]}")
    return or_(_jobs.id < job_id, and_(_jobs.id == job_id, prefix > cursor[:3]))


def _finding(kind: str, row: Sequence[Any]) -> Finding:
    *job, amount, unit, other = row
    return Finding(kind, job_of(job), money_of(_whole(amount), unit), other)


def _whole(amount: Any) -> int | None:
    # PostgreSQL sums whole numbers into decimals
    return None if amount is None else int(amount)
