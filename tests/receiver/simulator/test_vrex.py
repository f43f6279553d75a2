"""The simulated Vrex against its page."""

import base64
import json
from datetime import datetime
from typing import Any

import httpx
import pytest

from receiver.simulator import RunningSimulator, SimulatorSettings
from tests.support.http_server import Reply, Server
from tests.support.waiting import eventually

PNG = "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(20)).decode()
URL = "https://cdn.example.com/frame.jpg"


def ordered(vrex: httpx.Client, **fields: Any) -> dict[str, Any]:
    answer = vrex.post("/videos", json={"prompt": "A heron at dawn", **fields})
    assert answer.status_code == 202, answer.text
    made: dict[str, Any] = answer.json()
    return made


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def test_an_order_is_answered_as_the_page_shows(vrex: httpx.Client) -> None:
    made = ordered(vrex)
    assert made == {
        "id": made["id"],
        "status": "queued",
        "estimated_cost_usd": 0.136,
        "queue_position": 1,
        "poll_url": f"/api/v1/videos/{made['id']}",
    }
    assert made["id"].startswith("vg_")
    assert len(made["id"]) == len("vg_a1b2c3d4e5f6")


def test_a_job_goes_from_queued_over_processing_to_completed(sim: RunningSimulator, vrex: httpx.Client) -> None:
    job = ordered(vrex)["id"]
    seen = [vrex.get(f"/videos/{job}").json()["status"]]
    for step in (12, 120):
        sim.control.advance(step)
        seen.append(vrex.get(f"/videos/{job}").json()["status"])
    assert seen == ["queued", "processing", "completed"]


def test_a_finished_job_has_every_field_of_the_page(sim: RunningSimulator, vrex: httpx.Client) -> None:
    job = ordered(vrex, seconds=4)["id"]
    sim.control.advance(120)
    found = vrex.get(f"/videos/{job}").json()
    assert list(found) == [
        *("id", "status", "seconds", "actual_seconds", "mode", "size", "model", "video_url"),
        *("cost_usd", "actual_cost_usd", "error", "created_at", "completed_at"),
    ]
    assert (found["cost_usd"], found["actual_seconds"], found["error"]) == (0.068, 4, None)
    took = datetime.fromisoformat(found["completed_at"]) - datetime.fromisoformat(found["created_at"])
    assert found["completed_at"].endswith("Z")
    assert 30 <= took.total_seconds() <= 120.1


def test_before_the_end_there_is_no_url(vrex: httpx.Client) -> None:
    found = vrex.get(f"/videos/{ordered(vrex)['id']}").json()
    assert (found["video_url"], found["completed_at"], found["actual_cost_usd"]) == (None, None, None)


@pytest.mark.parametrize(("seconds", "cost"), [(4, 0.068), (6, 0.102), (8, 0.136)])
def test_a_second_costs_what_the_page_says(vrex: httpx.Client, seconds: int, cost: float) -> None:
    assert ordered(vrex, seconds=seconds)["estimated_cost_usd"] == cost


def test_reference_to_video_has_always_eight_seconds(sim: RunningSimulator, vrex: httpx.Client) -> None:
    job = ordered(vrex, mode="r2v", ref_images=[URL, PNG], seconds=5)["id"]
    assert vrex.get(f"/videos/{job}").json()["seconds"] == 8


@pytest.mark.parametrize(
    "fields",
    [
        {"mode": "i2v", "start_image": URL},
        {"mode": "i2v", "start_image": PNG, "seconds": 4},
        {"mode": "r2v", "ref_images": [PNG] * 3},
        {"size": "1920x1080", "model": "veo-3.1-lite"},
        {"prompt": "x" * 2000},
        {"output_format": "raw_key"},
    ],
)
def test_what_the_page_allows_is_accepted(vrex: httpx.Client, fields: dict[str, Any]) -> None:
    ordered(vrex, **fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"prompt": ""},
        {"prompt": "x" * 2001},
        {"prompt": None},
        {"prompt": 5},
        {"seconds": 5},
        {"seconds": "8"},
        {"seconds": True},
        {"seconds": None},
        {"size": "640x480"},
        {"mode": "v2v"},
        {"mode": ["t2v"]},
        {"model": "veo-3"},
        {"output_format": "mp4"},
        {"mode": "i2v"},
        {"mode": "i2v", "start_image": "http://cdn.example.com/a.jpg"},
        {"mode": "i2v", "start_image": "https://localhost/a.jpg"},
        {"mode": "i2v", "start_image": "https://192.168.1.4/a.jpg"},
        {"mode": "i2v", "start_image": "https://[::1]/a.jpg"},
        {"mode": "i2v", "start_image": "data:image/gif;base64,AAAA"},
        {"mode": "i2v", "start_image": "data:image/png;base64,%%%"},
        {"mode": "i2v", "start_image": "data:image/png;base64," + "A" * (6 * 2**20)},
        {"mode": "i2v", "start_image": URL, "ref_images": [URL]},
        {"start_image": URL},
        {"ref_images": [URL]},
        {"mode": "r2v"},
        {"mode": "r2v", "ref_images": []},
        {"mode": "r2v", "ref_images": [URL] * 4},
        {"mode": "r2v", "ref_images": [URL, "ftp://x"]},
        {"mode": "r2v", "ref_images": [URL], "start_image": URL},
        {"webhook_url": "http://hooks.example.com/x"},
        {"webhook_url": "https://"},
        {"webhook_url": 7},
    ],
)
def test_what_the_page_forbids_is_refused(sim: RunningSimulator, vrex: httpx.Client, fields: dict[str, Any]) -> None:
    answer = vrex.post("/videos", json={"prompt": "A heron", **fields})
    assert code_of(answer) == (400, "VALIDATION_ERROR")
    assert sim.control.jobs() == []


def test_a_body_that_is_no_json_has_a_code_of_its_own(vrex: httpx.Client) -> None:
    assert code_of(vrex.post("/videos", content=b"{")) == (400, "INVALID_JSON")
    assert code_of(vrex.post("/videos", json=[])) == (400, "VALIDATION_ERROR")


@pytest.mark.parametrize("code", ["MINOR_SAFETY", "ARTIST_IMPERSONATION", "HATE_SPEECH"])
def test_a_prompt_with_a_policy_code_is_blocked_with_it(vrex: httpx.Client, code: str) -> None:
    assert code_of(vrex.post("/videos", json={"prompt": f"so {code} it is"})) == (400, code)


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer veo3_x", "Bearer sk-", "sk-test"])
def test_a_key_of_the_wrong_form_is_unauthorized(vrex: httpx.Client, header: str) -> None:
    assert code_of(vrex.get("/usage", headers={"Authorization": header})) == (401, "UNAUTHORIZED")


def test_another_keys_job_is_not_found(vrex: httpx.Client) -> None:
    job = ordered(vrex)["id"]
    theirs = vrex.get(f"/videos/{job}", headers={"Authorization": "Bearer sk-other"})
    assert code_of(theirs) == (404, "NOT_FOUND")
    assert code_of(vrex.get("/videos/vg_000000000000")) == (404, "NOT_FOUND")


def test_bad_and_poor_keys_are_refused_as_on_the_page() -> None:
    settings = SimulatorSettings(bad_keys=frozenset({"sk-bad"}), poor_keys=frozenset({"sk-poor"}))
    with RunningSimulator(settings) as sim, httpx.Client(base_url=sim.base_urls["vrex"], verify=False) as client:
        bad = client.post("/videos", json={"prompt": "x"}, headers={"Authorization": "Bearer sk-bad"})
        poor = client.post("/videos", json={"prompt": "x"}, headers={"Authorization": "Bearer sk-poor"})
        assert code_of(bad) == (401, "KEY_REVOKED")
        assert code_of(poor) == (402, "INSUFFICIENT_BALANCE_FOR_VIDEO")
        assert sim.control.jobs() == []


def test_the_balance_can_be_read(sim: RunningSimulator, vrex: httpx.Client) -> None:
    ordered(vrex)
    usage = vrex.get("/usage").json()
    assert usage["balance_usd"] == 999.864
    assert usage["balance_micro_usd"] == 999_864_000
    assert usage["usage"]["generations_total"] == 1


def test_a_completed_job_rings_once_with_the_pages_field_names(
    sim: RunningSimulator, vrex: httpx.Client, hook: Server
) -> None:
    job = ordered(vrex, webhook_url=f"{hook.url}/cb")["id"]
    sim.control.advance(120)
    eventually(lambda: len(hook.seen) == 1, "the callback")
    body = json.loads(hook.seen[0].body)
    assert list(body) == ["event", "video_gen_id", "video_url", "duration_sec", "actual_cost_usd", "timestamp"]
    assert (body["event"], body["video_gen_id"], body["duration_sec"]) == ("video.completed", job, 8)
    assert hook.seen[0].path == "/cb"


def test_a_failed_job_rings_with_a_sentence_and_is_refunded(
    sim: RunningSimulator, vrex: httpx.Client, hook: Server
) -> None:
    job = ordered(vrex, prompt="A heron [fails]", webhook_url=hook.url)["id"]
    sim.control.advance(120)
    eventually(lambda: len(hook.seen) == 1, "the callback")
    body = json.loads(hook.seen[0].body)
    assert list(body) == ["event", "video_gen_id", "error", "timestamp"]
    assert body["error"] == f"NonRetryable: Engine reported failure for jobId={job}"
    found = vrex.get(f"/videos/{job}").json()
    assert (found["status"], found["error"], found["video_url"]) == ("failed", body["error"], None)
    assert sim.control.books()["vrex"]["sk-test"]["net"] == "0.000"


def test_a_callback_that_is_refused_is_not_sent_again(sim: RunningSimulator, vrex: httpx.Client, hook: Server) -> None:
    hook.script(Reply(status=503))
    job = ordered(vrex, webhook_url=hook.url)["id"]
    sim.control.advance(120)
    eventually(lambda: len(hook.seen) == 1, "the callback")
    sim.control.advance(86_400)
    vrex.get("/usage")
    assert [entry["outcome"] for entry in sim.control.job(job)["callbacks"]] == ["refused"]
    assert len(hook.seen) == 1


def test_with_raw_key_the_video_url_is_an_object_key(sim: RunningSimulator, vrex: httpx.Client) -> None:
    job = ordered(vrex, output_format="raw_key")["id"]
    sim.control.advance(120)
    assert vrex.get(f"/videos/{job}").json()["video_url"] == f"video-gen/{job}.mp4"


def test_the_limits_headers_are_on_every_answer_and_nobody_is_throttled_by_default(vrex: httpx.Client) -> None:
    answers = [vrex.get("/usage") for _ in range(12)]
    assert [answer.headers["x-ratelimit-limit"] for answer in answers] == ["10"] * 12
    assert [answer.headers["x-ratelimit-remaining"] for answer in answers][-4:] == ["1", "0", "0", "0"]
    assert {answer.status_code for answer in answers} == {200}


def test_an_enforced_limit_slides_and_says_when_to_come_back() -> None:
    with RunningSimulator(SimulatorSettings(enforce_limits=True)) as sim:
        headers = {"Authorization": "Bearer sk-a"}
        with httpx.Client(base_url=sim.base_urls["vrex"], headers=headers, verify=False) as client:
            assert [client.get("/usage").status_code for _ in range(11)] == [200] * 10 + [429]
            refused = client.get("/videos/vg_x")
            assert code_of(refused) == (429, "RATE_LIMITED")
            assert 30 < int(refused.headers["retry-after"]) <= 60
            assert client.get("/usage", headers={"Authorization": "Bearer sk-b"}).status_code == 200
            sim.control.advance(60)
            assert client.get("/usage").status_code == 200
