"""What a store promises beside its rows: turns under a limit, health, who is told of a commit, and the end."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from receiver.store.opening import open_store
from receiver.store.protocol import Change, Changed, Placed, Query, Rate, Store
from schemas.errors import StoreUnavailable
from schemas.job import Job, JobState
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
    cleared,
    delivery,
    evidence,
    finished,
    placed,
    raised,
    taken,
    tell,
    the,
    told,
)

Play = Callable[[Any], Any]

# --- turns -------------------------------------------------------------------------------------------------


def test_calls_are_counted_in_a_sliding_window(play: Play) -> None:
    async def scenario(store: Store) -> None:
        rates = [Rate(2, MINUTE)]
        assert await store.take_turn("vrex", "look", rates, NOON) == 0
        assert await store.take_turn("vrex", "look", rates, NOON + 10 * SECOND) == 0
        assert await store.take_turn("vrex", "look", rates, NOON + 20 * SECOND) == NOON + MINUTE
        assert await store.take_turn("vrex", "look", rates, NOON + MINUTE - 1) == NOON + MINUTE
        assert await store.take_turn("vrex", "look", rates, NOON + MINUTE) == 0
        assert await store.take_turn("vrex", "look", rates, NOON + MINUTE) == NOON + 70 * SECOND

    play(scenario)


def test_a_call_that_was_not_allowed_is_not_counted(play: Play) -> None:
    async def scenario(store: Store) -> None:
        for moment in range(5):
            await store.take_turn("vrex", "look", [Rate(1, MINUTE)], NOON + moment)
        assert await store.take_turn("vrex", "look", [Rate(1, MINUTE)], NOON + MINUTE) == 0

    play(scenario)


def test_every_rate_has_to_allow_a_call(play: Play) -> None:
    async def scenario(store: Store) -> None:
        rates = [Rate(10, MINUTE), Rate(1, HOUR, "order"), Rate(3, DAY)]
        assert await store.take_turn("vrex", "order", rates, NOON) == 0
        assert await store.take_turn("vrex", "order", rates, NOON + 1) == NOON + HOUR
        assert await store.take_turn("vrex", "look", rates, NOON + 2) == 0
        assert await store.take_turn("vrex", "look", rates, NOON + 3) == 0
        assert await store.take_turn("vrex", "look", rates, NOON + 4) == NOON + DAY
        assert await store.take_turn("vrex", "order", rates, NOON + HOUR) == NOON + DAY

    play(scenario)


def test_accounts_have_turns_of_their_own(play: Play) -> None:
    async def scenario(store: Store) -> None:
        assert await store.take_turn("vrex", "look", [Rate(1, MINUTE)], NOON) == 0
        assert await store.take_turn("second", "look", [Rate(1, MINUTE)], NOON) == 0
        assert await store.take_turn("vrex", "look", [], NOON) == 0

    play(scenario)


def test_of_many_at_once_only_so_many_get_a_turn(play: Play) -> None:
    async def scenario(store: Store) -> None:
        turns = [store.take_turn("vrex", "look", [Rate(7, MINUTE)], NOON) for _ in range(40)]
        assert (await asyncio.gather(*turns)).count(0) == 7

    play(scenario)


def test_a_rate_of_nothing_allows_nothing(play: Play) -> None:
    async def scenario(store: Store) -> None:
        assert await store.take_turn("vrex", "look", [Rate(0, MINUTE)], NOON) == NOON + MINUTE

    play(scenario)


def test_a_clock_that_was_set_back_closes_an_account_for_a_window_at_most(play: Play) -> None:
    async def scenario(store: Store) -> None:
        assert await store.take_turn("vrex", "look", [Rate(1, MINUTE)], NOON + DAY) == 0
        assert await store.take_turn("vrex", "look", [Rate(1, MINUTE)], NOON) == NOON + MINUTE

    play(scenario)


def test_turns_that_count_for_nothing_any_more_are_not_kept(play: Play, meddle: Callable[[str], list[Any]]) -> None:
    async def scenario(store: Store) -> None:
        for day in range(40):
            assert await store.take_turn("vrex", "look", [Rate(1, MINUTE)], NOON + day * DAY) == 0

    play(scenario)
    assert meddle("SELECT count(*) FROM turns") == [(9,)]


# --- health ------------------------------------------------------------------------------------------------


def test_counts_say_how_many_stand_where(play: Play) -> None:
    async def scenario(store: Store) -> None:
        assert await store.counts() == {"alerts": 0}
        await placed(store, a_job(1), a_job(2), a_job(3, state=JobState.UNKNOWN))
        await tell(store, *[told(n, delivery(n, "gone" if n == 5 else "team")) for n in range(1, 6)])
        dead, done, *_ = await taken(store, limit=3)
        await finished(store, dead, "dead")
        await finished(store, done, "done")
        await store.adopt_handlers(["team"], NOON)
        await store.alert(raised(1))
        await store.alert(raised(2, subject="other"))
        await store.alert(cleared(2, subject="other"))
        assert await store.counts() == {
            "jobs.running": 2,
            "jobs.unknown": 1,
            "deliveries.dead": 1,
            "deliveries.parked": 1,
            "deliveries.running": 1,
            "deliveries.pending": 4 - 3 + 3,  # that of event 4, and what the alerts are told by
            "alerts": 1,
        }

    play(scenario)


def test_a_check_commits_something(play: Play, meddle: Callable[[str], list[Any]]) -> None:
    async def scenario(store: Store) -> None:
        await store.check()
        await store.check()

    play(scenario)
    assert meddle("SELECT uses FROM latches WHERE name = 'check'") == [(2,)]


# --- who is told of a commit -------------------------------------------------------------------------------


def test_a_listener_hears_after_each_commit_what_it_changed(play: Play) -> None:
    async def scenario(store: Store) -> None:
        heard: list[Changed] = []
        store.subscribe(heard.append)
        await placed(store, a_job())
        await store.apply("job_0001", changing(Change(job=a_job(looks=1), told=(told(1, delivery(1)),))))
        await store.apply("job_0001", changing(Change()))
        [claimed] = await taken(store)
        await store.claim_jobs(NOON, NOON + 1, 5)
        await finished(store, claimed, raised=(raised(1),))
        await store.alert(cleared(1))
        await store.retry_deliveries(["dlv_0101"], NOON)
        await store.check()
        assert heard == [
            Changed(jobs=frozenset({"job_0001"})),
            Changed(frozenset({"job_0001"}), frozenset({"dlv_0001"}), handlers=frozenset({"team"})),
            Changed(frozenset(), frozenset({"dlv_0001", "dlv_0101"}), frozenset({"alr_0001"}), frozenset({"team"})),
            Changed(frozenset(), frozenset({"dlv_0201"}), frozenset({"alr_0001"}), frozenset({"team"})),
            Changed(deliveries=frozenset({"dlv_0101"}), handlers=frozenset({"team"})),
        ]

    play(scenario)


def test_a_listener_that_has_ended_hears_nothing(play: Play) -> None:
    async def scenario(store: Store) -> None:
        heard: list[Changed] = []
        first, second = store.subscribe(heard.append), store.subscribe(heard.append)
        first()
        first()
        await placed(store, a_job(1))
        assert len(heard) == 1
        second()
        await placed(store, a_job(2))
        assert len(heard) == 1

    play(scenario)


def test_a_listener_that_fails_stops_nothing(play: Play) -> None:
    async def scenario(store: Store) -> None:
        heard: list[Changed] = []

        def bad(_: Changed) -> None:
            raise LookupError("a bug")

        store.subscribe(bad)
        store.subscribe(heard.append)
        await placed(store, a_job(1))
        await placed(store, a_job(2))
        assert len(heard) == 2

    play(scenario)


# --- any loop, and the end ---------------------------------------------------------------------------------


def test_calls_from_several_event_loops_share_the_store(url: str) -> None:
    async def some(store: Store, first: int) -> None:
        for number in range(first, first + 20):
            await store.place(a_job(number), ORDER)
            assert (await store.apply(f"job_{number:04d}", becoming(looks=number))).job == a_job(number, looks=number)
            assert await store.job(f"job_{number:04d}") == a_job(number, looks=number)

    async def main() -> None:
        async with open_store(url) as store:
            threads = [threading.Thread(target=lambda n=n: asyncio.run(some(store, n * 20))) for n in range(4)]
            for thread in threads:
                thread.start()
            while any(thread.is_alive() for thread in threads):
                await asyncio.sleep(0.01)
            assert [job.looks for job in await store.jobs(Query(limit=100))] == list(range(79, -1, -1))

    asyncio.run(main())


def test_a_caller_that_goes_away_leaves_its_write_done(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await placed(store, a_job())
        began = threading.Event()

        def decide(job: Job | None) -> Change:
            began.wait(5)
            return becoming(looks=5)(job)

        call = asyncio.ensure_future(store.apply("job_0001", decide, evidence(1)))
        await asyncio.sleep(0)
        call.cancel()
        began.set()
        await asyncio.gather(call, return_exceptions=True)
        await store.check()
        assert the(await store.job("job_0001")).looks == 5

    play(scenario)


def test_closing_finishes_what_is_queued(url: str) -> None:
    async def main() -> None:
        store = await open_store(url)
        calls = [asyncio.create_task(store.place(a_job(number), ORDER)) for number in range(300)]
        await asyncio.sleep(0)
        await store.close()
        assert [type(answer) for answer in await asyncio.gather(*calls)] == [Placed] * 300
        await store.close()
        for call in (store.check(), store.job("job_0001")):
            with pytest.raises(StoreUnavailable, match="closed"):
                await call
        async with open_store(url) as again:
            assert len(await again.jobs(Query(limit=300))) == 300

    asyncio.run(main())


# --- links -------------------------------------------------------------------------------------------------


def test_a_revoked_link_stays_revoked_and_concerns_its_job_alone(play: Play) -> None:
    async def scenario(store: Store) -> None:
        assert not await store.is_link_revoked("job_0001")
        await store.revoke_link("job_0001", NOON)
        await store.revoke_link("job_0001", NOON + 1)
        assert await store.is_link_revoked("job_0001")
        assert not await store.is_link_revoked("job_0002")

    play(scenario)
