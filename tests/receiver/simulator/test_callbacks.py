"""Callbacks that come late, never, twice, too early or broken; and those that are asked for by hand."""

import json
from typing import Any

import httpx
import pytest

from receiver.simulator import RunningSimulator, SimulatorSettings
from receiver.simulator.garbage import STYLES
from tests.receiver.simulator.conftest import client_of
from tests.support.http_server import Reply, Server, closed_port
from tests.support.waiting import eventually


def order(vrex: httpx.Client, hook: Server, prompt: str = "A heron") -> str:
    answer = vrex.post("/videos", json={"prompt": prompt, "webhook_url": f"{hook.url}/cb"})
    return str(answer.json()["id"])


def outcomes(sim: RunningSimulator, job: str) -> list[Any]:
    return [entry.get("outcome") for entry in sim.control.job(job)["callbacks"]]


def test_a_late_callback_comes_when_its_time_has_come(sim: RunningSimulator, vrex: httpx.Client, hook: Server) -> None:
    sim.control.fault("callback.late", seconds=600)
    job = order(vrex, hook)
    sim.control.finish(job)
    sim.control.advance(590)
    assert outcomes(sim, job) == []
    sim.control.advance(10)
    eventually(lambda: outcomes(sim, job) == ["taken"])
    assert json.loads(hook.seen[0].body)["video_gen_id"] == job


def test_a_lost_callback_never_comes(sim: RunningSimulator, vrex: httpx.Client, hook: Server) -> None:
    sim.control.fault("callback.lost")
    lost, kept = order(vrex, hook), order(vrex, hook)
    sim.control.finish(lost)
    sim.control.finish(kept)
    eventually(lambda: outcomes(sim, kept) == ["taken"])
    sim.control.advance(86_400)
    assert outcomes(sim, lost) == ["lost"]
    assert [json.loads(seen.body)["video_gen_id"] for seen in hook.seen] == [kept]


def test_duplicates_come_in_parallel(sim: RunningSimulator, vrex: httpx.Client, hook: Server) -> None:
    hook.script(Reply(body=b"x", pause=0.3))  # one after the other would take 1.5 s
    sim.control.fault("callback.duplicate", copies=5)
    job = order(vrex, hook)
    sim.control.finish(job)
    eventually(lambda: outcomes(sim, job) == ["taken"] * 5)
    assert len({seen.body for seen in hook.seen}) == 1
    assert max(seen.at for seen in hook.seen) - min(seen.at for seen in hook.seen) < 0.3


def test_an_early_callback_is_answered_before_the_order_is(
    sim: RunningSimulator, vrex: httpx.Client, hook: Server
) -> None:
    sim.control.fault("callback.early")
    job = order(vrex, hook)
    assert [json.loads(seen.body)["video_gen_id"] for seen in hook.seen] == [job]
    assert vrex.get(f"/videos/{job}").json()["status"] == "completed"


@pytest.mark.parametrize("style", STYLES)
def test_every_style_of_garbage_is_sent_and_differs_from_the_truth(
    sim: RunningSimulator, vrex: httpx.Client, hook: Server, style: str
) -> None:
    sim.control.fault("callback.garbage", style=style, then_true=True)
    job = order(vrex, hook, "A heron [fails]" if style == "markup" else "A heron")
    sim.control.finish(job, "failed" if style == "markup" else "completed")
    eventually(lambda: outcomes(sim, job) == ["taken", "taken"])
    broken, true = (seen.body for seen in hook.seen)
    assert broken != true
    assert json.loads(true)["video_gen_id"] == job


def test_garbage_of_ones_own_comes_instead_of_the_truth(
    sim: RunningSimulator, vrex: httpx.Client, hook: Server
) -> None:
    sim.control.fault("callback.garbage", body='{"event": "ping"}')
    job = order(vrex, hook)
    sim.control.finish(job)
    eventually(lambda: outcomes(sim, job) == ["taken"])
    assert [seen.body for seen in hook.seen] == [b'{"event": "ping"}']


def test_faults_of_a_callback_add_up(sim: RunningSimulator, vrex: httpx.Client, hook: Server) -> None:
    sim.control.fault("callback.late", seconds=60)
    sim.control.fault("callback.duplicate", copies=3)
    job = order(vrex, hook)
    sim.control.finish(job)
    assert outcomes(sim, job) == []
    sim.control.advance(60)
    eventually(lambda: outcomes(sim, job) == ["taken"] * 3)


def test_a_receiver_that_is_not_there_or_says_nothing_is_noted(sim: RunningSimulator, vrex: httpx.Client) -> None:
    url = f"http://127.0.0.1:{closed_port()}/x"
    job = vrex.post("/videos", json={"prompt": "x", "webhook_url": url}).json()["id"]
    sim.control.finish(job)
    eventually(lambda: outcomes(sim, job) == ["no answer"])
    assert sim.control.job(job)["callbacks"][0]["error"] == "ConnectError"


def test_a_receiver_has_only_so_long_for_its_answer(hook: Server) -> None:
    hook.script(Reply(silent=True))
    with (
        RunningSimulator(SimulatorSettings(callback_timeout=0.2)) as sim,
        client_of("vrex", sim) as vrex,
    ):
        job = order(vrex, hook)
        sim.control.finish(job)
        eventually(lambda: outcomes(sim, job) == ["no answer"])
        assert sim.control.job(job)["callbacks"][0]["error"] == "TimeoutError"


def test_an_endless_answer_of_a_receiver_does_no_harm(sim: RunningSimulator, vrex: httpx.Client, hook: Server) -> None:
    hook.script(Reply(body=b"x" * 10_000, endless=True))
    job = order(vrex, hook)
    sim.control.finish(job)
    eventually(lambda: outcomes(sim, job) == ["taken"])


def test_a_callback_can_be_sent_again_many_times_at_once(
    sim: RunningSimulator, vrex: httpx.Client, hook: Server
) -> None:
    job = order(vrex, hook)
    sim.control.finish(job)
    eventually(lambda: outcomes(sim, job) == ["taken"])
    sent = sim.control.callback(job, 40)
    assert [entry["status"] for entry in sent] == [200] * 40
    assert len(hook.seen) == 41


def test_a_callback_by_hand_can_say_the_opposite_or_anything(
    sim: RunningSimulator, vrex: httpx.Client, hook: Server
) -> None:
    job = order(vrex, hook)
    sim.control.callback(job, state="failed")
    sim.control.callback(job, body="[]")
    sim.control.callback(job)
    events = [seen.body if seen.body == b"[]" else json.loads(seen.body)["event"] for seen in hook.seen]
    assert events == ["video.failed", b"[]", "video.completed"]
    assert sim.control.job(job)["state"] == "queued"
