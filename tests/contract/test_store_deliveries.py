"""What a store promises of deliveries: one worker at a time, a fence against late ones, tried again, never twice."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from receiver.store.opening import open_store
from receiver.store.protocol import Attempt, Clip, Delivery, Finish, Query, Store
from schemas.event import EventType
from schemas.values import replace
from tests.support.stored import (
    HOUR,
    MINUTE,
    NOON,
    SECOND,
    a_job,
    an_event,
    becoming,
    cleared,
    delivery,
    finished,
    placed,
    raised,
    taken,
    tell,
    told,
)

Play = Callable[[Any], Any]


async def one(store: Store, delivery_id: str = "dlv_0001") -> Delivery:
    """The delivery of this id."""
    [found] = await store.deliveries(Query({"id": delivery_id}))
    return found


# --- claim -------------------------------------------------------------------------------------------------


def test_a_claim_gives_the_delivery_with_its_event_and_a_lease(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await tell(store, told(1, delivery(1)))
        [claimed] = await taken(store)
        assert claimed.event == an_event(1)
        held = claimed.delivery
        assert (held.state, held.next_at, held.fence, held.claims) == ("running", NOON + MINUTE, 1, 1)
        assert held == await one(store)

    play(scenario)


def test_only_what_is_due_for_this_handler_is_claimed(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await tell(store, told(1, delivery(1), delivery(2, "other")))
        assert await taken(store, now=NOON - 1) == []
        assert [each.delivery.id for each in await taken(store)] == ["dlv_0001"]
        assert [each.delivery.id for each in await taken(store, "other")] == ["dlv_0002"]
        assert await taken(store, "nobody") == []

    play(scenario)


def test_what_has_a_deadline_comes_first_nearest_first_then_by_its_turn(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await tell(store, told(1, delivery(1, target="a"), delivery(2, target="b", deadline=NOON + HOUR)))
        await tell(store, told(2, delivery(3, deadline=NOON + MINUTE), received_at=an_event().occurred_at))
        await tell(store, told(3, delivery(4), received_at=an_event().occurred_at))
        order = ["dlv_0003", "dlv_0002", "dlv_0004", "dlv_0001"]
        assert [each.delivery.id for each in await taken(store, limit=3)] == order[:3]
        assert [each.delivery.id for each in await taken(store)] == order[3:]

    play(scenario)


def test_nobody_gets_a_delivery_before_its_lease_has_run_out(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await tell(store, told(1, delivery(1)), told(2, delivery(2, deadline=NOON + HOUR)))
        assert len(await taken(store)) == 2
        assert await taken(store, now=NOON + MINUTE - 1) == []
        again = await taken(store, now=NOON + MINUTE)
        assert [(each.delivery.fence, each.delivery.claims) for each in again] == [(2, 2), (2, 2)]

    play(scenario)


def test_eight_claimers_in_as_many_loops_never_get_the_same_delivery(url: str) -> None:
    async def prepare() -> None:
        async with open_store(url) as store:
            await tell(store, *[told(n, delivery(n, deadline=NOON + n if n % 2 else None)) for n in range(400)])
            threads = [threading.Thread(target=lambda: got.append(asyncio.run(claimer(store)))) for _ in range(8)]
            for thread in threads:
                thread.start()
            while any(thread.is_alive() for thread in threads):
                await asyncio.sleep(0.01)

    async def claimer(store: Store) -> list[str]:
        mine: list[str] = []
        while batch := await taken(store, limit=7):
            mine += [each.delivery.id for each in batch]
            assert all(await asyncio.gather(*[finished(store, each) for each in batch]))
        return mine

    got: list[list[str]] = []
    asyncio.run(prepare())
    everything = [delivery_id for mine in got for delivery_id in mine]
    assert sorted(everything) == [f"dlv_{number:04d}" for number in range(400)]


def test_a_claim_knows_how_long_the_vendor_took(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await placed(store, a_job(submitted_at=NOON - 75 * SECOND))
        await tell(store, told(1, delivery(1)), told(2, delivery(2), job_id="job_none"))
        assert [each.elapsed for each in await taken(store)] == [None, None]
        await store.apply("job_0001", becoming(settled_at=NOON + 500_000))
        again = await taken(store, now=NOON + HOUR)
        assert {each.delivery.id: each.elapsed for each in again} == {"dlv_0001": 75.5, "dlv_0002": None}

    play(scenario)


def test_a_lease_is_extended_while_its_fence_is_ours(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await tell(store, told(1, delivery(1)), told(2, delivery(2)), told(3, delivery(3)))
        claimed = {each.delivery.id: each for each in await taken(store)}
        await finished(store, claimed["dlv_0003"])
        await store.extend_deliveries({"dlv_0001": 1, "dlv_0002": 0, "dlv_0003": 1, "dlv_none": 1}, NOON + HOUR)
        ends = {each.id: each.next_at for each in await store.deliveries(Query())}
        assert ends == {"dlv_0001": NOON + HOUR, "dlv_0002": NOON + MINUTE, "dlv_0003": None}
        await store.extend_deliveries({}, NOON)

    play(scenario)


# --- finish ------------------------------------------------------------------------------------------------


def test_an_attempt_is_recorded_with_what_the_delivery_becomes(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await tell(store, told(1, delivery(1)))
        for number in range(3):
            [claimed] = await taken(store, now=NOON + number * HOUR)
            assert claimed.delivery.attempts == tuple(Attempt(NOON + n, "later", f"r{n}", "a") for n in range(number))
            attempt = Attempt(NOON + number, "later", f"r{number}", "a")
            assert await finished(store, claimed, "pending", attempt=attempt, next_at=NOON + (number + 1) * HOUR)
        left = await one(store)
        assert (left.state, left.next_at, left.claims, len(left.attempts)) == ("pending", NOON + 3 * HOUR, 0, 3)
        [last] = await taken(store, now=NOON + 3 * HOUR)
        await finished(store, last, "done")
        assert ((await one(store)).state, (await one(store)).next_at) == ("done", None)

    play(scenario)


def test_a_late_worker_is_not_taken_and_nothing_of_it_is_written(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await tell(store, told(1, delivery(1)))
        [late] = await taken(store)
        [current] = await taken(store, now=NOON + MINUTE)
        everything: dict[str, Any] = {"told": (told(2, delivery(2)),), "clips": (a_clip(),), "raised": (raised(),)}
        assert not await finished(store, late, **everything)
        assert (await store.clips(Query()), await store.alerts(Query())) == ([], [])
        assert await one(store) == current.delivery
        assert await finished(store, current, **everything)
        assert len(await store.clips(Query())) == len(await store.alerts(Query())) == 1

    play(scenario)


def test_an_end_told_twice_is_recorded_once(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await tell(store, told(1, delivery(1)))
        [claimed] = await taken(store)
        answers = await asyncio.gather(*[finished(store, claimed, told=(told(2, delivery(2)),)) for _ in range(3)])
        assert answers == [True, False, False]
        assert not await finished(store, claimed)
        assert len((await one(store)).attempts) == 1
        assert len(await store.events(Query())) == 2

    play(scenario)


def test_what_nobody_has_claimed_cannot_be_finished(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await tell(store, told(1, delivery(1)))
        assert not await store.finish_delivery("dlv_0001", 0, Finish("done", Attempt(NOON, "done")))
        assert not await store.finish_delivery("dlv_none", 0, Finish("done", Attempt(NOON, "done")))
        assert (await one(store)).state == "pending"

    play(scenario)


def test_a_worker_that_stops_before_it_tried_leaves_no_attempt_and_no_claim(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await tell(store, told(1, delivery(1)))
        [claimed] = await taken(store)
        assert await finished(store, claimed, "pending", attempt=None, next_at=NOON)
        left = await one(store)
        assert (left.state, left.next_at, left.claims, left.attempts) == ("pending", NOON, 0, ())

    play(scenario)


def test_what_follows_from_an_attempt_is_written_with_it(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await tell(store, told(1, delivery(1)), told(3, delivery(3)))
        first, second = await taken(store)
        await finished(store, first, "dead", told=(told(2, delivery(2)),), clips=(a_clip(),), raised=(raised(),))
        assert [event.id for event in await store.events(Query())] == ["evt_0101", "evt_0003", "evt_0002", "evt_0001"]
        assert await store.clips(Query()) == [a_clip()]
        assert len(await store.alerts(Query({"standing": True}))) == 1
        await finished(store, second, cleared=(cleared(),))
        assert await store.alerts(Query({"standing": True})) == []

    play(scenario)


def test_words_of_an_attempt_that_no_engine_can_keep_do_not_stop_it(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await tell(store, told(1, delivery(1)))
        [claimed] = await taken(store)
        assert await finished(store, claimed, attempt=Attempt(NOON, "done", "NUL \0", "half a pair \ud83d"))
        assert [(a.reason, a.answer) for a in (await one(store)).attempts] == [("NUL \ufffd", "half a pair \ufffd")]

    play(scenario)


def a_clip(**fields: Any) -> Clip:
    """A saved file."""
    return replace(
        Clip("clp_1", "job_0001", 1, "save", "/clips/1.mp4", 5_000_000_000, "ab", "video/mp4", None, NOON), **fields
    )


def test_a_clip_saved_again_replaces_what_was_noted(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await tell(store, *[told(n, delivery(n)) for n in (1, 2, 3)])
        first, second, third = await taken(store)
        await finished(store, first, clips=(a_clip(), a_clip(id="clp_2", number=2)))
        await finished(store, second, clips=(a_clip(id="clp_3", path="/clips/new.mp4", poster="/p.jpg"),))
        await finished(store, third, clips=(a_clip(id="clp_4", handler="elsewhere", job_id="job_0002"),))
        found = [(clip.id, clip.path, clip.poster) for clip in await store.clips(Query({"job_id": "job_0001"}))]
        assert found == [("clp_2", "/clips/1.mp4", None), ("clp_1", "/clips/new.mp4", "/p.jpg")]
        assert [clip.id for clip in await store.clips(Query({"handler": "elsewhere"}))] == ["clp_4"]

    play(scenario)


# --- again -------------------------------------------------------------------------------------------------


def test_folders_are_short_of_room_while_a_delivery_found_none_at_its_last_attempt(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await tell(store, told(1, *[delivery(number, target=str(number)) for number in range(1, 6)]))
        claimed = await taken(store)
        folders = {0: "/b", 1: "/a", 2: "/a", 3: "/gone"}
        for number, where in folders.items():
            attempt = Attempt(NOON, "no_room", "full", where)
            await finished(store, claimed[number], "pending", attempt=attempt, next_at=NOON)
        await finished(store, claimed[4], "pending", attempt=Attempt(NOON, "later", "no", "/x"), next_at=NOON)
        assert await store.short_of_room() == ["/a", "/b", "/gone"]
        again = {each.delivery.id: each for each in await taken(store)}
        assert await store.short_of_room() == ["/a", "/b", "/gone"]
        await finished(store, again[claimed[0].delivery.id], "done")
        await finished(store, again[claimed[3].delivery.id], "pending", attempt=Attempt(NOON, "later"), next_at=NOON)
        await finished(store, again[claimed[1].delivery.id], "dead")
        await finished(store, again[claimed[2].delivery.id], "pending", attempt=None, next_at=NOON)
        assert await store.short_of_room() == ["/a"]

    play(scenario)


def test_retry_makes_dead_and_waiting_ones_due_with_a_fresh_schedule(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await four_ways(store)
        ids = ["dlv_0004", "dlv_0001", "dlv_0002", "dlv_0003", "dlv_none", "dlv_0001"]
        assert await store.retry_deliveries(ids, NOON + 9) == ["dlv_0001", "dlv_0004"]
        for again in (await one(store, "dlv_0001"), await one(store, "dlv_0004")):
            assert (again.state, again.next_at, again.claims, again.replays) == ("pending", NOON + 9, 0, 0)
            assert (len(again.attempts), again.skipped, again.tried) == (1, 1, 0)
        assert (await one(store, "dlv_0002")).state == "done"
        assert (await one(store, "dlv_0003")).state == "running"

    play(scenario)


def test_ids_that_no_engine_can_keep_are_nobodys(play: Play) -> None:
    async def scenario(store: Store) -> None:
        assert await store.retry_deliveries(["dlv_\0", "dlv_\ud800"], NOON) == []
        assert await store.replay("evt_\0", [delivery(1)], NOON, again=True) == []
        assert await store.deliveries(Query({"id": "dlv_\0"})) == []

    play(scenario)


def test_a_replay_makes_what_is_missing_and_wakes_what_is_dead(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await four_ways(store)
        asked = [delivery(number + 50, target=str(number), deadline=NOON + HOUR) for number in (1, 2, 3, 4, 5)]
        will_run = await store.replay("evt_0001", asked, NOON + 9, again=False)
        assert will_run == ["dlv_0001", "dlv_0003", "dlv_0004", "dlv_0055"]
        states = {each.id: (each.state, each.next_at, each.replays) for each in await store.deliveries(Query())}
        assert states == {
            "dlv_0001": ("pending", NOON + 9, 0),
            "dlv_0002": ("done", None, 0),
            "dlv_0003": ("running", NOON + MINUTE, 0),
            "dlv_0004": ("pending", NOON + HOUR, 0),
            "dlv_0055": ("pending", NOON + 9, 0),
        }
        woken, made = await one(store, "dlv_0001"), await one(store, "dlv_0055")
        assert (woken.deadline, woken.tried) == (NOON + HOUR, 0)
        assert (made.event_id, made.job_id, made.created_at, made.deadline) == (
            "evt_0001",
            "job_0001",
            NOON + 9,
            NOON + HOUR,
        )

    play(scenario)


def test_a_replay_again_takes_done_ones_too_under_another_key(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await four_ways(store)
        before = await one(store, "dlv_0002")
        assert await store.replay("evt_0001", [delivery(52, target="2")], NOON, again=True) == ["dlv_0002"]
        after = await one(store, "dlv_0002")
        assert (after.state, after.replays, after.tried) == ("pending", 1, 0)
        assert (before.key, after.key) == ("dlv_0002", "dlv_0002-1")
        assert await store.replay("evt_0001", [delivery(52, target="2")], NOON, again=True) == ["dlv_0002"]
        assert (await one(store, "dlv_0002")).replays == 1

    play(scenario)


def test_a_replay_touches_only_the_targets_it_names(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await four_ways(store)
        assert await store.replay("evt_0001", [delivery(60, "new")], NOON, again=True) == ["dlv_0060"]
        assert (await one(store, "dlv_0001")).state == "dead"
        assert await store.replay("evt_none", [delivery(61)], NOON, again=True) == []
        assert await store.replay("evt_0001", [], NOON, again=True) == []

    play(scenario)


async def four_ways(store: Store) -> None:
    """Deliveries of event 1, each at its own target: 1 dead, 2 done, 3 running, 4 waiting for an hour."""
    await tell(store, told(1, *[delivery(number, target=str(number)) for number in (1, 2, 3, 4)]))
    claimed = {each.delivery.target: each for each in await taken(store)}
    await finished(store, claimed["1"], "dead")
    await finished(store, claimed["2"], "done")
    await finished(store, claimed["4"], "pending", next_at=NOON + HOUR)


# --- handlers that come and go -----------------------------------------------------------------------------


def test_what_waits_for_a_missing_handler_is_parked(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await tell(store, told(1, delivery(1, "gone"), delivery(2, "gone", "b", NOON + HOUR), delivery(3, "here")))
        assert await store.adopt_handlers(["here", "new"], NOON) == {"gone": 2}
        assert {each.id: each.state for each in await store.deliveries(Query())} == {
            "dlv_0001": "parked",
            "dlv_0002": "parked",
            "dlv_0003": "pending",
        }
        assert await taken(store, "gone", NOON + HOUR) == []
        assert await store.adopt_handlers(["here", "gone"], NOON + 9) == {}
        assert (await one(store, "dlv_0002")).state == "parked"

    play(scenario)


def test_what_is_over_is_not_parked(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await four_ways(store)
        assert await store.adopt_handlers([], NOON + 1) == {"team": 1}
        states = {each.id: each.state for each in await store.deliveries(Query())}
        assert states == {"dlv_0001": "dead", "dlv_0002": "done", "dlv_0003": "running", "dlv_0004": "parked"}

    play(scenario)


def test_what_a_worker_holds_is_parked_only_after_its_lease(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await tell(store, told(1, delivery(1)))
        [claimed] = await taken(store)
        assert await store.adopt_handlers([], NOON + MINUTE - 1) == {}
        assert await store.adopt_handlers([], NOON + MINUTE) == {"team": 1}
        assert not await finished(store, claimed)

    play(scenario)


# --- read --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("id", "dlv_0002"),
        ("state", "dead"),
        ("handler", "other"),
        ("target", "someone"),
        ("event_id", "evt_0002"),
        ("job_id", "job_0002"),
    ],
)
def test_deliveries_are_listed_by(play: Play, name: str, value: str) -> None:
    async def scenario(store: Store) -> None:
        second = told(2, delivery(2, "other", "someone"), job_id="job_0002", type=EventType.COMPLETED)
        await tell(store, told(1, delivery(1)), second, told(3, delivery(3)))
        [claimed] = await taken(store, "other")
        await finished(store, claimed, "dead")
        [found] = await store.deliveries(Query({name: value}))
        assert (found.id, found.attempts) == ("dlv_0002", (Attempt(NOON, "dead"),))

    play(scenario)


def test_deliveries_are_listed_newest_first_below_an_id(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await tell(store, *[told(number, delivery(number)) for number in range(7)])
        assert [each.id[-1] for each in await store.deliveries(Query(limit=3, before="dlv_0005"))] == ["4", "3", "2"]

    play(scenario)
