"""What a store promises of accounts: turns by urgency, gates, places at a vendor, and what it knows of them."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from receiver.limits import KINDS
from receiver.store.accounts import Begun, Demand, Gate, Past, Rate, Standing
from receiver.store.jobs import HASTENED
from receiver.store.protocol import Change, Store
from schemas.errors import BudgetReached, VendorBusy
from schemas.event import Source
from schemas.job import JobState, Origin
from schemas.values import replace
from tests.support.stored import (
    DAY,
    HOUR,
    MINUTE,
    NOON,
    ORDER,
    SECOND,
    a_job,
    becoming,
    changing,
    evidence,
    placed,
    the,
)

Play = Callable[[Any], Any]
TEN = [Rate(10, MINUTE)]
S = JobState


async def turns(store: Store, kind: str, count: int, rates: list[Rate] = TEN, now: int = NOON) -> int:
    return [await store.take_turn("vrex", kind, rates, now) for _ in range(count)].count(0)


# --- who goes first ----------------------------------------------------------------------------------------


def test_looks_leave_room_for_orders_and_orders_may_have_all_of_it(play: Play) -> None:
    async def scenario(store: Store) -> None:
        assert await turns(store, "look", 20) == 7
        assert await turns(store, "confirm", 20) == 2
        assert await turns(store, "order", 20) == 1
        assert await turns(store, "order", 20, now=NOON + MINUTE) == 10

    play(scenario)


def test_whoever_waits_goes_before_the_less_urgent(play: Play) -> None:
    async def scenario(store: Store) -> None:
        rates = [Rate(2, MINUTE)]
        assert await turns(store, "look", 1, rates) == 1
        assert await turns(store, "look", 1, rates, NOON + 30 * SECOND) == 1
        assert await store.take_turn("vrex", "renewal", rates, NOON + 31 * SECOND) == NOON + MINUTE
        assert await store.take_turn("vrex", "order", rates, NOON + 31 * SECOND) > NOON + MINUTE
        for kind in ("look", "confirm", "order"):
            assert await turns(store, kind, 1, rates, NOON + MINUTE) == 0, kind
        assert await turns(store, "renewal", 1, rates, NOON + MINUTE) == 1
        # the order still waits, and is next
        assert await turns(store, "look", 1, rates, NOON + 90 * SECOND) == 0
        assert await turns(store, "order", 1, rates, NOON + 90 * SECOND) == 1
        assert await turns(store, "look", 1, rates, NOON + 2 * MINUTE) == 1

    play(scenario)


def test_who_never_comes_back_is_not_waited_for(play: Play) -> None:
    async def scenario(store: Store) -> None:
        rates = [Rate(1, MINUTE)]
        assert await turns(store, "look", 1, rates) == 1
        assert await turns(store, "order", 1, rates, NOON + SECOND) == 0
        assert await turns(store, "look", 1, rates, NOON + MINUTE + SECOND) == 0
        assert await turns(store, "look", 1, rates, NOON + MINUTE + 20 * SECOND) == 1

    play(scenario)


def test_a_window_of_orders_alone_holds_back_no_look(play: Play) -> None:
    async def scenario(store: Store) -> None:
        rates = [Rate(2, MINUTE), Rate(1, HOUR, "order")]
        assert await turns(store, "order", 1, rates) == 1
        assert await store.take_turn("vrex", "order", rates, NOON) == NOON + HOUR
        assert await turns(store, "look", 1, rates) == 1

    play(scenario)


# --- gates -------------------------------------------------------------------------------------------------


def gate(kind: str = "", after: int = MINUTE, *, stopped: bool = False, since: int = NOON) -> Gate:
    return Gate("vrex", kind, since + after, since, "RATE_LIMITED", stopped=stopped)


def test_an_account_that_was_told_to_wait_lets_nothing_through(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await store.close_gate(gate())
        for kind in KINDS:
            assert await store.take_turn("vrex", kind, [], NOON + SECOND) == NOON + MINUTE
        assert await store.take_turn("other", "look", [], NOON + SECOND) == 0
        assert await turns(store, "look", 3, [], NOON + MINUTE) == 3

    play(scenario)


def test_a_gate_for_orders_lets_looks_through(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await store.close_gate(gate("order"))
        assert await turns(store, "order", 1, []) == 0
        assert await turns(store, "look", 1, []) == 1

    play(scenario)


def test_of_two_ends_the_later_holds(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await store.close_gate(gate(after=HOUR))
        await store.close_gate(gate(after=MINUTE))
        assert [each.until for each in await store.gates()] == [NOON + HOUR]
        await store.close_gate(gate(after=2 * HOUR))
        assert [each.until for each in await store.gates()] == [NOON + 2 * HOUR]

    play(scenario)


def test_a_stopped_account_is_tried_once_at_growing_intervals(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await store.close_gate(gate(stopped=True))
        tried = [await store.take_turn("vrex", "look", [], NOON + n * 10 * SECOND) for n in range(60)]
        moments = [n * 10 for n, turn in enumerate(tried) if turn == 0]
        assert moments == [60, 180, 420]

    play(scenario)


def test_a_stopped_account_that_refuses_again_goes_on_being_tried_less_and_less(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await store.close_gate(gate(stopped=True))
        moment, moments = NOON, []
        for _ in range(4):
            moment = await store.take_turn("vrex", "look", [], moment)
            assert await store.take_turn("vrex", "look", [], moment) == 0
            moments.append((moment - NOON) // MINUTE)
            await store.close_gate(gate(stopped=True, since=moment))
        assert moments == [1, 3, 7, 15]

    play(scenario)


def test_a_few_orders_by_hand_go_through_a_stopped_gate_and_none_from_the_queue(play: Play) -> None:
    async def scenario(store: Store) -> None:
        assert await turns(store, "look", 5, []) == 5
        await store.close_gate(gate(stopped=True, since=NOON + SECOND))
        now = NOON + 2 * SECOND
        await placed(store, a_job(state=S.QUEUED, next_at=None, vendor_job_id=None))
        begun = await store.begin_order("job_0001", Demand("vrex", []), now, now + MINUTE)
        assert begun == Begun(None, NOON + 61 * SECOND)
        assert [await store.take_turn("vrex", "order", [], now + n) for n in range(3)] == [0, 0, NOON + 61 * SECOND]

    play(scenario)


def test_a_gate_of_the_queue_holds_back_nobody_else(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await store.close_gate(gate("queue"))
        await placed(store, a_job(state=S.QUEUED, next_at=None, vendor_job_id=None))
        assert (await store.begin_order("job_0001", Demand("vrex", []), NOON, NOON + MINUTE)).again == NOON + MINUTE
        assert await turns(store, "order", 1, []) == 1
        assert await turns(store, "look", 1, []) == 1

    play(scenario)


def test_gates_are_opened_by_kind_and_a_wait_is_not_opened_at_all(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await store.close_gate(gate("order", stopped=True))
        await store.close_gate(gate("", stopped=True))
        await store.close_gate(gate("look"))
        assert await store.open_gates("vrex", [""]) == (1, 1)
        assert await store.open_gates("vrex", [""]) == (0, 1)
        assert await store.open_gates("other", ["", "order"]) == (0, 0)
        assert await store.open_gates("vrex", ["", "order", "look"]) == (1, 0)
        assert [each.kind for each in await store.gates()] == ["look"]

    play(scenario)


def test_a_wait_for_a_stopped_account_does_not_make_it_well(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await store.close_gate(gate(stopped=True))
        await store.close_gate(gate(after=10 * SECOND))
        assert [(each.stopped, each.until) for each in await store.gates()] == [(True, NOON + MINUTE)]

    play(scenario)


# --- places at a vendor ------------------------------------------------------------------------------------


def test_of_many_orders_at_once_only_so_many_get_a_place(play: Play) -> None:
    async def scenario(store: Store) -> None:
        jobs = [a_job(n, state=S.SUBMITTING, vendor_job_id=None) for n in range(40)]
        tried = [store.place(job, ORDER, max_open=7) for job in jobs]
        outcomes = await asyncio.gather(*tried, return_exceptions=True)
        assert [isinstance(each, VendorBusy) for each in outcomes].count(False) == 7

    play(scenario)


def test_what_is_settled_or_overdue_and_unknown_holds_no_place(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await placed(
            store,
            a_job(1, state=S.COMPLETED),
            a_job(2, state=S.UNKNOWN, overdue_at=NOON),
            a_job(3, state=S.QUEUED),
            a_job(4, state=S.ABANDONED),
            a_job(5, account="second"),
        )
        assert await store.take_turn("vrex", "order", [], NOON, max_open=1) == 0
        await placed(store, a_job(6, state=S.UNKNOWN, vendor_job_id=None))
        assert await store.take_turn("vrex", "order", [], NOON, max_open=1) > NOON
        assert await store.take_turn("vrex", "look", [], NOON, max_open=1) == 0
        assert await store.take_turn("vrex", "order", [], NOON, max_open=2) == 0

    play(scenario)


def test_a_queued_order_takes_its_turn_and_its_place_in_one(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await placed(store, *[a_job(n, state=S.QUEUED, next_at=None, vendor_job_id=None) for n in range(1, 6)])
        demand = Demand("vrex", TEN, max_open=3)
        begun = await asyncio.gather(
            *[store.begin_order(f"job_000{n}", demand, NOON, NOON + MINUTE) for n in range(1, 6)]
        )
        went = [each.job for each in begun if each.job is not None]
        assert len(went) == 3
        assert {(job.state, job.next_at) for job in went} == {(S.SUBMITTING, NOON + MINUTE)}
        assert all(each.again > NOON for each in begun if each.job is None)
        assert await store.used_turns("vrex", TEN, NOON) == [3]
        again = await store.begin_order(went[0].id, demand, NOON, NOON + MINUTE)
        assert again == Begun(None)

    play(scenario)


def test_a_queued_order_leaves_free_what_it_was_told_to(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await placed(store, *[a_job(n, state=S.QUEUED, next_at=None, vendor_job_id=None) for n in range(1, 6)])
        demand = Demand("vrex", [Rate(4, MINUTE)], keep=2)
        begun = [await store.begin_order(f"job_000{n}", demand, NOON, NOON + MINUTE) for n in range(1, 6)]
        assert [each.job is not None for each in begun] == [True, True, False, False, False]

    play(scenario)


def test_a_queued_order_that_there_is_no_money_for_takes_no_turn(play: Play) -> None:
    def refuse(_: object) -> None:
        raise BudgetReached("no money")

    async def scenario(store: Store) -> None:
        await placed(store, a_job(state=S.QUEUED, next_at=None, vendor_job_id=None))
        with pytest.raises(BudgetReached):
            await store.begin_order("job_0001", Demand("vrex", TEN), NOON, NOON + MINUTE, admit=refuse)
        assert await store.used_turns("vrex", TEN, NOON) == [0]
        assert the(await store.job("job_0001")).state is S.QUEUED

    play(scenario)


# --- what is known -----------------------------------------------------------------------------------------


def test_open_jobs_are_counted_by_account_state_and_callback(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await placed(
            store,
            a_job(1),
            a_job(2),
            a_job(3, callback=True),
            a_job(4, account="second", state=S.UNKNOWN),
            a_job(5, state=S.COMPLETED),
        )
        found = sorted(await store.standings(), key=lambda each: (each.account, each.callback))
        assert found == [
            Standing("second", "unknown", callback=False, number=1),
            Standing("vrex", "running", callback=False, number=2),
            Standing("vrex", "running", callback=True, number=1),
        ]

    play(scenario)


def test_used_turns_are_counted_by_window_and_kind(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await turns(store, "look", 2, [], NOON - HOUR)
        await turns(store, "order", 1, [], NOON)
        rates = [Rate(9, MINUTE), Rate(9, DAY), Rate(9, DAY, "order")]
        assert await store.used_turns("vrex", rates, NOON) == [1, 3, 1]
        assert await store.used_turns("second", rates, NOON) == [0, 0, 0]

    play(scenario)


def test_the_past_is_of_our_own_settled_orders_newest_first(play: Play) -> None:
    async def scenario(store: Store) -> None:
        settled = {"settled_at": NOON, "submitted_at": NOON - MINUTE, "settled_by": Source.POLL}
        await placed(
            store,
            a_job(1, state=S.COMPLETED, callback=True, **settled),
            a_job(2, state=S.FAILED, model=None, **settled),
            a_job(3),
            a_job(4, state=S.COMPLETED, origin=Origin.ADOPTED, **settled),
        )
        first = Past("vrex", "veo-3.1-lite", "completed", True, "poll", NOON - MINUTE, NOON)
        second = replace(first, model=None, state="failed", callback=False)
        assert await store.recent_past(10) == [second, first]
        assert await store.recent_past(1) == [second]

    play(scenario)


def test_the_latest_callback_of_each_account_is_known(play: Play) -> None:
    async def scenario(store: Store) -> None:
        for each in (
            evidence(1),
            evidence(2, at=NOON + SECOND),
            evidence(3, kind="status"),
            evidence(4, account="second"),
        ):
            await store.apply("job_none", changing(Change()), each)
        latest = {"vrex": ("evd_0002", NOON + SECOND), "second": ("evd_0004", NOON)}
        assert await store.latest_callbacks("") == latest
        assert await store.latest_callbacks("evd_0002") == {"second": latest["second"]}
        assert await store.latest_callbacks("evd_0004") == {}

    play(scenario)


def test_jobs_at_their_vendor_are_hastened_by_what_they_wait_for(play: Play) -> None:
    async def scenario(store: Store) -> None:
        later = {"next_at": NOON + HOUR}
        await placed(
            store,
            a_job(1, callback=True, **later),
            a_job(2, callback=True, looks=1, **later),
            a_job(3, **later),
            a_job(4, account="second", callback=True, **later),
            a_job(5, state=S.UNKNOWN, **later),
        )
        assert await store.hasten_jobs("vrex", NOON, expecting=True) == 1
        assert await store.hasten_jobs("vrex", NOON, expecting=False) == 2
        assert await store.hasten_jobs(None, NOON, expecting=True) == 1
        due = await store.claim_jobs(NOON, NOON + MINUTE, 10)
        assert sorted(job.id for job in due) == ["job_0001", "job_0002", "job_0003", "job_0004"]

    play(scenario)


def test_a_job_that_a_worker_holds_is_not_hastened(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await placed(store, *[a_job(n, next_at=NOON) for n in range(1, 4)])
        await store.claim_jobs(NOON, NOON + MINUTE, 2)
        await store.apply("job_0003", becoming(next_at=NOON + HOUR))
        assert await store.hasten_jobs(None, NOON, expecting=False) == 1

    play(scenario)


def test_more_jobs_are_hastened_than_fit_into_one_commit(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await placed(store, *[a_job(n, next_at=NOON + HOUR) for n in range(1, 2 * HASTENED + 3)])
        assert await store.hasten_jobs("vrex", NOON, expecting=False) == 2 * HASTENED + 2

    play(scenario)
