"""Running it: in a thread, from the command line's function, with thousands of jobs; and its independence."""

import ast
import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

from receiver.simulator import RunningSimulator, SimulatorSettings, base_urls, build
from receiver.simulator.clock import Clock, Timetable
from tests.receiver.simulator.conftest import HEADERS, client_of
from tests.support.http_server import Reply, serving
from tests.support.waiting import eventually

PACKAGE = Path(__file__).parents[3] / "receiver" / "simulator"
SERVE = """
import asyncio
from receiver.simulator import serve
asyncio.run(serve(ready=lambda url: print(url, flush=True)))
"""


def test_it_knows_nothing_of_clipbells_own_reading_of_the_vendors() -> None:
    ours = {"schemas", "handlers", "receiver", "clipbell"}
    found = set()
    for path in PACKAGE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                found.add(node.module or "")
            elif isinstance(node, ast.Import):
                found |= {name.name for name in node.names}
    own = {name for name in found if name.partition(".")[0] in ours}
    assert own
    assert {name for name in own if not name.startswith("receiver.simulator")} == set()


def test_it_starts_and_stops_in_a_thread_and_leaves_nothing_behind() -> None:
    simulator = RunningSimulator().start()
    name = f"simulator at {simulator.url}"
    assert name in {thread.name for thread in threading.enumerate()}
    simulator.stop()
    simulator.stop()
    assert name not in {thread.name for thread in threading.enumerate()}
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{simulator.url}/control", trust_env=False, verify=False)


def test_it_stops_at_once_although_an_answer_is_still_dripping_and_a_callback_hangs() -> None:
    with serving(Reply(silent=True)) as hook:
        simulator = RunningSimulator().start()
        simulator.control.fault("look.drip", seconds=30)
        with client_of("vrex", simulator) as vrex:
            job = vrex.post("/videos", json={"prompt": "x", "webhook_url": hook.url}).json()["id"]
            simulator.control.finish(job)
            with vrex.stream("GET", f"/videos/{job}") as answer:
                assert answer.status_code == 200
                begun = time.monotonic()
                simulator.stop()
                assert time.monotonic() - begun < 1.5


def test_a_port_that_is_taken_is_an_oserror() -> None:
    with RunningSimulator() as first:
        port = int(first.url.rpartition(":")[2])
        with pytest.raises(OSError, match="in use"):
            RunningSimulator(port=port).start()


def test_base_urls_are_told_for_any_address() -> None:
    assert base_urls("http://x:1") == {
        "vrex": "http://x:1/vrex/api/v1",
        "aivideoapi": "http://x:1/aivideoapi",
        "ulazai": "http://x:1/ulazai",
        "artnex": "http://x:1/artnex/v1",
        "veo3gen": "http://x:1/veo3gen",
    }
    assert set(HEADERS) == set(base_urls(""))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_served_from_a_process_it_ends_quietly_on_a_signal(number: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(PACKAGE.parents[1])},
    )
    with process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        eventually(lambda: httpx.get(f"{url}/control", trust_env=False, verify=False).status_code == 200)
        process.send_signal(number)
        _, errors = process.communicate(timeout=10)
        assert (process.returncode, errors) == (0, "")


def test_jobs_end_by_themselves_in_their_vendors_time_divided_by_speed() -> None:
    with RunningSimulator(SimulatorSettings(speed=600)) as sim, client_of("vrex", sim) as vrex:
        begun = time.monotonic()
        job = vrex.post("/videos", json={"prompt": "x"}).json()["id"]
        eventually(lambda: sim.control.job(job)["state"] == "completed")
        assert time.monotonic() - begun >= 0.05


def test_a_fixed_duration_goes_before_everything() -> None:
    with RunningSimulator(SimulatorSettings(duration=0.05)) as sim, client_of("artnex", sim) as artnex:
        job = artnex.post("/video", json={"prompt": "x", "model": "veo3.1"}).json()["request_id"]
        eventually(lambda: artnex.get(f"/video/{job}").json()["status"] == "completed")


def test_the_same_seed_gives_the_same_ids() -> None:
    ids = []
    for seed in (5, 5, 6):
        with RunningSimulator(SimulatorSettings(seed=seed)) as sim, client_of("vrex", sim) as vrex:
            ids.append(vrex.post("/videos", json={"prompt": "x"}).json()["id"])
    assert ids[0] == ids[1] != ids[2]


@pytest.mark.parametrize("count", [250, pytest.param(1000, marks=pytest.mark.faults)])
def test_it_bears_many_jobs_with_one_timer_and_loses_no_callback(count: int) -> None:
    async def order_all(base_url: str, hook: str) -> None:
        orders = iter([{"prompt": f"heron {number}", "webhook_url": hook} for number in range(count)])

        async def work() -> set[int]:
            return {(await client.post("/videos", json=order)).status_code for order in orders}

        async with httpx.AsyncClient(base_url=base_url, headers=HEADERS["vrex"], timeout=30, verify=False) as client:
            assert await asyncio.gather(*(work() for _ in range(20))) == [{202}] * 20

    with RunningSimulator() as sim, RunningSimulator() as other:
        # the other simulator serves as the receiver: it answers 404 to a POST that it does not know
        asyncio.run(order_all(sim.base_urls["vrex"], f"{other.url}/nobody"))
        sim.control.advance(121)
        eventually(lambda: len(other.control.requests()) == count, "all callbacks", 30, every=0.25)
        jobs = sim.control.jobs()
        eventually(
            lambda: all(len(job["callbacks"]) == 1 for job in sim.control.jobs()), "their answers", 10, every=0.25
        )
        assert {job["state"] for job in jobs} == {"completed"}
        assert len({job["id"] for job in jobs}) == count
        assert sim.control.books()["vrex"]["sk-test"]["charged"] == f"{count * 0.136:.3f}"


def test_the_timetable_does_things_in_their_order_and_only_when_due() -> None:
    table, done = Timetable(Clock()), list[str]()
    now = table.clock.now()
    for name, wait in (("second", 20), ("first", 10), ("third", 30)):
        table.at(now + wait, lambda name=name: done.append(name))  # type: ignore[misc]
    table.run_due()
    assert done == []
    table.advance(25)
    assert done == ["first", "second"]
    table.clear()
    table.advance(100)
    assert done == ["first", "second"]


def test_the_timetables_task_wakes_for_what_is_added_later() -> None:
    async def main() -> list[str]:
        table, done = Timetable(Clock()), list[str]()
        task = asyncio.create_task(table.run())
        await asyncio.sleep(0)
        table.at(table.clock.now() + 0.02, lambda: done.append("soon"))
        await asyncio.sleep(0.3)
        task.cancel()
        return done

    assert asyncio.run(main()) == ["soon"]


def test_without_its_runner_the_application_still_answers() -> None:
    async def main() -> int:
        app = build(SimulatorSettings())
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://sim", verify=False) as client:
                return (await client.get("/control")).status_code

    assert asyncio.run(main()) == 200
