"""What a store promises of handlers that are paused: their deliveries are parked, tried one by one, and let out."""

import asyncio
from collections.abc import Callable
from typing import Any

from receiver.store.parking import Pause
from receiver.store.protocol import Claimed, Query, Store
from schemas.values import replace
from tests.support.stored import (
    HOUR,
    MINUTE,
    NOON,
    cleared,
    delivery,
    finished,
    raised,
    taken,
    tell,
    told,
)

Play = Callable[[Any], Any]
FAILING = ("handler.failing", "team")
PAUSE = Pause("team", NOON, NOON + MINUTE, "HTTP 500")


async def states(store: Store) -> dict[str, str]:
    """The state of every delivery, by the end of its id."""
    return {each.id[-2:]: each.state for each in await store.deliveries(Query(limit=200))}


async def probed(store: Store, now: int = NOON + MINUTE) -> Claimed | None:
    """Ask for a delivery to try, for a minute."""
    return await store.claim_probe("team", now, now + MINUTE)


# --- pauses ------------------------------------------------------------------------------------------------


def test_a_pause_is_kept_with_its_alert(play: Play) -> None:
    async def scenario(store: Store) -> None:
        assert await store.pauses() == []
        await store.pause_handler(PAUSE, raised(1, *FAILING))
        await store.pause_handler(Pause("absent", NOON, None, "gone", 0))
        assert await store.pauses() == [Pause("absent", NOON, None, "gone", 0), PAUSE]
        assert [(row["code"], row["subject"]) for row in await store.alerts(Query({"standing": True}))] == [FAILING]
        assert [event.id for event in await store.events(Query())] == ["evt_0101"]

    play(scenario)


def test_a_pause_that_is_prolonged_replaces_the_one_before_and_raises_nothing_twice(play: Play) -> None:
    async def scenario(store: Store) -> None:
        longer = replace(PAUSE, until=NOON + HOUR, reason="NUL \0", pauses=2)
        await store.pause_handler(PAUSE, raised(1, *FAILING))
        await store.pause_handler(longer, raised(2, *FAILING))
        assert await store.pauses() == [replace(longer, reason="NUL \ufffd")]
        assert len(await store.alerts(Query())) == len(await store.events(Query())) == 1

    play(scenario)


def test_the_end_of_a_pause_clears_its_alert(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await store.pause_handler(PAUSE, raised(1, *FAILING))
        assert await store.resume_handler("team", cleared(1, *FAILING))
        assert (await store.pauses(), await store.alerts(Query({"standing": True}))) == ([], [])
        assert not await store.resume_handler("team", cleared(2, *FAILING))
        assert [event.id for event in await store.events(Query())] == ["evt_0201", "evt_0101"]

    play(scenario)


def test_an_alert_without_a_pause_is_cleared_all_the_same(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await store.alert(raised(1, *FAILING))
        assert not await store.resume_handler("team", cleared(1, *FAILING))
        assert await store.alerts(Query({"standing": True})) == []

    play(scenario)


# --- parked ------------------------------------------------------------------------------------------------


def test_only_what_waits_for_this_handler_is_parked(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await tell(store, told(1, *[delivery(number, target=str(number)) for number in (1, 2, 3)]))
        held = {each.delivery.target: each for each in await taken(store)}
        await finished(store, held["1"], "dead")
        await finished(store, held["2"], "pending", next_at=NOON + HOUR)
        await tell(store, told(2, delivery(4), delivery(5, "other"), delivery(6, deadline=NOON + HOUR, target="x")))
        assert await store.park_deliveries("team", NOON) == 3
        expected = {"01": "dead", "02": "parked", "03": "running", "04": "parked", "05": "pending", "06": "parked"}
        assert await states(store) == expected
        assert await store.parked() == {"team": 3}
        assert await store.park_deliveries("team", NOON) == 0
        # a dead worker's is parked once its lease has run out, and a late worker is not taken
        assert await store.park_deliveries("team", NOON + MINUTE) == 1
        assert not await finished(store, held["3"])
        assert await taken(store, now=NOON + HOUR) == []

    play(scenario)


def test_the_newest_parked_ones_are_let_out_first_with_a_fresh_schedule(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await tell(store, *[told(number, delivery(number)) for number in range(1, 6)], told(9, delivery(9, "other")))
        [first, *_] = await taken(store, limit=1)
        await finished(store, first, "pending", next_at=NOON)
        await store.park_deliveries("team", NOON)
        await store.park_deliveries("other", NOON)
        assert await store.unpark_deliveries("team", NOON + 9, 2) == 2
        let_out = [each.delivery.id for each in await taken(store, now=NOON + 10)]
        assert let_out == ["dlv_0005", "dlv_0004"]
        assert await store.unpark_deliveries("team", NOON + 9, 10) == 3
        assert await store.unpark_deliveries("team", NOON + 9, 10) == 0
        back = {each.delivery.id: each.delivery for each in await taken(store, now=NOON + HOUR)}
        tried = back[first.delivery.id]
        assert (len(tried.attempts), tried.tried, tried.replays, tried.lane) == (1, 0, 0, 1)
        assert await store.parked() == {"other": 1}

    play(scenario)


# --- the one that tries ------------------------------------------------------------------------------------


def test_a_probe_is_one_delivery_after_the_pause_and_prolongs_it(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await tell(store, told(1, delivery(1)), told(2, delivery(2)))
        await store.park_deliveries("team", NOON)
        await store.pause_handler(PAUSE)
        assert await probed(store, NOON + MINUTE - 1) is None
        found = await probed(store)
        assert found is not None
        assert (found.delivery.id, found.event.id, found.delivery.state) == ("dlv_0001", "evt_0001", "running")
        assert (await store.pauses())[0].until == NOON + 2 * MINUTE
        assert await probed(store) is None
        assert await states(store) == {"01": "running", "02": "parked"}

    play(scenario)


def test_a_probe_that_failed_leaves_the_next_turn_to_another(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await tell(store, told(1, delivery(1)), told(2, delivery(2)))
        await store.park_deliveries("team", NOON)
        await store.pause_handler(PAUSE)
        tried = []
        for number in range(1, 4):
            found = await probed(store, NOON + number * HOUR)
            assert found is not None
            tried.append(found.delivery.id)
            assert await finished(store, found, "parked")
        assert tried == ["dlv_0001", "dlv_0002", "dlv_0001"]

    play(scenario)


def test_each_target_gets_its_turn_as_the_probe_however_many_events_come(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await store.pause_handler(PAUSE)
        targets = set()
        for number in range(1, 4):
            await tell(store, told(number, *[delivery(number * 10 + n, target=f"{n}:json") for n in range(3)]))
            await store.park_deliveries("team", NOON)
            found = await probed(store, NOON + number * HOUR)
            assert found is not None
            targets.add(found.delivery.target)
            assert await finished(store, found, "parked")
        assert targets == {"0:json", "1:json", "2:json"}

    play(scenario)


def test_of_all_that_ask_at_once_one_gets_the_probe(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await tell(store, *[told(number, delivery(number)) for number in range(20)])
        await store.park_deliveries("team", NOON)
        await store.pause_handler(PAUSE)
        found = await asyncio.gather(*[probed(store) for _ in range(8)])
        assert len([each for each in found if each is not None]) == 1

    play(scenario)


def test_there_is_no_probe_without_a_pause_or_without_anything_parked(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await tell(store, told(1, delivery(1)))
        await store.park_deliveries("team", NOON)
        assert await probed(store) is None
        await store.pause_handler(replace(PAUSE, until=None))
        assert await probed(store) is None
        await store.pause_handler(PAUSE)
        await store.unpark_deliveries("team", NOON, 1)
        assert await probed(store) is None
        # the pause is as it was: whatever is parked next is tried at once
        assert await store.pauses() == [PAUSE]

    play(scenario)


# --- behind what is new ------------------------------------------------------------------------------------


def test_what_is_delivered_again_stands_behind_news_and_takes_only_its_share(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await tell(store, *[told(number, delivery(number)) for number in range(1, 5)])
        for claimed in await taken(store):
            await finished(store, claimed, "dead" if claimed.delivery.id != "dlv_0004" else "done")
        await store.retry_deliveries(["dlv_0001", "dlv_0002", "dlv_0003"], NOON - HOUR)
        await store.replay("evt_0004", [delivery(44)], NOON - HOUR, again=True)
        await tell(store, told(5, delivery(5)), told(6, delivery(6)))
        got = await store.claim_deliveries("team", NOON, NOON + MINUTE, 4, again=1)
        assert [each.delivery.id for each in got][:2] == ["dlv_0005", "dlv_0006"]
        assert [each.delivery.lane for each in got] == [0, 0, 1]
        assert await store.claim_deliveries("team", NOON, NOON + MINUTE, 4, again=0) == []
        assert len(await taken(store)) == 3

    play(scenario)


def test_what_is_made_by_a_replay_stands_behind_news_too(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await tell(store, told(1))
        await store.replay("evt_0001", [delivery(1)], NOON - HOUR, again=False)
        await tell(store, told(2, delivery(2)))
        assert [each.delivery.id for each in await taken(store)] == ["dlv_0002", "dlv_0001"]

    play(scenario)


def test_what_perishes_goes_first_wherever_it_stands(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await tell(store, told(1), told(2, delivery(2)), told(3, delivery(3, deadline=NOON + HOUR)))
        await store.replay("evt_0001", [delivery(1, deadline=NOON + MINUTE)], NOON, again=False)
        got = await store.claim_deliveries("team", NOON, NOON + MINUTE, 9, again=0)
        assert [each.delivery.id for each in got] == ["dlv_0001", "dlv_0003", "dlv_0002"]

    play(scenario)
