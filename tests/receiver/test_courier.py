"""The courier over a real store and a handler that does what a test says, on a clock that may run faster."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from handlers.protocol import Done, Outcome, Parcel, TryLater
from receiver import lane
from receiver.courier import Courier
from receiver.kit import Kit
from receiver.lane import DEATHS, Post
from receiver.settings import HandlerConfig
from receiver.share import Share
from receiver.store.accounts import Rate
from receiver.store.opening import open_store
from receiver.store.protocol import Attempt, Changed, Finish, NewDelivery, Query, Store
from receiver.ward import adopt
from receiver.work import make_kit
from schemas.values import replace
from tests.support.configuration import TEAM, TOP, VREX, configured
from tests.support.stored import NOON, SECOND, tell, told

PAGER = TEAM.replace("[handlers.team]", "[handlers.pager]").replace(
    'type = "slack"', 'type = "slack"\nevents = ["alert.raised"]'
)


@dataclass
class Scripted:
    """A handler that answers what it is told to, and notes who came when."""

    clock: Callable[[], int]
    outcome: Outcome = field(default_factory=Done)
    seconds: float = 0
    calls: list[tuple[float, list[str]]] = field(default_factory=list)
    titles: set[str | None] = field(default_factory=set)

    async def deliver(self, parcels: Sequence[Parcel]) -> Mapping[str, Outcome]:
        self.calls.append(((self.clock() - NOON) / SECOND, [parcel.key for parcel in parcels]))
        self.titles |= {parcel.vendor_title for parcel in parcels}
        outcome = self.outcome
        await asyncio.sleep(self.seconds)
        return {parcel.key: outcome for parcel in parcels}

    async def close(self) -> None:
        pass

    @property
    def keys(self) -> list[str]:
        return [key for _, keys in self.calls for key in keys]


@dataclass(frozen=True)
class Stage:
    """What a scenario has at hand."""

    store: Store
    kit: Kit
    team: Scripted

    async def until(self, look: Callable[[], Awaitable[bool]], seconds: float = 15) -> None:
        end = time.monotonic() + seconds
        while not await look():
            assert time.monotonic() < end, (self.team.calls, await self.states())
            await asyncio.sleep(0.02)

    async def states(self) -> dict[str, str]:
        found = await self.store.deliveries(Query({"handler": "team"}, 200))
        return {each.id: each.state for each in found}

    async def are(self, state: str) -> bool:
        return set((await self.states()).values()) == {state}


def one_at_a_time(config: HandlerConfig) -> HandlerConfig:
    """A handler that takes one event in a call."""
    return replace(config, type=replace(config.type, max_batch=1))


def play(
    folder: Path,
    scenario: Callable[[Stage], Awaitable[None]],
    *,
    speed: float = 1,
    before: Callable[[Store], Awaitable[None]] | None = None,
    driven: Callable[[HandlerConfig], HandlerConfig] = one_at_a_time,
) -> None:
    """Run the courier for one handler `team` while a scenario plays."""

    async def main() -> None:
        settings = configured(folder, TOP + VREX + TEAM + PAGER)
        began = time.monotonic()
        clock = lambda: NOON + int((time.monotonic() - began) * speed * SECOND)  # noqa: E731
        async with open_store(settings.database_url) as store:
            kit = replace(make_kit(settings, store), now=clock)
            team = Scripted(clock)
            config = driven(replace(settings.handlers["team"], concurrency=4, retry=(3600.0,)))
            stage = Stage(store, kit, team)
            if before is not None:
                await before(store)
            await with_courier(stage, [Post(config, team)], scenario)

    asyncio.run(main())


async def with_courier(stage: Stage, posts: Sequence[Post], scenario: Callable[[Stage], Awaitable[None]]) -> None:
    await adopt(stage.kit, ["team", "pager"])
    courier = Courier(stage.kit, posts)
    loop = asyncio.get_running_loop()

    def wake(changed: Changed) -> None:
        loop.call_soon_threadsafe(courier.wake, changed.handlers)

    leave = stage.store.subscribe(wake)
    await courier.start()
    try:
        await scenario(stage)
        assert courier.dead == []
    finally:
        leave()
        # a lane that is woken in the very moment in which it is stopped stops all the same
        courier.wake(["team"])
        await asyncio.sleep(0)
        async with asyncio.timeout(10):
            await courier.stop(1)


async def events(store: Store, numbers: range) -> None:
    """Tell the handler of so many events."""
    await tell(store, *[told(number, NewDelivery(f"dlv_{number:04d}", "team", "")) for number in numbers])


def test_pauses_grow_and_each_ends_with_one_delivery_by_turns(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        stage.team.outcome = TryLater("HTTP 500")
        await events(stage.store, range(1, 7))
        await stage.until(lambda: calls(stage, 6 + 3), 20)
        (paused,) = await stage.store.pauses()
        stage.team.outcome = Done()
        await stage.until(lambda: stage.are("done"), 20)
        probes = stage.team.calls[6:9]
        assert [len(keys) for _, keys in probes] == [1, 1, 1]
        assert len({keys[0] for _, keys in probes}) == 3
        waits = [later[0] - earlier[0] for earlier, later in zip(stage.team.calls[5:8], probes, strict=True)]
        # nominal 30, 60, 120; on a clock that runs 60 times as fast, looked at once a second
        assert [wait >= least for wait, least in zip(waits, (29, 59, 119), strict=True)] == [True] * 3
        assert waits[0] < 200
        assert (paused.handler, paused.reason) == ("team", "HTTP 500")
        assert await stage.store.pauses() == []
        assert await stage.store.alerts(Query({"standing": True})) == []

    play(tmp_path, scenario, speed=60)


async def deaths(store: Store, number: int) -> None:
    """Let workers claim everything and die, so many times."""
    for _ in range(number):
        assert await store.claim_deliveries("team", NOON, NOON, 100)


def test_what_was_held_when_a_program_died_again_and_again_is_delivered_all_the_same(tmp_path: Path) -> None:
    async def before(store: Store) -> None:
        await events(store, range(1, 4))
        await deaths(store, DEATHS)

    async def scenario(stage: Stage) -> None:
        await stage.until(lambda: stage.are("done"))
        found = await stage.store.deliveries(Query({"handler": "team"}))
        assert {tuple(each.outcome for each in delivery.attempts) for delivery in found} == {("later", "done")}
        assert len(stage.team.keys) == 3
        assert await stage.store.pauses() == []

    def soon(config: HandlerConfig) -> HandlerConfig:
        return replace(one_at_a_time(config), retry=(5.0,))

    play(tmp_path, scenario, speed=10, before=before, driven=soon)


def test_what_comes_to_the_same_end_again_is_given_up(tmp_path: Path) -> None:
    async def before(store: Store) -> None:
        await events(store, range(1, 2))
        (claimed,) = await store.claim_deliveries("team", NOON, NOON, 1)
        crash = Attempt(NOON, "later", "crashed: the program ended 3 times while this was delivered")
        aside = Finish("pending", crash, next_at=NOON)
        await store.finish_delivery(claimed.delivery.id, claimed.delivery.fence, aside)
        await deaths(store, DEATHS)

    async def scenario(stage: Stage) -> None:
        await stage.until(lambda: stage.are("dead"))
        assert stage.team.calls == []

    play(tmp_path, scenario, before=before)


def test_a_parcel_names_the_vendor_as_people_read_it(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        await events(stage.store, range(1, 3))
        await stage.until(lambda: stage.are("done"))
        assert stage.team.titles == {"Vrex"}

    play(tmp_path, scenario)


def test_want_of_room_is_the_disks_trouble_and_pauses_no_handler(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        stage.team.outcome = TryLater("full", no_room_at="/clips")
        await events(stage.store, range(1, 9))
        await stage.until(lambda: calls(stage, 24))
        assert await stage.store.pauses() == []
        (alert,) = await stage.store.alerts(Query({"standing": True}))
        assert (alert["code"], alert["subject"]) == ("disk.low", "/clips")
        found = await stage.store.deliveries(Query({"handler": "team"}))
        assert {tuple(each.outcome for each in delivery.attempts) for delivery in found} == {("no_room",)}
        assert await stage.store.short_of_room() == ["/clips"]
        stage.team.outcome = Done()
        await stage.until(lambda: stage.are("done"))
        assert await stage.store.short_of_room() == []

    play(tmp_path, scenario, speed=20)


async def calls(stage: Stage, number: int) -> bool:
    return len(stage.team.calls) >= number


def test_what_was_parked_is_let_out_ten_in_a_second_the_newest_first(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.until(lambda: stage.are("done"))
        keys, times = stage.team.keys, [at for at, _ in stage.team.calls]
        assert keys[:10] == [f"dlv_{number:04d}" for number in range(25, 15, -1)]
        assert times[10] - times[0] > 0.9
        assert times[20] - times[10] > 0.9

    async def parked() -> None:
        settings = configured(tmp_path, TOP + TEAM + PAGER)
        async with open_store(settings.database_url) as store:
            await events(store, range(1, 26))
            await store.park_deliveries("team", NOON)

    asyncio.run(parked())
    play(tmp_path, scenario, driven=lambda config: replace(one_at_a_time(config), concurrency=1))


def test_half_of_the_calls_are_kept_for_news(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        await events(stage.store, range(1, 9))
        await stage.until(lambda: stage.are("done"))
        stage.team.seconds = 1.0
        await asyncio.gather(
            *[
                stage.store.replay(f"evt_{n:04d}", [NewDelivery("dlv_new", "team", "")], stage.kit.now(), again=True)
                for n in range(1, 9)
            ]
        )
        await stage.until(lambda: calls(stage, 8 + 2))
        await asyncio.sleep(0.2)
        assert len(stage.team.calls) == 8 + 2
        await events(stage.store, range(10, 12))
        await stage.until(lambda: calls(stage, 8 + 4), 0.8)
        assert set(stage.team.keys[-2:]) == {"dlv_0010", "dlv_0011"}

    play(tmp_path, scenario)


def test_a_rate_is_kept_within_any_second(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        await events(stage.store, range(1, 12))
        await stage.until(lambda: stage.are("done"))
        times = [at for at, _ in stage.team.calls]
        assert all(later - earlier > 0.99 for earlier, later in zip(times, times[4:], strict=False))

    play(tmp_path, scenario, driven=lambda config: replace(one_at_a_time(config), rate=Rate(4, SECOND)))


def test_a_person_or_another_process_may_end_a_pause(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        from receiver.ward import well_again

        stage.team.outcome = TryLater("HTTP 500")
        await events(stage.store, range(1, 7))
        await stage.until(lambda: stage.are("parked"))
        stage.team.outcome = Done()
        await stage.store.resume_handler("team", well_again(stage.kit, "team"))
        await stage.until(lambda: stage.are("done"))

    play(tmp_path, scenario)


def test_one_call_with_many_events_is_one_failure(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        stage.team.outcome = TryLater("HTTP 500")
        for number in range(1, 5):
            await events(stage.store, range(number * 10, number * 10 + 10))
            await stage.until(partial(tried, stage, number * 10))
        assert await stage.store.pauses() == []
        await events(stage.store, range(90, 99))
        await stage.until(lambda: stage.are("parked"))

    async def tried(stage: Stage, number: int) -> bool:
        return len(stage.team.keys) >= number

    play(tmp_path, scenario, driven=lambda config: replace(config, concurrency=1))


def test_an_outcome_that_cannot_be_recorded_costs_the_others_of_its_call_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def before(store: Store) -> None:
        finish = store.finish_delivery

        async def broken(delivery_id: str, fence: int, ended: Finish) -> bool:
            if delivery_id == "dlv_0003":
                raise RuntimeError("a mistake of ours")
            return await finish(delivery_id, fence, ended)

        monkeypatch.setattr(store, "finish_delivery", broken)
        await events(store, range(1, 7))

    async def scenario(stage: Stage) -> None:
        async def others_are_done() -> bool:
            states = await stage.states()
            return {state for key, state in states.items() if key != "dlv_0003"} == {"done"}

        await stage.until(others_are_done)
        assert (await stage.states())["dlv_0003"] == "running"
        assert len(stage.team.calls[0][1]) == 6

    play(tmp_path, scenario, before=before, driven=lambda config: replace(config, concurrency=1))


def test_while_callbacks_need_the_processor_one_call_begins_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(stage: Stage) -> None:
        await events(stage.store, range(1, 4))
        await stage.until(lambda: stage.are("done"))
        starts = [at for at, _ in stage.team.calls]
        assert len(starts) == 3
        assert min(later - before for before, later in pairwise([0.0, *starts])) >= lane.WAY * 0.95

    monkeypatch.setattr(Share, "is_used_up", True)
    play(tmp_path, scenario)


def test_a_call_that_gives_way_begins_as_soon_as_the_processor_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(stage: Stage) -> None:
        await events(stage.store, range(1, 5))
        await asyncio.sleep(0.3)
        assert stage.team.calls == []
        monkeypatch.setattr(Share, "is_used_up", False)
        await stage.until(lambda: stage.are("done"))
        assert len(stage.team.calls) == 4

    monkeypatch.setattr(lane, "WAY", 60)
    monkeypatch.setattr(Share, "is_used_up", True)
    play(tmp_path, scenario)


def test_news_that_are_late_give_way_no_longer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(stage: Stage) -> None:
        await events(stage.store, range(1, 5))
        await stage.until(lambda: stage.are("done"))
        assert min(at for at, _ in stage.team.calls) >= lane.LATE / SECOND

    monkeypatch.setattr(lane, "WAY", 60)
    monkeypatch.setattr(Share, "is_used_up", True)
    play(tmp_path, scenario, speed=60)
