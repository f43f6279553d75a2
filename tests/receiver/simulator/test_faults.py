"""Every fault that can strike an order or a look; and the deciding of faults by itself."""

import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

from receiver.simulator import RunningSimulator
from receiver.simulator.faults import KINDS, BadFault, Faults

ORDER = {"prompt": "A heron"}


def order(vrex: httpx.Client, **fields: Any) -> httpx.Response:
    return vrex.post("/videos", json={**ORDER, **fields})


def look(sim: RunningSimulator, vrex: httpx.Client) -> Callable[[], httpx.Response]:
    job = order(vrex).json()["id"]
    sim.control.advance(120)
    return lambda: vrex.get(f"/videos/{job}")


# --- deciding -----------------------------------------------------------------------------------------------


def struck(faults: Faults, count: int, prompt: str = "x", vendor: str = "vrex") -> list[bool]:
    return [faults.take("submit", vendor, prompt) is not None for _ in range(count)]


def test_a_fault_strikes_once_unless_told_otherwise() -> None:
    faults = Faults(("vrex",))
    faults.add({"kind": "submit.500"})
    assert struck(faults, 3) == [True, False, False]


def test_a_fault_strikes_so_many_times_or_until_it_is_removed() -> None:
    faults = Faults(("vrex",))
    faults.add({"kind": "submit.500", "times": 2})
    assert struck(faults, 4) == [True, True, False, False]
    always = faults.add({"kind": "submit.500", "times": None})
    assert struck(faults, 50) == [True] * 50
    assert (always.used, faults.remove(always.id)) == (50, 1)
    assert struck(faults, 2) == [False, False]


def test_a_fault_keeps_to_its_vendor_its_stage_and_its_prompt() -> None:
    faults = Faults(("vrex", "artnex"))
    faults.add({"kind": "submit.500", "vendor": "artnex", "prompt": "heron", "times": None})
    assert struck(faults, 1, "a heron", "artnex") == [True]
    assert struck(faults, 1, "a stork", "artnex") == [False]
    assert struck(faults, 1, "a heron", "vrex") == [False]
    assert faults.take("look", "artnex", "a heron") is None


def test_a_chance_comes_out_the_same_again_with_the_same_seed() -> None:
    runs = []
    for seed in (7, 7, 8):
        faults = Faults(("vrex",))
        faults.add({"kind": "submit.500", "times": None, "probability": 0.3, "seed": seed})
        runs.append(struck(faults, 200))
    assert runs[0] == runs[1] != runs[2]
    assert 30 < sum(runs[0]) < 90


def test_what_did_not_strike_is_not_used_up() -> None:
    faults = Faults(("vrex",))
    fault = faults.add({"kind": "submit.500", "times": 1, "probability": 0})
    assert struck(faults, 5) == [False] * 5
    assert (fault.times, fault.used) == (1, 0)


@pytest.mark.parametrize(
    "wanted",
    [
        {"kind": "submit.nonsense"},
        {"kind": "submit.200"},
        {},
        {"kind": "submit.500", "vendor": "runway"},
        {"kind": "submit.500", "times": 0},
        {"kind": "submit.500", "times": "3"},
        {"kind": "submit.500", "times": True},
        {"kind": "submit.500", "probability": 2},
        {"kind": "submit.500", "sceonds": 2},
        {"kind": "callback.late", "seconds": "soon"},
    ],
)
def test_a_fault_that_cannot_be_is_refused(wanted: dict[str, Any]) -> None:
    with pytest.raises(BadFault):
        Faults(("vrex",)).add(wanted)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_can_be_asked_for_with_nothing_but_its_name(sim: RunningSimulator, kind: str) -> None:
    assert sim.control.fault(kind)["kind"] == kind
    assert [fault["kind"] for fault in sim.control.faults()] == [kind]


# --- orders: not accepted -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, "UNAUTHORIZED"),
        (402, "INSUFFICIENT_BALANCE_FOR_VIDEO"),
        (429, "RATE_LIMITED"),
        (500, "INTERNAL_ERROR"),
        (503, "SERVICE_UNAVAILABLE"),
    ],
)
def test_an_order_refused_by_a_fault_is_not_accepted_and_costs_nothing(
    sim: RunningSimulator, vrex: httpx.Client, status: int, code: str
) -> None:
    sim.control.fault(f"submit.{status}", "vrex")
    answer = order(vrex)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert sim.control.jobs() == []
    assert sim.control.books()["vrex"]["sk-test"]["charged"] == "0"
    assert order(vrex).status_code == 202


def test_the_code_and_the_words_of_a_refusal_can_be_chosen(sim: RunningSimulator, vrex: httpx.Client) -> None:
    sim.control.fault("submit.429", code="QUEUE_FULL", message="The queue is full.", retry_after=7)
    answer = order(vrex)
    assert answer.json() == {"error": {"code": "QUEUE_FULL", "message": "The queue is full."}}
    assert answer.headers["retry-after"] == "7"


def test_retry_after_can_be_a_date(sim: RunningSimulator, vrex: httpx.Client) -> None:
    sim.control.fault("submit.429", retry_after=90, as_date=True)
    found = parsedate_to_datetime(order(vrex).headers["retry-after"]).timestamp()
    assert 60 < found - time.time() <= 91


def test_without_a_wish_there_is_no_retry_after(sim: RunningSimulator, vrex: httpx.Client) -> None:
    sim.control.fault("submit.429")
    assert "retry-after" not in order(vrex).headers


@pytest.mark.parametrize(
    ("vendor", "path", "body"),
    [
        ("aivideoapi", "/v1/videos/generations", {"model": "veo-3", "input": ORDER}),
        ("ulazai", "/api/v1/generate/video/", ORDER),
        ("artnex", "/video", {**ORDER, "model": "veo3-fast"}),
        ("veo3gen", "/api/veo/text-to-video", ORDER),
    ],
)
@pytest.mark.parametrize("status", [402, 429, 500])
def test_every_vendor_refuses_in_its_own_shape(
    sim: RunningSimulator, clients: dict[str, httpx.Client], vendor: str, path: str, body: Any, status: int
) -> None:
    sim.control.fault(f"submit.{status}", vendor, prompt="heron")
    answer = clients[vendor].post(path, json=body)
    assert answer.status_code == status
    assert "error" in answer.json()
    assert sim.control.jobs() == []
    assert clients[vendor].post(path, json=body).is_success


# --- orders: accepted, but the answer goes wrong --------------------------------------------------------------


def test_an_error_after_acceptance_leaves_a_job_that_is_charged(sim: RunningSimulator, vrex: httpx.Client) -> None:
    sim.control.fault("submit.500_after")
    assert order(vrex).status_code == 500
    assert len(sim.control.jobs()) == 1
    assert sim.control.books()["vrex"]["sk-test"]["charged"] == "0.136"


@pytest.mark.parametrize("kind", ["no_answer", "cut_answer"])
def test_an_answer_that_is_lost_on_the_wire_leaves_a_job(sim: RunningSimulator, vrex: httpx.Client, kind: str) -> None:
    sim.control.fault(f"submit.{kind}")
    with pytest.raises(httpx.RemoteProtocolError):
        order(vrex)
    assert len(sim.control.jobs()) == 1
    assert order(vrex).status_code == 202


def test_an_order_that_had_no_answer_stands_in_the_log_without_a_status(
    sim: RunningSimulator, vrex: httpx.Client
) -> None:
    sim.control.fault("submit.no_answer")
    with pytest.raises(httpx.RemoteProtocolError):
        order(vrex)
    assert [call["status"] for call in sim.control.requests("vrex")] == [None]


def test_an_answer_can_be_later_than_its_caller_waits(sim: RunningSimulator, vrex: httpx.Client) -> None:
    sim.control.fault("submit.slow_answer", seconds=30)
    with pytest.raises(httpx.ReadTimeout):
        vrex.post("/videos", json=ORDER, timeout=0.2)
    assert len(sim.control.jobs()) == 1
    sim.control.fault("submit.slow_answer", seconds=0.1)
    assert order(vrex).status_code == 202


def test_a_connection_can_be_closed_after_a_while(sim: RunningSimulator, vrex: httpx.Client) -> None:
    sim.control.fault("submit.no_answer", seconds=0.2)
    begun = time.monotonic()
    with pytest.raises(httpx.RemoteProtocolError):
        order(vrex)
    assert time.monotonic() - begun > 0.15


def test_an_answer_can_be_garbage_or_lack_the_id(sim: RunningSimulator, vrex: httpx.Client) -> None:
    sim.control.fault("submit.garbage_answer", body='{"id": ', content_type="application/json")
    sim.control.fault("submit.no_id")
    garbage, empty = order(vrex), order(vrex)
    assert (garbage.status_code, garbage.text) == (202, '{"id": ')
    assert (empty.status_code, empty.json()) == (202, {})
    assert len(sim.control.jobs()) == 2


def test_an_answer_can_drip(sim: RunningSimulator, vrex: httpx.Client) -> None:
    sim.control.fault("submit.drip", bytes=20, seconds=0.02)
    begun = time.monotonic()
    answer = order(vrex)
    assert (answer.status_code, "id" in answer.json()) == (202, True)
    assert time.monotonic() - begun > 0.08


def test_a_drip_ends_when_its_caller_goes(sim: RunningSimulator, vrex: httpx.Client) -> None:
    sim.control.fault("submit.drip", seconds=30)
    with vrex.stream("POST", "/videos", json=ORDER) as answer:
        assert answer.status_code == 202
    assert order(vrex).status_code == 202


def test_a_second_submission_of_the_same_prompt_is_never_hidden(sim: RunningSimulator, vrex: httpx.Client) -> None:
    sim.control.fault("submit.500_after")
    order(vrex)
    order(vrex)
    order(vrex, prompt="A stork")
    assert [job["submissions"] for job in sim.control.jobs()] == [2, 2, 1]
    assert sim.control.submissions()["by_prompt"] == {"vrex": {"A heron": 2, "A stork": 1}}
    assert sim.control.submissions()["by_key"] == {"vrex": {"sk-test": 3}}


# --- jobs ------------------------------------------------------------------------------------------------------


def test_a_job_can_fail_with_words_of_ones_own(sim: RunningSimulator, aivideoapi: httpx.Client) -> None:
    sim.control.fault("job.fails", "aivideoapi", code="nsfw", message="Not that.")
    body = {"model": "veo-3", "input": ORDER}
    first, second = (aivideoapi.post("/v1/videos/generations", json=body).json()["data"]["taskId"] for _ in "12")
    sim.control.advance(180)
    assert aivideoapi.get(f"/v1/tasks/{first}").json()["error"] == {"code": "nsfw", "message": "Not that."}
    assert aivideoapi.get(f"/v1/tasks/{second}").json()["status"] == "completed"


def test_a_job_can_take_longer_or_never_end(sim: RunningSimulator, vrex: httpx.Client) -> None:
    sim.control.fault("job.slow", factor=10, prompt="slow")
    sim.control.fault("job.stuck", prompt="stuck")
    slow, stuck = (order(vrex, prompt=prompt).json()["id"] for prompt in ("slow", "stuck"))
    sim.control.advance(130)
    assert {job["state"] for job in sim.control.jobs()} == {"processing"}
    sim.control.advance(1200)
    assert (sim.control.job(slow)["state"], sim.control.job(stuck)["state"]) == ("completed", "processing")
    assert sim.control.finish(stuck, "failed", message="at last")["failure"] == "at last"
    assert vrex.get(f"/videos/{stuck}").json()["error"] == "at last"


def test_a_look_can_lag_behind_the_verdict(sim: RunningSimulator, vrex: httpx.Client) -> None:
    sim.control.fault("job.lag", seconds=60)
    job = order(vrex).json()["id"]
    sim.control.finish(job)
    assert vrex.get(f"/videos/{job}").json()["status"] == "processing"
    assert vrex.get(f"/videos/{job}").json()["video_url"] is None
    sim.control.advance(60)
    assert vrex.get(f"/videos/{job}").json()["status"] == "completed"


# --- looks -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 404, 429, 500, 503])
def test_a_look_can_be_refused(sim: RunningSimulator, vrex: httpx.Client, status: int) -> None:
    ask = look(sim, vrex)
    sim.control.fault(f"look.{status}", "vrex", retry_after=3)
    answer = ask()
    assert (answer.status_code, answer.headers["retry-after"]) == (status, "3")
    assert ask().json()["status"] == "completed"


def test_a_look_can_be_garbage_slow_dripping_or_without_an_id(sim: RunningSimulator, vrex: httpx.Client) -> None:
    ask = look(sim, vrex)
    sim.control.fault("look.garbage_answer")
    sim.control.fault("look.no_id")
    sim.control.fault("look.drip", bytes=100, seconds=0.01)
    sim.control.fault("look.slow_answer", seconds=0.1)
    assert ask().headers["content-type"].startswith("text/html")
    assert ask().json() == {}
    assert ask().json()["status"] == "completed"
    assert ask().json()["status"] == "completed"


@pytest.mark.parametrize("kind", ["no_answer", "cut_answer"])
def test_a_look_can_be_lost_on_the_wire(sim: RunningSimulator, vrex: httpx.Client, kind: str) -> None:
    ask = look(sim, vrex)
    sim.control.fault(f"look.{kind}")
    with pytest.raises(httpx.RemoteProtocolError):
        ask()
    assert ask().status_code == 200
