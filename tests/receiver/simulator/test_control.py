"""The control routes: books, jobs, log, clock, reset, and wishes that cannot be."""

from typing import Any

import httpx
import pytest

from receiver.simulator import RunningSimulator
from receiver.simulator.remote import ControlFailed

URL = "/v1/videos/generations"


def test_the_overview_names_base_urls_and_faults(sim: RunningSimulator, vrex: httpx.Client) -> None:
    found = vrex.get(f"{sim.url}/control").json()
    assert found["base_urls"] == sim.base_urls
    assert found["faults"]["callback.late"] == {"seconds": 30.0}
    assert vrex.get(f"{sim.url}/").json() == found


def test_the_books_are_exact_and_name_every_job(sim: RunningSimulator, vrex: httpx.Client) -> None:
    jobs = [vrex.post("/videos", json={"prompt": "x", "seconds": 6}).json()["id"] for _ in range(3)]
    sim.control.finish(jobs[0], "failed")
    account = sim.control.books()["vrex"]["sk-test"]
    assert (account["charged"], account["refunded"], account["net"]) == ("0.306", "0.102", "0.204")
    assert (account["started_with"], account["balance"], account["unit"]) == ("1000", "999.796", "USD")
    lines = [(line["kind"], line["job_id"], line["amount"]) for line in account["lines"]]
    assert lines == [("charge", job, "0.102") for job in jobs] + [("refund", jobs[0], "0.102")]


def test_a_verdict_is_reached_once(sim: RunningSimulator, vrex: httpx.Client) -> None:
    job = vrex.post("/videos", json={"prompt": "x"}).json()["id"]
    assert sim.control.finish(job, "failed")["state"] == "failed"
    assert sim.control.finish(job, "completed")["state"] == "failed"
    assert sim.control.books()["vrex"]["sk-test"]["refunded"] == "0.136"


def test_jobs_can_be_filtered(sim: RunningSimulator, vrex: httpx.Client, aivideoapi: httpx.Client) -> None:
    first = vrex.post("/videos", json={"prompt": "one"}).json()["id"]
    vrex.post("/videos", json={"prompt": "two"})
    aivideoapi.post(URL, json={"model": "veo-3", "input": {"prompt": "three"}})
    sim.control.finish(first)
    assert [job["prompt"] for job in sim.control.jobs(vendor="vrex")] == ["one", "two"]
    assert [job["prompt"] for job in sim.control.jobs(state="completed")] == ["one"]
    assert [job["prompt"] for job in sim.control.jobs(prompt="hree")] == ["three"]


def test_a_job_is_shown_with_its_fields_its_looks_and_its_downloads(sim: RunningSimulator, vrex: httpx.Client) -> None:
    image = "data:image/png;base64," + "AAAA" * 1000
    fields = {"prompt": "x", "mode": "i2v", "start_image": image}
    job = vrex.post("/videos", json=fields).json()["id"]
    sim.control.finish(job)
    vrex.get(vrex.get(f"/videos/{job}").json()["video_url"])
    shown = sim.control.job(job)
    assert (shown["looks"], shown["downloads"], shown["callback_url"]) == (1, 1, None)
    assert shown["fields"]["mode"] == "i2v"
    assert len(shown["fields"]["start_image"]) < 100


def test_the_log_has_every_call_but_those_of_the_control_routes(sim: RunningSimulator, vrex: httpx.Client) -> None:
    vrex.get("/usage")
    vrex.get("/nothing", headers={"Authorization": "none"})
    vrex.get(f"{sim.url}/files/vrex/x/1.mp4")
    calls = [(call["vendor"], call["kind"], call["method"], call["status"]) for call in sim.control.requests()]
    assert calls == [("vrex", "api", "GET", 200), ("vrex", "api", "GET", 404), ("vrex", "file", "GET", 404)]
    assert [call["key"] for call in sim.control.requests("vrex")] == ["sk-test", None, None]
    assert sim.control.requests("artnex") == []


def test_a_long_key_is_shown_by_its_ends(sim: RunningSimulator, vrex: httpx.Client) -> None:
    key = "sk-" + "a" * 16 + "b" * 16
    vrex.post("/videos", json={"prompt": "x"}, headers={"Authorization": f"Bearer {key}"})
    told = [sim.control.jobs()[0]["key"], sim.control.requests()[0]["key"], *sim.control.books()["vrex"]]
    assert told == ["sk-aaaa…bbbb"] * 3


def test_time_moves_on_and_back_to_the_truth(sim: RunningSimulator, vrex: httpx.Client) -> None:
    before = vrex.get(f"{sim.url}/control/clock").json()
    sim.control.advance(90)
    after = vrex.get(f"{sim.url}/control/clock").json()
    assert (before["advanced"], after["advanced"]) == (0, 90)
    assert after["now"] > before["now"]
    sim.control.reset()
    assert vrex.get(f"{sim.url}/control/clock").json()["advanced"] == 0


def test_reset_forgets_everything(sim: RunningSimulator, vrex: httpx.Client) -> None:
    vrex.post("/videos", json={"prompt": "x"})
    sim.control.fault("job.stuck")
    sim.control.reset()
    assert (sim.control.jobs(), sim.control.faults(), sim.control.requests()) == ([], [], [])
    assert (sim.control.books(), sim.control.submissions()) == ({}, {"by_prompt": {}, "by_key": {}})
    sim.control.advance(1000)
    assert sim.control.books() == {}


def test_an_account_can_be_made_poor_and_bad(sim: RunningSimulator, vrex: httpx.Client) -> None:
    sim.control.account("vrex", "sk-test", balance="0.135")
    assert vrex.post("/videos", json={"prompt": "x"}).status_code == 402
    assert vrex.post("/videos", json={"prompt": "x", "seconds": 4}).status_code == 202
    assert sim.control.books()["vrex"]["sk-test"]["balance"] == "0.067"
    sim.control.account("vrex", "sk-test", bad=True)
    assert vrex.get("/usage").status_code == 401


def test_several_faults_can_be_added_at_once_and_removed_one_by_one(sim: RunningSimulator, vrex: httpx.Client) -> None:
    wanted = [{"kind": "job.stuck"}, {"kind": "callback.lost", "vendor": "vrex"}]
    added = vrex.post(f"{sim.url}/control/faults", json=wanted).json()
    vrex.delete(f"{sim.url}/control/faults/{added[0]['id']}")
    assert [fault["kind"] for fault in sim.control.faults()] == ["callback.lost"]
    sim.control.clear_faults()
    assert sim.control.faults() == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("faults", {"kind": "nonsense"}),
        ("faults", ["job.stuck"]),
        ("faults", {"kind": "callback.garbage", "style": "rude"}),
        ("callback", {"job": "vg_none"}),
        ("callback", {}),
        ("clock", {"advance": -5}),
        ("clock", {"advance": "soon"}),
        ("accounts", {"vendor": "runway", "key": "k"}),
        ("accounts", {"vendor": "vrex"}),
        ("accounts", {"vendor": "vrex", "key": "sk-x", "balance": "much"}),
        ("jobs/vg_none/finish", {}),
        ("clock", [1]),
    ],
)
def test_a_wish_that_cannot_be_is_explained(sim: RunningSimulator, vrex: httpx.Client, path: str, body: Any) -> None:
    answer = vrex.post(f"{sim.url}/control/{path}", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_a_wish_that_is_no_json_is_explained(sim: RunningSimulator, vrex: httpx.Client) -> None:
    assert vrex.post(f"{sim.url}/control/faults", content=b"{").json() == {"error": "the body must be JSON"}


def test_what_needs_a_callback_url_or_a_known_state_says_so(sim: RunningSimulator, vrex: httpx.Client) -> None:
    job = vrex.post("/videos", json={"prompt": "x"}).json()["id"]
    with pytest.raises(ControlFailed, match="no callback URL"):
        sim.control.callback(job)
    with pytest.raises(ControlFailed, match="times"):
        sim.control.callback(job, 0)
    with pytest.raises(ControlFailed, match="completed or failed"):
        sim.control.finish(job, "stuck")
