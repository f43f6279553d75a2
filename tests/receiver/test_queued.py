"""The queue over a real store and a vendor on a real socket: lines, pauses, orders that cannot go any more."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from receiver import queued
from receiver.kit import Kit
from receiver.queued import Queue, in_line
from receiver.settings import Settings
from receiver.store.opening import open_store
from receiver.store.protocol import Applied, Change, Changed, Decide, Evidence, Query, Store
from receiver.submit import Going, Submitter
from receiver.work import make_kit
from schemas.errors import StoreUnavailable
from schemas.job import Job, JobState
from schemas.order import Order
from schemas.values import replace
from tests.support.configuration import TOP, configured
from tests.support.http_server import Reply, Seen, Server, closed_port, serving
from tests.support.stored import line, the, usd


@dataclass(frozen=True)
class Stage:
    """What a scenario has at hand."""

    kit: Kit
    submitter: Submitter
    vendor: Server

    async def queue(self, *prompts: str, vendor: str = "vrex") -> list[Job]:
        """Queue these orders."""
        orders = [Order(vendor=vendor, prompt=prompt, queue=True) for prompt in prompts]
        return [(await self.submitter.order(order)).job for order in orders]

    async def states(self) -> dict[str, str]:
        """How each prompt stands."""
        return {str(job.prompt): job.state.value for job in await self.kit.store.jobs(Query(limit=200))}

    async def until(self, states: dict[str, str], seconds: float = 10) -> None:
        """Wait until the orders stand so."""
        end = time.monotonic() + seconds
        while (found := await self.states()) != states:
            assert time.monotonic() < end, found
            await asyncio.sleep(0.02)

    @property
    def ordered(self) -> list[str]:
        """The prompts that came to the vendor."""
        return [json.loads(seen.body)["prompt"] for seen in self.vendor.seen]


def accepting(seen: Seen) -> Reply:
    """Take every order."""
    number = json.loads(seen.body)["prompt"].replace(" ", "_")
    return Reply(202, json.dumps({"id": f"vg_{number}", "status": "pending", "estimated_cost_usd": 0.136}).encode())


Scenario = Callable[[Stage], Awaitable[None]]
Prepare = Callable[[Stage], Awaitable[None]]


def play(
    folder: Path, scenario: Scenario, *, more: str = "", account: str = "", prepare: Prepare | None = None
) -> None:
    """Run the queue of two accounts at one vendor while a scenario plays."""

    async def main(vendor: Server) -> None:
        keys = f'api_key = "sk-1"\nbase_url = "{vendor.url}"\nlimits = []\n'
        text = f'{TOP}{more}\n[vendors.vrex]\n{keys}{account}\n[vendors.second]\ntype = "vrex"\n{keys}'
        settings = configured(folder, text)
        async with open_store(settings.database_url) as store:
            kit = make_kit(settings, store)
            stage = Stage(kit, Submitter(kit), vendor)
            if prepare is not None:
                await prepare(stage)
            await with_queue(stage, scenario)

    with serving() as vendor:
        vendor.answer(accepting)
        asyncio.run(main(vendor))


async def with_queue(stage: Stage, scenario: Scenario) -> None:
    queue = Queue(stage.kit, stage.submitter)
    loop = asyncio.get_running_loop()

    def wake(changed: Changed) -> None:
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(queue.wake)

    leave = stage.kit.store.subscribe(wake)
    running = asyncio.create_task(queue.run())
    try:
        await scenario(stage)
        assert not running.done()
    finally:
        leave()
        queue.stop()
        await asyncio.wait_for(running, 5)
        await stage.submitter.drain(5)


# --- lines -------------------------------------------------------------------------------------------------


def test_orders_go_by_age_as_soon_as_they_are_queued(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        began = time.monotonic()
        await stage.queue("1", "2", "3")
        await stage.until(dict.fromkeys("321", "running"))
        assert time.monotonic() - began < 2
        assert sorted(stage.ordered) == ["1", "2", "3"]

    play(tmp_path, scenario)


def test_a_full_account_waits_and_another_does_not(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.queue("1", "2", "3")
        await stage.queue("other", vendor="second")
        await stage.until({"other": "running", "3": "queued", "2": "queued", "1": "running"})
        assert sorted(stage.ordered) == ["1", "other"]

    play(tmp_path, scenario, account="max_open = 1")


def test_an_order_that_stood_aside_goes_when_it_is_back_in_line(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        (job,) = await stage.queue("1")
        await stage.until({"1": "running"})
        assert in_line(None) == Change()
        assert in_line(replace(job, state=JobState.RUNNING)) == Change()
        back = in_line(replace(job, next_at=7))
        assert back.job is not None
        assert back.job.next_at is None

    play(tmp_path, scenario)


def test_without_accounts_the_queue_rests_until_it_is_stopped(tmp_path: Path) -> None:
    async def main() -> None:
        settings: Settings = configured(tmp_path, TOP)
        async with open_store(settings.database_url) as store:
            kit = make_kit(settings, store)
            queue = Queue(kit, Submitter(kit))
            running = asyncio.create_task(queue.run())
            await asyncio.sleep(0.05)
            assert not running.done()
            queue.stop()
            await asyncio.wait_for(running, 1)

    asyncio.run(main())


# --- what stands in the way --------------------------------------------------------------------------------


def test_an_order_waits_for_money_and_goes_when_some_is_free(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        first, _ = await stage.queue("1", "2")
        await stage.until({"2": "queued", "1": "running"})
        await asyncio.sleep(0.3)
        assert stage.ordered == ["1"]
        refund = line(1, usd("-0.136"), job_id=first.id, kind="refund")
        await stage.kit.store.apply(
            first.id, lambda row: Change(job=replace(the(row), state=JobState.FAILED, next_at=None), lines=(refund,))
        )
        await stage.until({"2": "running", "1": "failed"}, 6)

    play(tmp_path, scenario, more='[budget]\nusd_per_day = "0.2"\n')


def test_an_order_that_no_budget_has_room_for_any_more_stands_aside(tmp_path: Path) -> None:
    async def before(stage: Stage) -> None:
        rich = replace(stage.kit, settings=replace(stage.kit.settings, budget=None))
        await Submitter(rich).order(Order(vendor="vrex", prompt="dear", queue=True))

    async def scenario(stage: Stage) -> None:
        end = time.monotonic() + 5
        while (job := (await stage.kit.store.jobs(Query()))[0]).next_at is None:
            assert time.monotonic() < end
            await asyncio.sleep(0.02)
        assert job.state is JobState.QUEUED
        assert stage.ordered == []

    play(tmp_path, scenario, more='[budget]\nusd_per_day = "0.1"\n', prepare=before)


def test_an_order_that_cannot_be_placed_any_more_is_rejected_and_those_behind_it_go(tmp_path: Path) -> None:
    async def before(stage: Stage) -> None:
        job, _ = await stage.queue("1", "2")
        # its bytes are kept nowhere
        await stage.kit.store.apply(job.id, lambda row: Change(job=replace(the(row), order_sha256="0" * 64)))

    async def scenario(stage: Stage) -> None:
        await stage.until({"2": "running", "1": "rejected"})
        (job,) = await stage.kit.store.jobs(Query({"state": "rejected"}))
        assert job.failure is not None
        assert (job.failure.code, job.next_at) == ("invalid_order", None)

    play(tmp_path, scenario, prepare=before)


def test_a_line_rests_while_its_vendor_cannot_be_reached(tmp_path: Path) -> None:
    async def before(stage: Stage) -> None:
        await stage.queue(*"12345")

    async def main() -> None:
        text = f'{TOP}\n[vendors.vrex]\napi_key = "sk-1"\nbase_url = "http://127.0.0.1:{closed_port()}"\nlimits = []\n'
        settings = configured(tmp_path, text)
        async with open_store(settings.database_url) as store:
            kit = make_kit(settings, store)
            with serving() as vendor:
                stage = Stage(kit, Submitter(kit), vendor)
                await before(stage)
                await with_queue(stage, tried_once)

    async def tried_once(stage: Stage) -> None:
        await asyncio.sleep(1)
        jobs = await stage.kit.store.jobs(Query())
        assert {job.state for job in jobs} == {JobState.QUEUED}
        assert sum(job.tries for job in jobs) <= queued.AT_ONCE

    asyncio.run(main())


class Broken(Submitter):
    """A submitter that something unforeseen happens to, for one prompt."""

    error: Exception = KeyError("colour")

    async def let_go(self, job: Job) -> Going:
        """Break."""
        if job.prompt == "bad":
            raise self.error
        return await super().let_go(job)


@pytest.mark.parametrize(
    ("error", "stands_aside"), [(KeyError("colour"), True), (StoreUnavailable("the disk is full"), False)]
)
def test_something_unforeseen_stops_no_line(tmp_path: Path, error: Exception, stands_aside: bool) -> None:
    async def scenario(stage: Stage) -> None:
        (bad, *_) = await stage.queue("bad", "good")
        if stands_aside:
            await stage.until({"good": "running", "bad": "queued"})
        else:
            await asyncio.sleep(0.3)
        found = await stage.kit.store.job(bad.id)
        assert found is not None
        assert (found.next_at is not None) is stands_aside

    async def main(vendor: Server) -> None:
        text = f'{TOP}\n[vendors.vrex]\napi_key = "sk-1"\nbase_url = "{vendor.url}"\nlimits = []\n'
        settings = configured(tmp_path, text)
        async with open_store(settings.database_url) as store:
            kit = make_kit(settings, store)
            submitter = Broken(kit)
            submitter.error = error
            await with_queue(Stage(kit, submitter, vendor), scenario)

    with serving() as vendor:
        vendor.answer(accepting)
        asyncio.run(main(vendor))


class Full:
    """A store whose disk has no room for what becomes of the first so many orders."""

    def __init__(self, store: Store, times: int) -> None:
        self._store = store
        self.times = times

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def apply(self, job_id: str, decide: Decide, evidence: Evidence | None = None) -> Applied:
        """Keep it, if there is room."""
        if self.times:
            self.times -= 1
            raise StoreUnavailable("the disk is full")
        return await self._store.apply(job_id, decide, evidence)


def test_what_the_vendor_took_is_kept_as_soon_as_there_is_room_and_not_sent_again(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        full = Full(stage.kit.store, 2)
        submitter = Submitter(replace(stage.kit, store=cast("Store", full)))
        job = (await submitter.order(Order(vendor="vrex", prompt="1"))).job
        assert (job.state, job.vendor_job_id, full.times) == (JobState.RUNNING, "vg_1", 0)
        assert stage.ordered == ["1"]

    play(tmp_path, scenario)
