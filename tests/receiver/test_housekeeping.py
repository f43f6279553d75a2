"""Housekeeping over a real store: alerts about budgets come once and go with their period; what is old goes."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from receiver import clock, housekeeping
from receiver.admission import Admission
from receiver.alerts import Notice
from receiver.housekeeping import Housekeeper, spans
from receiver.kit import Kit
from receiver.settings import Retention
from receiver.store.opening import open_store
from receiver.store.protocol import Attempt, Query, Store, Swept
from receiver.work import make_kit
from schemas.errors import BudgetReached, StoreUnavailable
from schemas.job import JobState
from schemas.values import replace
from tests.support.configuration import TEAM, TOP, VREX, configured
from tests.support.stored import (
    DAY,
    HOUR,
    NOON,
    ORDER,
    a_job,
    delivery,
    finished,
    placed,
    raised,
    taken,
    tell,
    told,
    usd,
)

BUDGET = '\n[budget]\nusd_per_day = "1.00"\nusd_per_month = "100"\n'


@dataclass
class Clock:
    """A clock that a test sets."""

    at: int = NOON

    def __call__(self) -> int:
        return self.at


@dataclass(frozen=True)
class Stage:
    """What a scenario has at hand."""

    kit: Kit
    clock: Clock = field(default_factory=Clock)

    @property
    def store(self) -> Store:
        return self.kit.store

    async def standing(self) -> list[str]:
        """The subjects that are raised."""
        found = await self.store.alerts(Query({"code": "budget.reached", "standing": True}))
        return sorted(alert["subject"] for alert in found)


def play(folder: Path, scenario: Callable[[Stage], Awaitable[None]], text: str = BUDGET) -> None:
    async def main() -> None:
        settings = configured(folder, TOP + text + VREX + TEAM.replace("\nurl", '\nevents = ["alert.raised"]\nurl'))
        async with open_store(settings.database_url) as store:
            stage = Stage(make_kit(settings, store))
            await scenario(replace(stage, kit=replace(stage.kit, now=stage.clock)))

    asyncio.run(main())


def marks(*percents: int, day: str = "usd_per_day:2025-01-01") -> list[str]:
    return sorted(f"{day}:{percent}" for percent in percents)


# --- budgets -----------------------------------------------------------------------------------------------


def test_a_mark_is_raised_by_the_order_that_reaches_it_and_told_once(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        admission = Admission(stage.kit)
        for number in (1, 2, 3):
            job = a_job(number, estimate=usd("0.3"), created_at=NOON)
            assert (await admission.place(job, ORDER, None)).is_new
        assert await stage.standing() == marks(50, 80)
        await Admission(stage.kit).care()
        assert len(await stage.store.events(Query({"type": "alert.raised"}))) == 2
        assert len(await stage.store.deliveries(Query({"handler": "team"}))) == 2

    play(tmp_path, scenario)


def test_an_order_that_does_not_fit_leaves_nothing_but_the_alert(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        admission = Admission(stage.kit)
        await placed(stage.store, a_job(1, estimate=usd("0.9"), created_at=NOON))
        job = a_job(2, estimate=usd("0.3"), created_at=NOON)
        with pytest.raises(BudgetReached):
            await admission.look(job)
        with pytest.raises(BudgetReached):
            await admission.place(job, ORDER, None)
        assert await stage.store.job(job.id) is None
        assert await stage.standing() == marks(50, 80, 100)

    play(tmp_path, scenario)


def test_what_was_spent_without_an_order_of_ours_is_noticed_in_time(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        await placed(stage.store, a_job(1, estimate=usd("0.5"), created_at=NOON))
        await Admission(stage.kit).care()
        assert await stage.standing() == marks(50)

    play(tmp_path, scenario)


def test_alerts_go_with_their_period_and_may_come_again_in_the_next(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        admission = Admission(stage.kit)
        await placed(stage.store, a_job(1, estimate=usd("60"), created_at=NOON))
        await admission.care()
        month = marks(50, day="usd_per_month:2025-01")
        assert await stage.standing() == [*marks(50, 80, 100), *month]
        stage.clock.at = NOON + 12 * HOUR
        await admission.care()
        assert await stage.standing() == month
        await placed(stage.store, a_job(2, estimate=usd("0.5"), created_at=stage.clock.at))
        await admission.care()
        assert await stage.standing() == [*marks(50, day="usd_per_day:2025-01-02"), *month]
        stage.clock.at = NOON + 31 * DAY
        await admission.care()
        assert await stage.standing() == []

    play(tmp_path, scenario)


def test_without_a_budget_everything_is_admitted_and_old_alerts_go(tmp_path: Path) -> None:
    async def with_budget(stage: Stage) -> None:
        await placed(stage.store, a_job(1, estimate=usd("60"), created_at=NOON))
        await Admission(stage.kit).care()

    async def without(stage: Stage) -> None:
        admission = Admission(stage.kit)
        assert len(await stage.standing()) == 4
        await admission.care()
        assert await stage.standing() == []
        job = a_job(2, estimate=usd("1000000"), created_at=NOON)
        admission.check(job)
        await admission.look(job)
        assert (await admission.place(job, ORDER, None)).is_new

    play(tmp_path, with_budget)
    play(tmp_path, without, "")


# --- disks -------------------------------------------------------------------------------------------------


def test_an_alert_about_a_disk_goes_once_when_nothing_waits_for_room_there(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        store, keeper = stage.store, Housekeeper(stage.kit)
        await tell(store, told(1, delivery(1, "files")))
        (claimed,) = await taken(store, "files")
        low = raised(1, "disk.low", "/clips", told=told(101))
        attempt = Attempt(NOON, "no_room", "full", "/clips")
        await finished(store, claimed, "pending", attempt=attempt, next_at=NOON, raised=(low,))
        await keeper.look_for_room()
        assert [alert["cleared_at"] for alert in await store.alerts(Query({"code": "disk.low"}))] == [None]
        (claimed,) = await taken(store, "files")
        await finished(store, claimed)
        await keeper.look_for_room()
        await keeper.look_for_room()
        assert [alert["cleared_at"] for alert in await store.alerts(Query({"code": "disk.low"}))] == [NOON]
        (event,) = await store.events(Query({"type": "alert.cleared"}))
        assert event.detail == {
            "code": "disk.low",
            "subject": "/clips",
            "text": "No download waits for room at /clips any more",
            "next_step": "Nothing to do",
        }

    play(tmp_path, scenario)


def test_what_was_told_of_a_clip_stands_for_a_week(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        store, keeper = stage.store, Housekeeper(stage.kit)
        stage.clock.at = clock.micros()
        notice = Notice("clip.mismatch", "job_1", stage.clock.at)
        facts = {"job": "job_1", "account": "vrex", "what": "it lasts 5 s instead of 8 s"}
        assert await store.alert(stage.kit.rules.alarm.raised(notice, facts))
        stage.clock.at += 6 * DAY
        await keeper.forget_mismatches()
        assert len(await store.alerts(Query({"standing": True}))) == 1
        stage.clock.at += 2 * DAY
        await keeper.forget_mismatches()
        assert await store.alerts(Query({"standing": True})) == []

    play(tmp_path, scenario)


# --- retention ---------------------------------------------------------------------------------------------


def test_what_is_kept_for_ever_is_not_swept() -> None:
    assert spans(Retention(None, None, None)) == {}
    assert spans(Retention(1.0, 2.0, 3.0)) == {"evidence": 1.0, "events": 2.0, "alerts": 2.0, "jobs": 3.0}


def test_a_round_deletes_what_is_older_than_it_has_to_be_kept(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        old = {"state": JobState.COMPLETED, "next_at": None}
        await placed(
            stage.store,
            *[a_job(n, settled_at=NOON - 2 * DAY, created_at=NOON - 3 * DAY, **old) for n in range(1, 60)],
            a_job(60, settled_at=NOON - HOUR, created_at=NOON - 3 * DAY, **old),
        )
        keeper = asyncio.create_task(Housekeeper(stage.kit).run())
        while len(await stage.store.jobs(Query())) > 1:
            await asyncio.sleep(0.05)
        keeper.cancel()
        assert [job.id for job in await stage.store.jobs(Query())] == ["job_0060"]

    play(tmp_path, scenario, '\n[retention]\njobs = "1d"\n')


class Failing:
    """A store whose housekeeping fails at first."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.sweeps = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    async def sweep(self, kind: str, before: int, after: str = "") -> Swept:
        """Fail, then delete nothing for many steps."""
        self.sweeps += 1
        if self.sweeps == 1:
            raise StoreUnavailable("the disk is full")
        return Swept(0, f"job_{self.sweeps:04d}" if self.sweeps < 30 else None)


def test_a_store_that_fails_is_waited_for_and_a_long_round_for_nothing_is_not_repeated_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "EVERY", 0.01)
    monkeypatch.setattr(housekeeping, "BREATH", 0.0)

    async def scenario(stage: Stage) -> None:
        failing = Failing(stage.store)
        kit = replace(stage.kit, store=failing)
        keeper = asyncio.create_task(Housekeeper(kit).run())
        await asyncio.sleep(0.5)
        assert failing.sweeps == 30
        assert not keeper.done()
        keeper.cancel()

    play(tmp_path, scenario, '\n[retention]\njobs = "1d"\n')
