"""The simulated aivideoapi.ai against its pages."""

import json
from typing import Any

import httpx
import pytest

from receiver.simulator import RunningSimulator
from tests.support.http_server import Reply, Server
from tests.support.waiting import eventually

PATH = "/v1/videos/generations"
URL = "https://cdn.example.com/frame.jpg"


def posted(client: httpx.Client, callback_url: str | None = None, **fields: Any) -> httpx.Response:
    body: dict[str, Any] = {"model": "veo-3", "input": {"prompt": "A heron at dawn", **fields}}
    return client.post(PATH, json=body | ({"callback_url": callback_url} if callback_url else {}))


def ordered(client: httpx.Client, callback_url: str | None = None, **fields: Any) -> str:
    answer = posted(client, callback_url, **fields)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["data"]["taskId"])


def error_of(answer: httpx.Response) -> tuple[int, str, str]:
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["type"]


INVALID = (400, "invalid_request", "invalid_request_error")


def test_an_order_is_answered_as_the_page_shows(aivideoapi: httpx.Client) -> None:
    body = posted(aivideoapi).json()
    assert body == {"code": 200, "msg": "success", "data": {"taskId": body["data"]["taskId"]}}
    assert len(body["data"]["taskId"]) == 36


def test_a_task_goes_from_pending_over_processing_to_completed(sim: RunningSimulator, aivideoapi: httpx.Client) -> None:
    task = ordered(aivideoapi)
    assert aivideoapi.get(f"/v1/tasks/{task}").json()["status"] == "pending"
    sim.control.advance(30)
    working = aivideoapi.get(f"/v1/tasks/{task}").json()
    assert list(working) == ["id", "status", "model", "created_at", "progress"]
    assert (working["status"], working["progress"]) == ("processing", None)
    sim.control.advance(160)
    done = aivideoapi.get(f"/v1/tasks/{task}").json()
    assert list(done) == ["id", "status", "model", "created_at", "completed_at", "output"]
    assert done["output"]["metadata"] == {"resolution": "720p"}
    assert isinstance(done["completed_at"], int)
    assert aivideoapi.get(done["output"]["urls"][0]).headers["content-type"] == "video/mp4"


def test_a_failed_task_says_so_and_is_refunded(sim: RunningSimulator, aivideoapi: httpx.Client) -> None:
    task = ordered(aivideoapi, prompt="A heron [fails]", mode="quality")
    assert aivideoapi.get("/v1/credits").json()["data"]["total_consumed"] == 300
    sim.control.advance(200)
    failed = aivideoapi.get(f"/v1/tasks/{task}").json()
    assert failed["error"] == {"code": "upstream_error", "message": "Video generation failed"}
    assert list(failed) == ["id", "status", "model", "created_at", "error"]
    balance = {"balance": 1_000_000, "total_purchased": 1_000_000, "total_consumed": 0}
    assert aivideoapi.get("/v1/credits").json() == {"code": 200, "msg": "success", "data": balance}


@pytest.mark.parametrize(("mode", "cost"), [(None, "40"), ("fast", "40"), ("quality", "300")])
def test_a_mode_costs_what_the_page_says(
    sim: RunningSimulator, aivideoapi: httpx.Client, mode: str | None, cost: str
) -> None:
    ordered(aivideoapi, **({"mode": mode} if mode else {}))
    assert sim.control.books()["aivideoapi"]["sk-test"]["charged"] == cost


@pytest.mark.parametrize(
    "fields",
    [
        {"aspect_ratio": "Auto", "seeds": 10_000, "watermark": "mine"},
        {"seeds": 99_999},
        {"image_urls": [URL]},
        {"image_urls": [URL] * 3},
        {"generation_type": "FIRST_AND_LAST_FRAMES_2_VIDEO", "image_urls": [URL] * 2, "mode": "quality"},
        {"generation_type": "REFERENCE_2_VIDEO", "image_urls": [URL], "mode": "fast"},
        {"generation_type": "TEXT_2_VIDEO"},
    ],
)
def test_what_the_page_allows_is_accepted(aivideoapi: httpx.Client, fields: dict[str, Any]) -> None:
    ordered(aivideoapi, **fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"prompt": ""},
        {"prompt": None},
        {"mode": "slow"},
        {"aspect_ratio": "1:1"},
        {"aspect_ratio": "auto"},
        {"generation_type": "VIDEO_2_VIDEO"},
        {"generation_type": "TEXT_2_VIDEO", "image_urls": [URL]},
        {"generation_type": "FIRST_AND_LAST_FRAMES_2_VIDEO"},
        {"generation_type": "FIRST_AND_LAST_FRAMES_2_VIDEO", "image_urls": [URL] * 3},
        {"generation_type": "REFERENCE_2_VIDEO", "image_urls": [URL] * 4},
        {"generation_type": "REFERENCE_2_VIDEO", "image_urls": [URL], "mode": "quality"},
        {"image_urls": URL},
        {"image_urls": ["not a url"]},
        {"seeds": 9_999},
        {"seeds": 100_000},
        {"seeds": "12345"},
        {"watermark": 5},
        {"callback_url": "http://hooks.example.com/x"},
    ],
)
def test_what_the_page_forbids_is_refused(aivideoapi: httpx.Client, fields: dict[str, Any]) -> None:
    answer = posted(aivideoapi, fields.pop("callback_url", None), **fields)
    assert error_of(answer) == INVALID


def test_the_envelope_is_checked(aivideoapi: httpx.Client) -> None:
    missing = aivideoapi.post(PATH, json={"input": {"prompt": "x"}})
    assert missing.json()["error"]["message"] == "'model' is required."
    assert error_of(missing) == INVALID
    assert error_of(aivideoapi.post(PATH, json={"model": "veo-3"})) == INVALID
    assert error_of(aivideoapi.post(PATH, content=b"no")) == INVALID
    unknown = aivideoapi.post(PATH, json={"model": "sora-9", "input": {"prompt": "x"}})
    assert error_of(unknown) == (404, "model_not_found", "invalid_request_error")


def test_an_extension_needs_the_task_it_extends(aivideoapi: httpx.Client) -> None:
    body: dict[str, Any] = {"model": "veo-3-extend", "input": {"prompt": "on"}}
    assert error_of(aivideoapi.post(PATH, json=body)) == INVALID
    body["input"]["extend_task_id"] = "abc"
    assert aivideoapi.post(PATH, json=body).status_code == 200


def test_keys_tasks_and_credits_are_refused_with_the_pages_codes(
    sim: RunningSimulator, aivideoapi: httpx.Client
) -> None:
    no_key = aivideoapi.get("/v1/credits", headers={"Authorization": "Bearer abc"})
    assert error_of(no_key) == (401, "invalid_api_key", "authentication_error")
    assert error_of(aivideoapi.get("/v1/tasks/none")) == (404, "task_not_found", "invalid_request_error")
    sim.control.account("aivideoapi", "sk-test", balance="39")
    assert error_of(posted(aivideoapi)) == (402, "insufficient_credits", "billing_error")
    sim.control.account("aivideoapi", "sk-test", bad=True)
    assert error_of(posted(aivideoapi)) == (401, "invalid_api_key", "authentication_error")


def test_the_callback_is_the_look_with_three_headers(
    sim: RunningSimulator, aivideoapi: httpx.Client, hook: Server
) -> None:
    task = ordered(aivideoapi, hook.url)
    sim.control.advance(200)
    eventually(lambda: len(hook.seen) == 1, "the callback")
    headers = hook.seen[0].headers
    assert (headers["x-event"], headers["x-task-id"]) == ("task.completed", task)
    assert headers["x-timestamp"].isdigit()
    assert json.loads(hook.seen[0].body) == aivideoapi.get(f"/v1/tasks/{task}").json()


def test_a_callback_that_fails_is_sent_three_times_after_three_and_ten_minutes(
    sim: RunningSimulator, aivideoapi: httpx.Client, hook: Server
) -> None:
    hook.script(Reply(status=500))
    task = ordered(aivideoapi, hook.url, prompt="[fails]")
    sim.control.advance(200)

    def came(count: int) -> None:
        eventually(lambda: len(sim.control.job(task)["callbacks"]) == count, f"callback {count}")
        eventually(lambda: sim.control.job(task)["callbacks"][-1].get("outcome") == "refused")

    came(1)
    for step, count in ((175, 1), (10, 2), (590, 2), (15, 3), (86_400, 3)):
        sim.control.advance(step)
        came(count)
    assert {seen.headers["x-event"] for seen in hook.seen} == {"task.failed"}
    assert len(hook.seen) == 3


def test_a_callback_that_was_taken_at_the_second_attempt_is_not_sent_a_third_time(
    sim: RunningSimulator, aivideoapi: httpx.Client, hook: Server
) -> None:
    hook.script(Reply(status=302, headers={"location": "/elsewhere"}), Reply(status=204))
    task = ordered(aivideoapi, hook.url)
    for step in (200, 181, 601):
        sim.control.advance(step)
        eventually(lambda: all("outcome" in entry for entry in sim.control.job(task)["callbacks"]))
        eventually(lambda: len(hook.seen) >= 1)
        eventually(lambda: len(sim.control.job(task)["callbacks"]) == len(hook.seen))
    outcomes = [entry["outcome"] for entry in sim.control.job(task)["callbacks"]]
    assert outcomes == ["refused", "taken"]


def test_its_urls_live_for_ever(sim: RunningSimulator, aivideoapi: httpx.Client) -> None:
    task = ordered(aivideoapi)
    sim.control.advance(200)
    [url] = aivideoapi.get(f"/v1/tasks/{task}").json()["output"]["urls"]
    sim.control.advance(10 * 365 * 86_400)
    assert "?" not in url
    assert aivideoapi.get(url).status_code == 200
