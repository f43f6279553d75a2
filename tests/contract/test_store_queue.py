"""What a store promises of the queue: a line for each account, let go once, when there is a turn and money for it."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from receiver.store.accounts import Begun, Demand, Rate, Spot
from receiver.store.protocol import Change, Store, Totals
from schemas.errors import BudgetReached
from schemas.job import Job, JobState, Origin
from tests.support.stored import (
    DAY,
    MINUTE,
    NOON,
    ORDER,
    a_job,
    becoming,
    changing,
    line,
    placed,
    the,
    usd,
)

Play = Callable[[Any], Any]
ANY = Demand("vrex", ())
#: Over the midnight that ends the day of NOON.
TOMORROW = NOON + DAY
KEY = ("vrex", "USD")


def queued(number: int = 1, **fields: Any) -> Job:
    return a_job(number, **{"state": JobState.QUEUED, "vendor_job_id": None, "next_at": None, **fields})


async def ids(store: Store, account: str = "vrex", limit: int = 10) -> list[str]:
    return [job.id for job in await store.line(account, limit)]


async def begun(store: Store, number: int = 1, now: int = NOON, demand: Demand = ANY, **how: Any) -> Begun:
    return await store.begin_order(f"job_{number:04d}", demand, now, now + MINUTE, **how)


# --- the line ----------------------------------------------------------------------------------------------


def test_a_line_is_of_one_account_the_oldest_first(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await placed(store, queued(3), queued(1), queued(2, account="other"), a_job(4), queued(5))
        assert await ids(store) == ["job_0001", "job_0003", "job_0005"]
        assert await ids(store, limit=1) == ["job_0001"]
        assert await ids(store, "other") == ["job_0002"]
        assert await ids(store, "\0") == []

    play(scenario)


def test_a_queued_order_is_told_who_is_before_it_and_how_many_places_are_taken(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await placed(
            store,
            queued(1),
            queued(2, next_at=NOON),
            queued(3, account="other"),
            queued(4),
            queued(5),
            a_job(6),
            a_job(7, state=JobState.SUBMITTING),
            a_job(8, state=JobState.UNKNOWN, overdue_at=NOON),
            a_job(9, origin=Origin.EXPECTED, vendor_job_id=None),
            a_job(10, account="other"),
            a_job(11, state=JobState.COMPLETED),
        )
        assert await store.spot(queued(5)) == Spot(ahead=2, places=2)
        assert await store.spot(queued(3, account="other")) == Spot(ahead=0, places=1)
        assert await store.spot(queued(1)) == Spot(ahead=0, places=2)

    play(scenario)


def test_who_has_to_wait_for_a_time_is_not_in_line_and_comes_back_at_its_place(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await placed(store, queued(1, next_at=NOON), queued(2))
        assert await ids(store) == ["job_0002"]
        await store.apply("job_0001", becoming(next_at=None))
        assert await ids(store) == ["job_0001", "job_0002"]

    play(scenario)


def test_nobody_claims_what_is_in_line(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await placed(store, queued(1), queued(2, next_at=NOON))
        assert [job.id for job in await store.claim_jobs(NOON, NOON + MINUTE, 10)] == ["job_0002"]

    play(scenario)


# --- letting go --------------------------------------------------------------------------------------------


def test_an_order_is_let_go_with_a_lease_and_the_moment_of_it(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await placed(store, queued())
        job = the((await begun(store)).job)
        assert (job.state, job.next_at, job.sent_at) == (JobState.SUBMITTING, NOON + MINUTE, NOON)
        assert await store.job("job_0001") == job
        assert await ids(store) == []

    play(scenario)


@pytest.mark.parametrize("state", [state for state in JobState if state is not JobState.QUEUED])
def test_what_is_not_queued_is_not_let_go(play: Play, state: JobState) -> None:
    async def scenario(store: Store) -> None:
        await placed(store, queued(state=state))
        assert await begun(store) == Begun(None)
        assert the(await store.job("job_0001")).state is state
        assert await store.begin_order("job_none", ANY, NOON, NOON) == Begun(None)

    play(scenario)


def test_of_many_who_let_an_order_go_one_does(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await placed(store, queued())
        answers = await asyncio.gather(*[begun(store) for _ in range(20)])
        assert sum(answer.job is not None for answer in answers) == 1

    play(scenario)


def test_without_a_turn_nothing_changes_and_it_is_said_when_to_ask_again(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await placed(store, queued(1), queued(2))
        demand = Demand("vrex", (Rate(1, MINUTE, "order"),))
        assert (await begun(store, 1, demand=demand)).job is not None
        assert await begun(store, 2, demand=demand) == Begun(None, NOON + MINUTE)
        assert await ids(store) == ["job_0002"]

    play(scenario)


def test_an_order_for_which_there_is_no_money_stays_in_line_and_takes_no_turn(play: Play) -> None:
    def refuse(totals: Totals) -> None:
        raise BudgetReached("no")

    async def scenario(store: Store) -> None:
        await placed(store, queued())
        demand = Demand("vrex", (Rate(1, MINUTE, "order"),))
        with pytest.raises(BudgetReached):
            await begun(store, demand=demand, admit=refuse)
        assert await ids(store) == ["job_0001"]
        assert (await begun(store, demand=demand)).job is not None

    play(scenario)


def test_two_at_once_do_not_both_find_money_for_one(play: Play) -> None:
    def admit(totals: Totals) -> None:
        if totals.day.get(KEY, 0) >= 1_000_000:
            raise BudgetReached("no")

    async def scenario(store: Store) -> None:
        await placed(store, *[queued(n, estimate=usd("1")) for n in range(1, 11)])
        calls = [begun(store, n, admit=admit) for n in range(1, 6)]
        more = [store.place(a_job(n, estimate=usd("1"), created_at=NOON), ORDER, admit=admit) for n in range(20, 25)]
        answers = await asyncio.gather(*calls, *more, return_exceptions=True)
        assert sum(isinstance(answer, BudgetReached) for answer in answers) == 9

    play(scenario)


@pytest.mark.parametrize(
    ("holder", "holds"),
    [
        (a_job(9), True),
        (a_job(9, state=JobState.SUBMITTING), True),
        (a_job(9, state=JobState.UNKNOWN), True),
        (a_job(9, state=JobState.UNKNOWN, overdue_at=NOON), False),
        (a_job(9, origin=Origin.EXPECTED), True),
        (a_job(9, origin=Origin.EXPECTED, vendor_job_id=None), False),
        (a_job(9, state=JobState.COMPLETED), False),
        (a_job(9, account="other"), False),
    ],
)
def test_an_order_waits_for_a_place_at_its_vendor(play: Play, holder: Job, holds: bool) -> None:
    async def scenario(store: Store) -> None:
        await placed(store, holder, queued())
        answer = await begun(store, demand=Demand("vrex", (), max_open=1))
        assert (answer.job is None, answer.again > NOON) == (holds, holds)

    play(scenario)


# --- its money ---------------------------------------------------------------------------------------------


def test_what_waits_in_the_queue_is_not_reserved(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await placed(store, queued(1, estimate=usd("1")), queued(2, estimate=None))
        assert await store.totals(NOON) == Totals({}, {}, 0)
        await begun(store, 1)
        assert await store.totals(NOON) == Totals({KEY: 1_000_000}, {KEY: 1_000_000}, 0)

    play(scenario)


def test_the_money_of_a_queued_order_counts_on_the_day_that_it_is_let_go(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await placed(store, queued(1, estimate=usd("1")), queued(2, estimate=usd("5")))
        await begun(store, 1, now=TOMORROW)
        await begun(store, 2, now=NOON)
        await store.apply("job_0001", changing(Change(lines=(line(1, usd("0.25"), at=TOMORROW),))))
        assert await store.totals(NOON) == Totals({KEY: 5_000_000}, {KEY: 6_000_000}, 0)
        assert await store.totals(TOMORROW) == Totals({KEY: 1_000_000}, {KEY: 6_000_000}, 0)

    play(scenario)


def test_an_order_that_came_back_into_the_queue_frees_its_money(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await placed(store, queued(1, estimate=usd("1")))
        await begun(store)
        await store.apply("job_0001", becoming(state=JobState.QUEUED))
        assert await store.totals(NOON) == Totals({}, {}, 0)

    play(scenario)


def test_what_was_spent_counts_though_its_job_is_gone(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await placed(store, queued(1, estimate=usd("1")))
        await begun(store, 1, now=TOMORROW)
        done = becoming(state=JobState.COMPLETED, settled_at=TOMORROW, next_at=None)
        await store.apply("job_0001", done)
        await store.apply("job_0001", changing(Change(lines=(line(1, usd("1")),))))
        assert (await store.sweep("jobs", TOMORROW + DAY)).gone == 1
        assert await store.totals(TOMORROW) == Totals({KEY: 1_000_000}, {KEY: 1_000_000}, 0)
        assert (await store.totals(NOON)).day == {}

    play(scenario)
