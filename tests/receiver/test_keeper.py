"""The keeper, the looker and the historian over a real store, and vendors on real sockets."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from receiver import keeper as keeping
from receiver import looker as looking
from receiver import planner
from receiver.history import Historian
from receiver.keeper import Keeper
from receiver.kit import Kit
from receiver.looker import Looker
from receiver.simulator import RunningSimulator, SimulatorSettings
from receiver.store.accounts import Gate
from receiver.store.opening import open_store
from receiver.store.protocol import Change, Query
from receiver.submit import Submitter
from receiver.watch import Watch
from receiver.work import make_kit
from schemas.errors import StoreUnavailable, Unanswered, VendorBusy
from schemas.event import Source
from schemas.job import Job, JobState
from schemas.order import Order
from schemas.values import replace
from tests.support.configuration import TOP, configured
from tests.support.http_server import Reply, serving
from tests.support.stored import evidence, the

SECOND, HOUR = 1_000_000, 3_600_000_000
S = JobState
VEO3GEN, VREX = "veo3_" + "k" * 32, "sk-" + "k" * 32


@dataclass(frozen=True)
class Stage:
    """What a scenario has at hand."""

    kit: Kit
    looker: Looker
    sim: RunningSimulator

    async def ordered(self, vendor: str = "veo3gen", **fields: Any) -> Job:
        """Place an order."""
        return (await Submitter(self.kit).order(Order(vendor=vendor, prompt=fields.pop("prompt", "A"), **fields))).job

    async def job(self, job: Job) -> Job:
        """Read a job."""
        return the(await self.kit.store.job(job.id))

    async def until(self, job: Job, state: JobState, seconds: float = 10) -> Job:
        """Wait until a job is in a state."""
        end = time.monotonic() + seconds
        while (found := await self.job(job)).state is not state:
            assert time.monotonic() < end, found
            await asyncio.sleep(0.02)
        return found

    async def due(self, *jobs: Job) -> list[int]:
        """When these jobs are looked at next, the soonest first."""
        return sorted([the((await self.job(job)).next_at) for job in jobs])

    async def codes(self) -> list[str]:
        """The alerts that stand."""
        return sorted(each["code"] for each in await self.kit.store.alerts(Query({"standing": True})))


Scenario = Callable[[Stage], Awaitable[None]]


@pytest.fixture
def sim() -> Iterator[RunningSimulator]:
    """Simulated vendors whose clips take a moment."""
    with RunningSimulator(SimulatorSettings(duration=0.2)) as running:
        yield running


@pytest.fixture
def play(tmp_path: Path, sim: RunningSimulator) -> Callable[..., None]:
    """Play a scenario, with a keeper at work unless told otherwise."""

    def run(scenario: Scenario, *, works: bool = True, base_url: str | None = None, **options: str) -> None:
        usual = {"poll_after": '"0.2s"', "poll_every": '"0.2s"', "limits": "[]", "max_open": "1000", **options}
        lines = "".join(f"{name} = {value}\n" for name, value in usual.items())
        text = TOP
        for name, key in (("veo3gen", VEO3GEN), ("vrex", VREX)):
            text += f'[vendors.{name}]\napi_key = "{key}"\nbase_url = "{base_url or sim.base_urls[name]}"\n{lines}'
        asyncio.run(_main(scenario, configured(tmp_path, text), sim, works))

    return run


async def _main(scenario: Scenario, settings: Any, sim: RunningSimulator, works: bool) -> None:
    async with open_store(settings.database_url) as store:
        kit = make_kit(settings, store)
        looker = Looker(kit)
        keeper = Keeper(kit, looker)
        running = asyncio.create_task(keeper.run()) if works else None
        leave = store.subscribe(lambda _: None)
        try:
            await scenario(Stage(kit, looker, sim))
            assert running is None or not running.done()
        finally:
            leave()
            if running is not None:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)


# --- keeping jobs moving -------------------------------------------------------------------------------------


def test_a_running_job_is_looked_at_until_it_is_settled(play: Any) -> None:
    async def scenario(stage: Stage) -> None:
        stage.sim.control.fault("look.500", "veo3gen")
        done = await stage.until(await stage.ordered(), S.COMPLETED)
        assert (done.settled_by, done.next_at, done.looks >= 1) == (Source.POLL, None, True)

    play(scenario)


def test_a_job_whose_account_is_gone_is_left_for_an_hour(play: Any) -> None:
    async def scenario(stage: Stage) -> None:
        now = stage.kit.now()
        gone = Job("job_gone", "vrex", "gone", S.RUNNING, now, vendor_job_id="vg_1", next_at=now)
        await stage.kit.store.place(gone, b"")
        await asyncio.sleep(0.5)
        assert the((await stage.job(gone)).next_at) > now + HOUR - SECOND

    play(scenario)


def test_an_order_whose_process_died_becomes_unknown_and_is_never_sent(play: Any) -> None:
    async def scenario(stage: Stage) -> None:
        now = stage.kit.now()
        await stage.kit.store.place(Job("job_lost", "vrex", "vrex", S.SUBMITTING, now, prompt="A", next_at=now), b"")
        await stage.until(Job("job_lost", "vrex", "vrex", S.UNKNOWN, now), S.UNKNOWN)
        assert await stage.codes() == ["job.unknown"]
        assert stage.sim.control.requests() == []

    play(scenario)


def test_a_job_that_nobody_can_be_asked_about_is_overdue_and_given_up(play: Any) -> None:
    async def scenario(stage: Stage) -> None:
        now = stage.kit.now()
        times: dict[str, Any] = {"next_at": now, "give_up_at": now + 2 * SECOND}
        lost = Job("job_lost", "vrex", "vrex", S.UNKNOWN, now, prompt="A", **times)
        await stage.kit.store.place(lost, b"")
        await stage.until(lost, S.ABANDONED)
        assert await stage.codes() == ["job.abandoned", "job.overdue"]

    play(scenario, overdue_after='"1s"')


def test_those_who_are_refused_a_turn_come_back_one_after_another(play: Any) -> None:
    async def scenario(stage: Stage) -> None:
        stage.sim.control.fault("job.stuck", times=None)
        jobs = [await stage.ordered(prompt=f"Stuck {number}") for number in range(3)]
        await stage.kit.store.close_gate(Gate("veo3gen", "", stage.kit.now() + HOUR, stage.kit.now(), "told so"))
        await stage.kit.store.hasten_jobs(None, stage.kit.now(), expecting=False)
        end = time.monotonic() + 10
        while (times := await stage.due(*jobs))[0] < stage.kit.now() + HOUR - 15 * SECOND:
            assert time.monotonic() < end, times
            await asyncio.sleep(0.1)
        assert times[0] < times[1] < times[2]
        with pytest.raises(VendorBusy, match="asked us to wait"):
            await stage.looker.look(await stage.job(jobs[0]))

    play(scenario)


def test_what_cannot_be_asked_is_left_for_a_minute(play: Any) -> None:
    async def scenario(stage: Stage) -> None:
        now = stage.kit.now()
        odd = Job("job_odd", "vrex", "vrex", S.RUNNING, now, vendor_job_id="../../etc", next_at=now)
        await stage.kit.store.place(odd, b"")
        await asyncio.sleep(0.5)
        assert the((await stage.job(odd)).next_at) > now + 50 * SECOND
        assert stage.sim.control.requests() == []

    play(scenario)


def test_a_vendor_that_hangs_holds_up_no_other(play: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "TIMEOUT", 1.0)
    monkeypatch.setattr(planner, "SLOW", 0.5)

    async def scenario(stage: Stage) -> None:
        now = stage.kit.now()
        for number in range(200):
            job = Job(f"job_{number}", "vrex", "vrex", S.RUNNING, now, vendor_job_id=f"vg_{number}", next_at=now)
            await stage.kit.store.place(replace(job, submitted_at=now), b"")
        await asyncio.sleep(1.5)
        began = time.monotonic()
        gone = Job("job_gone", "vrex", "gone", S.RUNNING, now, vendor_job_id="vg_1", next_at=stage.kit.now())
        await stage.kit.store.place(gone, b"")
        while the((await stage.job(gone)).next_at) < now + HOUR - SECOND:
            assert time.monotonic() - began < 3
            await asyncio.sleep(0.05)

    with serving(Reply(silent=True)) as hanging:
        play(scenario, base_url=hanging.url)


def test_a_store_that_is_away_for_a_moment_ends_nothing(play: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "IDLE", 0.05)

    async def scenario(stage: Stage) -> None:
        claim, calls = stage.kit.store.claim_jobs, 0

        async def flaky(now: int, until: int, limit: int) -> list[Job]:
            nonlocal calls
            calls += 1
            if calls < 4:
                raise StoreUnavailable("away")
            return await claim(now, until, limit)

        stage.kit.store.claim_jobs = flaky  # type: ignore[method-assign]
        await stage.until(await stage.ordered(), S.COMPLETED)
        assert calls >= 4

    play(scenario)


# --- fresh URLs ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vendor", ["veo3gen", "vrex"])
def test_fresh_urls_come_from_the_vendor(vendor: str, play: Any) -> None:
    async def scenario(stage: Stage) -> None:
        done = await stage.until(await stage.ordered(vendor), S.COMPLETED)
        fresh = await stage.looker.fresh_videos(done.id)
        assert len(fresh) == 1
        assert (await stage.job(done)).videos == fresh
        assert fresh[0].expires_at is not None
        assert await stage.looker.fresh_videos("job_none") == ()

    play(scenario)


@pytest.mark.parametrize("status", [401, 429, 500])
def test_a_vendor_that_gives_no_fresh_url_says_so_and_is_left_alone_where_it_wants_to(status: int, play: Any) -> None:
    async def scenario(stage: Stage) -> None:
        done = await stage.until(await stage.ordered("vrex"), S.COMPLETED)
        stage.sim.control.fault(f"look.{status}", "vrex", **({"retry_after": 60} if status == 429 else {}))
        with pytest.raises(Unanswered):
            await stage.looker.fresh_videos(done.id)
        assert len(await stage.kit.store.gates()) == (0 if status == 500 else 1)

    play(scenario)


def test_a_job_that_the_vendor_has_forgotten_has_no_fresh_url(play: Any) -> None:
    async def scenario(stage: Stage) -> None:
        done = await stage.until(await stage.ordered("vrex"), S.COMPLETED)
        stage.sim.control.reset()
        assert await stage.looker.fresh_videos(done.id) == ()

    play(scenario)


# --- histories -----------------------------------------------------------------------------------------------


def test_a_lost_order_is_found_on_a_later_page(play: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("receiver.history.PAGE", 2)

    async def scenario(stage: Stage) -> None:
        stage.sim.control.fault("submit.no_answer", "veo3gen", prompt="Lost")
        lost = await stage.ordered(prompt="Lost")
        assert lost.state is S.UNKNOWN
        for number in range(5):
            await stage.ordered(prompt=f"Later {number}")
        found = await stage.until(lost, S.COMPLETED)
        assert found.vendor_job_id in {job["id"] for job in stage.sim.control.jobs(prompt="Lost")}
        kinds = [each["kind"] for each in await stage.kit.store.evidence(Query({"job_id": lost.id}))]
        assert kinds.count("history") == 1

    play(scenario)


def test_a_lost_order_that_failed_is_settled_by_the_history_itself(play: Any) -> None:
    async def scenario(stage: Stage) -> None:
        stage.sim.control.fault("submit.no_answer", "veo3gen")
        stage.sim.control.fault("job.fails", "veo3gen")
        lost = await stage.ordered()
        await asyncio.sleep(0.3)
        await Historian(stage.kit, stage.looker.outlooks).look(lost)
        failed = await stage.job(lost)
        assert (failed.state, failed.settled_by) == (S.FAILED, Source.HISTORY)
        (event,) = await stage.kit.store.events(Query({"type": "video.failed"}))
        assert event.source is Source.HISTORY
        assert await stage.codes() == []

    play(scenario, works=False)


@pytest.mark.parametrize("reply", [Reply(500), Reply(429), Reply(body=b"[]"), Reply(silent=True), Reply(401)])
def test_a_history_that_cannot_be_read_leaves_the_order_unknown(
    reply: Reply, play: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("receiver.history.TIMEOUT", 0.2)

    async def scenario(stage: Stage) -> None:
        now = stage.kit.now()
        lost = Job("job_lost", "veo3gen", "veo3gen", S.UNKNOWN, now, prompt="A", next_at=now, give_up_at=now + HOUR)
        await stage.kit.store.place(lost, b"")
        await Historian(stage.kit, stage.looker.outlooks).look(lost)
        after = await stage.job(lost)
        assert (after.state, after.looks) == (S.UNKNOWN, 1)
        assert the(after.next_at) > now

    with serving(reply) as server:
        play(scenario, works=False, base_url=server.url)


def test_a_history_is_not_read_where_the_account_is_closed(play: Any) -> None:
    async def scenario(stage: Stage) -> None:
        now = stage.kit.now()
        lost = Job("job_lost", "veo3gen", "veo3gen", S.UNKNOWN, now, prompt="A", next_at=now)
        await stage.kit.store.place(lost, b"")
        await stage.kit.store.close_gate(Gate("veo3gen", "look", now + HOUR, now, "told so"))
        with pytest.raises(VendorBusy):
            await Historian(stage.kit, stage.looker.outlooks).look(lost)

    play(scenario, works=False)


def test_an_entry_that_another_job_takes_at_that_moment_is_not_taken_twice(play: Any) -> None:
    async def scenario(stage: Stage) -> None:
        stage.sim.control.fault("submit.no_answer", "veo3gen")
        lost = await stage.ordered()
        (theirs,) = stage.sim.control.jobs()
        read, store = stage.kit.store.jobs, stage.kit.store

        async def late(query: Query) -> list[Job]:
            found = await read(query)
            quicker = Job("job_quick", "veo3gen", "veo3gen", S.RUNNING, stage.kit.now(), vendor_job_id=theirs["id"])
            await store.place(quicker, b"")
            return found

        store.jobs = late  # type: ignore[method-assign]
        await Historian(stage.kit, stage.looker.outlooks).look(lost)
        after = await stage.job(lost)
        assert (after.state, after.vendor_job_id) == (S.UNKNOWN, None)

    play(scenario, works=False)


def test_a_callback_that_was_quicker_than_the_history_is_not_undone(play: Any) -> None:
    async def scenario(stage: Stage) -> None:
        stage.sim.control.fault("submit.no_answer", "veo3gen")
        lost = await stage.ordered()
        await stage.kit.store.apply(lost.id, lambda row: Change(job=replace(the(row), state=S.RUNNING)))
        await Historian(stage.kit, stage.looker.outlooks).look(lost)
        assert (await stage.job(lost)).vendor_job_id is None

    play(scenario, works=False)


# --- the watch -----------------------------------------------------------------------------------------------


def test_the_watch_raises_once_and_clears_when_a_callback_comes(play: Any) -> None:
    async def scenario(stage: Stage) -> None:
        store, now = stage.kit.store, stage.kit.now()
        for number in range(3):
            times: dict[str, Any] = {
                "submitted_at": now - HOUR,
                "settled_at": now - HOUR + number,
                "settled_by": Source.POLL,
            }
            job = Job(f"job_{number}", "vrex", "vrex", S.COMPLETED, now, vendor_job_id=f"vg_{number}", callback=True)
            await store.place(replace(job, **times), b"")
        waits = Job("job_9", "vrex", "vrex", S.RUNNING, now, vendor_job_id="vg_9", callback=True, next_at=now + HOUR)
        await store.place(waits, b"")
        watch = Watch(stage.kit)
        watching = asyncio.create_task(watch.run())
        await asyncio.sleep(0.3)
        await watch.glance()
        assert await stage.codes() == ["callbacks.missing"]
        end = time.monotonic() + 10
        while (await stage.due(waits))[0] > stage.kit.now():
            assert time.monotonic() < end
            await asyncio.sleep(0.02)
        outlook = await stage.looker.outlooks.of(stage.kit.settings.accounts["vrex"])
        assert outlook.early
        assert len(await store.events(Query({"type": "alert.raised"}))) == 1
        await store.apply("job_9", lambda _: Change(), evidence(1, "job_9", at=stage.kit.now() + 1))
        await watch.glance()
        assert await stage.codes() == []
        assert not watching.done()
        watching.cancel()

    play(scenario, works=False)


def test_an_alert_of_an_account_that_is_gone_is_cleared(play: Any) -> None:
    async def scenario(stage: Stage) -> None:
        watch = Watch(stage.kit)
        await watch._raise("gone", "it did not come", "gone")
        assert await stage.codes() == ["callbacks.missing"]
        await watch.glance()
        assert await stage.codes() == []

    play(scenario, works=False)


def test_bodies_of_this_vendor_are_what_these_tests_take_them_for(play: Any) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.until(await stage.ordered(), S.COMPLETED)
        bodies = await stage.kit.store.evidence(Query({"kind": "status"}))
        last = json.loads(the(await stage.kit.store.body(bodies[0]["sha256"])))
        assert last["status"] == "completed"

    play(scenario)
