"""What a store promises of money: exact, append-only, once, and known to a budget."""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from receiver.store.protocol import Change, Line, Query, Store, Totals
from schemas.event import Unit
from schemas.job import JobState
from tests.support.stored import (
    DAY,
    HOUR,
    NOON,
    ORDER,
    SECOND,
    a_job,
    changing,
    evidence,
    line,
    placed,
    usd,
)

Play = Callable[[Any], Any]
Meddle = Callable[[str], list[Any]]


async def book(store: Store, *lines: Line) -> None:
    """Write these lines."""
    await store.apply("job_none", changing(Change(lines=lines)))


async def totals_at(store: Store, moment: int) -> Totals:
    """What an order placed at this moment would be told of."""
    seen: list[Totals] = []
    await store.place(a_job(9999, created_at=moment, state=JobState.COMPLETED), ORDER, admit=seen.append)
    await store.apply("job_9999", changing(Change(forget=True)))
    return seen[0]


# --- lines -------------------------------------------------------------------------------------------------


def test_a_line_is_read_as_it_was_written(play: Play) -> None:
    async def scenario(store: Store) -> None:
        lines = [
            line(1, usd("0.136")),
            line(2, usd("-12.000001", "credits"), kind="refund", basis="price_list", account="second"),
            line(3, None, kind="unknown", evidence_id=None),
            line(4, usd("9000000000000")),
        ]
        await book(store, *lines)
        assert await store.ledger(Query()) == lines[::-1]

    play(scenario)


@pytest.mark.parametrize(
    ("name", "value"), [("job_id", "job_0002"), ("vendor", "veo3gen"), ("account", "other"), ("kind", "refund")]
)
def test_lines_are_listed_by(play: Play, name: str, value: str) -> None:
    async def scenario(store: Store) -> None:
        second = line(2, usd("-1"), job_id="job_0002", vendor="veo3gen", account="other", kind="refund")
        await book(store, line(1, usd("1")), second, line(3, usd("1")))
        assert await store.ledger(Query({name: value})) == [second]

    play(scenario)


def test_a_line_is_written_once_for_a_job_its_evidence_and_kind(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await book(store, line(1, usd("1")))
        await book(store, line(1, usd("5")))
        await book(store, line(2, usd("2"), evidence_id="evd_0001"))
        await book(store, line(3, usd("-1"), evidence_id="evd_0001", kind="refund"))
        await book(store, line(4, usd("4"), evidence_id=None), line(5, usd("4"), evidence_id=None))
        assert [each.id for each in await store.ledger(Query())] == ["ldg_0005", "ldg_0004", "ldg_0003", "ldg_0001"]

    play(scenario)


@pytest.mark.parametrize("verb", ["UPDATE ledger SET micros = 0", "DELETE FROM ledger"])
def test_the_ledger_takes_no_change_whoever_asks(play: Play, meddle: Meddle, verb: str) -> None:
    play(lambda store: book(store, line(1, usd("1"))))
    with pytest.raises(IntegrityError, match="append-only"):
        meddle(verb)
    assert meddle("SELECT micros FROM ledger") == [(1_000_000,)]
    meddle("DELETE FROM evidence")  # the guard is the ledger's alone


# --- sums --------------------------------------------------------------------------------------------------


def row(key: str | None, unit: str | None = "USD", **figures: Any) -> dict[str, Any]:
    """A row of sums."""
    nothing = {"charged": "0", "refunded": "0", "total": "0", "open_estimate": "0"}
    amounts = {name: Decimal(figures.pop(name, zero)) for name, zero in nothing.items()}
    vendor = "veo3gen" if unit == "credits" else None
    return {"key": key, "unit": unit, "vendor": vendor, **amounts, "unknown_lines": 0, "jobs": 1, **figures}


async def a_few(store: Store) -> None:
    """Two vendors, three accounts, two days, one job still open."""
    done, failed = JobState.COMPLETED, JobState.FAILED
    await placed(
        store,
        a_job(1, state=done, tags=("a", "b"), estimate=usd("5")),
        a_job(2, state=failed, account="second", tags=("a",)),
        a_job(
            3, vendor="veo3gen", account="veo3gen", model=None, estimate=usd("100", "credits"), created_at=NOON + DAY
        ),
    )
    await book(
        store,
        line(1, usd("0.1")),
        line(2, usd("0.2"), evidence_id="evd_9"),
        line(3, usd("0.5"), job_id="job_0002", account="second"),
        line(4, usd("-0.5"), job_id="job_0002", account="second", kind="refund", at=NOON + DAY),
        line(5, usd("30", "credits"), job_id="job_0003", vendor="veo3gen", account="veo3gen", at=NOON + DAY),
        line(6, None, job_id="job_0003", vendor="veo3gen", account="veo3gen", kind="unknown", at=NOON + DAY),
    )


CREDITS = {"charged": "30", "total": "30", "open_estimate": "70", "unknown_lines": 1}


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        (
            "vendor",
            [
                row("veo3gen", "credits", **CREDITS),
                row("vrex", charged="0.8", refunded="-0.5", total="0.3", jobs=2),
            ],
        ),
        (
            "account",
            [
                row("second", charged="0.5", refunded="-0.5"),
                row("veo3gen", "credits", **CREDITS),
                row("vrex", charged="0.3", total="0.3"),
            ],
        ),
        (
            "day",
            [
                row("2025-01-01", charged="0.8", total="0.8", jobs=2),
                row("2025-01-02", refunded="-0.5", total="-0.5"),
                row("2025-01-02", "credits", **CREDITS),
            ],
        ),
        (
            "model",
            [
                row(None, "credits", **CREDITS),
                row("veo-3.1-lite", charged="0.8", refunded="-0.5", total="0.3", jobs=2),
            ],
        ),
        (
            "tag",
            [
                row(None, "credits", **CREDITS),
                row("a", charged="0.8", refunded="-0.5", total="0.3", jobs=2),
                row("b", charged="0.3", total="0.3"),
            ],
        ),
    ],
)
def test_the_ledger_is_summed_by(play: Play, by: str, expected: list[dict[str, Any]]) -> None:
    async def scenario(store: Store) -> None:
        await a_few(store)
        assert await store.ledger_sums(by) == expected

    play(scenario)


@pytest.mark.parametrize("by", ["day", "model", "tag"])
def test_credits_of_two_vendors_are_never_added_up(play: Play, by: str) -> None:
    async def scenario(store: Store) -> None:
        await placed(
            store,
            a_job(1, tags=("a",), vendor="ulazai", account="one"),
            a_job(2, tags=("a",), vendor="artnex", account="two"),
            a_job(3, tags=("a",), vendor="artnex", account="three", estimate=usd("5", "credits"), created_at=NOON),
            a_job(4, tags=("a",)),
            a_job(5, tags=("a",), vendor="other", account="four"),
        )
        whose = {1: "ulazai", 2: "artnex", 4: "vrex", 5: "other"}
        units: dict[int, Unit] = {1: "credits", 2: "credits", 4: "USD", 5: "USD"}
        lines = [line(n, usd("7", units[n]), job_id=f"job_{n:04d}", vendor=name) for n, name in whose.items()]
        await book(store, *lines)
        found = [
            (each["unit"], each["vendor"], each["total"], each["open_estimate"]) for each in await store.ledger_sums(by)
        ]
        assert found == [("USD", None, 14, 0), ("credits", "artnex", 7, 5), ("credits", "ulazai", 7, 0)]

    play(scenario)


def test_sums_are_exact(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await book(store, *[line(number, usd("0.1")) for number in range(1000)])
        assert [each["total"] for each in await store.ledger_sums("vendor")] == [Decimal(100)]

    play(scenario)


@pytest.mark.parametrize(
    ("state", "open_estimate"),
    [
        ("queued", "2"),
        ("submitting", "2"),
        ("running", "2"),
        ("unknown", "2"),
        ("completed", None),
        ("failed", None),
        ("rejected", None),
        ("abandoned", None),
    ],
)
def test_an_estimate_counts_while_the_vendor_may_still_take_money(
    play: Play, state: str, open_estimate: str | None
) -> None:
    async def scenario(store: Store) -> None:
        await placed(store, a_job(1, state=JobState(state), estimate=usd("2")), a_job(2, estimate=None))
        expected = [] if open_estimate is None else [row("vrex", open_estimate=open_estimate)]
        assert await store.ledger_sums("account") == expected

    play(scenario)


def test_what_was_booked_beyond_an_estimate_leaves_nothing_open(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await placed(store, a_job(1, estimate=usd("2")))
        await book(store, line(1, usd("3")))
        assert await store.ledger_sums("account") == [row("vrex", charged="3", total="3")]

    play(scenario)


def test_a_line_of_unknown_amount_stands_alone_where_its_job_has_no_unit(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await book(store, line(1, None, kind="unknown", job_id="job_none"))
        assert await store.ledger_sums("vendor") == [row("vrex", None, unknown_lines=1)]

    play(scenario)


def test_there_are_no_sums_by_anything_else(play: Play) -> None:
    async def scenario(store: Store) -> None:
        with pytest.raises(ValueError, match="cannot be summed by colour"):
            await store.ledger_sums("colour")
        assert await store.ledger_sums("vendor") == []

    play(scenario)


# --- budgets -----------------------------------------------------------------------------------------------


def test_totals_go_by_the_time_of_the_order_not_of_the_line(play: Play) -> None:
    async def scenario(store: Store) -> None:
        done = JobState.COMPLETED
        yesterday, last_month = NOON - DAY, NOON - 20 * DAY
        now = NOON + 10 * DAY  # 2025-01-11
        await placed(
            store,
            a_job(1, state=done, created_at=now - HOUR),
            a_job(2, state=done, created_at=now - DAY),
            a_job(3, state=done, created_at=last_month),
            a_job(4, state=done, created_at=now + DAY),
            a_job(5, state=done, created_at=yesterday),
        )
        amounts = {1: "1", 2: "10", 3: "100", 4: "1000", 5: "10000"}
        await book(store, *[line(n, usd(amount), job_id=f"job_{n:04d}", at=now) for n, amount in amounts.items()])
        key = ("vrex", "USD")
        assert await totals_at(store, now) == Totals({key: 1_000_000}, {key: 1_011_000_000}, 0)

    play(scenario)


def test_days_and_months_are_those_of_utc_from_their_first_microsecond(play: Play) -> None:
    async def scenario(store: Store) -> None:
        first = NOON - 12 * HOUR  # 2025-01-01T00:00:00Z
        await placed(
            store, a_job(1, created_at=first - 1, estimate=usd("1")), a_job(2, created_at=first, estimate=usd("2"))
        )
        key = ("vrex", "USD")
        assert await totals_at(store, first) == Totals({key: 2_000_000}, {key: 2_000_000}, 0)
        assert await totals_at(store, first - 1) == Totals({key: 1_000_000}, {key: 1_000_000}, 0)
        assert await totals_at(store, first + 30 * DAY) == Totals({}, {key: 2_000_000}, 0)
        assert await totals_at(store, first + 31 * DAY) == Totals({}, {}, 0)

    play(scenario)


def test_what_is_open_is_reserved_beyond_its_lines(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await placed(
            store,
            a_job(1, estimate=usd("2")),
            a_job(2, estimate=usd("2"), state=JobState.FAILED),
            a_job(3, estimate=usd("7", "credits"), account="second", state=JobState.UNKNOWN),
            a_job(4, estimate=None),
            a_job(5, estimate=None, state=JobState.COMPLETED),
        )
        # half of job 1 is booked, job 2 was charged and refunded
        await book(store, line(1, usd("1")))
        await book(store, line(2, usd("2"), job_id="job_0002"), line(3, usd("-2"), job_id="job_0002", kind="refund"))
        expected = {("vrex", "USD"): 2_000_000, ("second", "credits"): 7_000_000}
        assert await totals_at(store, NOON) == Totals(expected, expected, unpriced=1)

    play(scenario)


def test_a_line_is_written_in_the_commit_of_its_change(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await placed(store, a_job(1), a_job(2, vendor_job_id=None))
        # a change that cannot be written takes its line with it
        bad = Change(job=a_job(2, vendor_job_id="vg_1"), lines=(line(2, usd("2"), job_id="job_0002"),))
        good = Change(job=a_job(1, looks=1), lines=(line(1, usd("1")),))
        calls = [
            store.apply("job_0002", changing(bad), evidence(2)),
            store.apply("job_0001", changing(good), evidence(1)),
        ]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert [isinstance(answer, Exception) for answer in answers] == [True, False]
        assert [each.id for each in await store.ledger(Query())] == ["ldg_0001"]
        assert [each["id"] for each in await store.evidence(Query())] == ["evd_0001"]

    play(scenario)


def test_seconds_are_microseconds() -> None:
    assert (SECOND, NOON) == (1_000_000, 1_735_732_800_000_000)
