"""The simulated veo3gen.co against its pages."""

from typing import Any

import httpx
import pytest

from receiver.simulator import RunningSimulator, SimulatorSettings
from tests.receiver.simulator.conftest import client_of

JPEG = b"\xff\xd8\xff\xe0" + bytes(100)


def posted(veo3gen: httpx.Client, **fields: Any) -> httpx.Response:
    return veo3gen.post("/api/veo/text-to-video", json={"prompt": "A dragon", **fields})


def ordered(veo3gen: httpx.Client, **fields: Any) -> str:
    answer = posted(veo3gen, **fields)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["taskId"])


def test_an_order_is_answered_as_the_page_shows(veo3gen: httpx.Client) -> None:
    body = posted(veo3gen).json()
    task = body["taskId"]
    assert body == {
        "success": True,
        "message": "Video generation started",
        "taskId": task,
        "status": "pending",
        "estimatedWaitTime": "60-120 seconds",
        "creditsUsed": 190,
        "remainingCredits": 1_000_000 - 190,
        "statusUrl": f"/api/veo/status/{task}",
        "downloadUrl": f"/api/veo/download/{task}",
    }


def test_a_task_ends_completed_with_as_many_videos_as_samples(sim: RunningSimulator, veo3gen: httpx.Client) -> None:
    task = ordered(veo3gen, sampleCount=3)
    assert veo3gen.get(f"/api/veo/status/{task}").json()["status"] == "pending"
    sim.control.advance(120)
    done = veo3gen.get(f"/api/veo/status/{task}").json()
    assert (done["status"], done["creditsCost"], done["type"]) == ("completed", 570, "text-to-video")
    assert done["processingTime"] >= 60
    assert len({veo3gen.get(video["url"]).content for video in done["videos"]}) == 3
    assert {tuple(video) for video in done["videos"]} == {("url", "mimeType", "expiresAt")}


def test_a_failed_task_says_so_and_is_refunded(sim: RunningSimulator, veo3gen: httpx.Client) -> None:
    task = ordered(veo3gen, prompt="[fails]")
    sim.control.advance(120)
    failed = veo3gen.get(f"/api/veo/status/{task}").json()
    assert (failed["status"], failed["error"], "videos" in failed) == ("failed", "GENERATION_FAILED", False)
    assert sim.control.books()["veo3gen"]["veo3_test"]["net"] == "0"
    assert veo3gen.get(f"/api/veo/download/{task}").json()["error"] == "NO_VIDEOS"


def test_the_download_endpoint_waits_for_the_end(sim: RunningSimulator, veo3gen: httpx.Client) -> None:
    task = ordered(veo3gen)
    early = veo3gen.get(f"/api/veo/download/{task}")
    assert (early.status_code, early.json()["error"]) == (400, "VIDEO_NOT_READY")
    sim.control.advance(120)
    found = veo3gen.get(f"/api/veo/download/{task}").json()
    assert (found["totalVideos"], found["videos"][0]["mimeType"]) == (1, "video/mp4")


def test_an_image_goes_as_a_form(sim: RunningSimulator, veo3gen: httpx.Client) -> None:
    fields = {"prompt": "push in", "model": "veo-3.1-generate-001", "generateAudio": "false", "sampleCount": "2"}
    files = {"image": ("frame.jpg", JPEG, "image/jpeg")}
    answer = veo3gen.post("/api/veo/image-to-video", data=fields, files=files)
    body = answer.json()
    assert answer.status_code == 202, answer.text
    assert (body["creditsCost"], "creditsUsed" in body) == (500, False)
    assert body["imageInfo"] == {"originalName": "frame.jpg", "size": len(JPEG), "mimeType": "image/jpeg"}
    sim.control.advance(120)
    assert veo3gen.get(body["statusUrl"]).json()["type"] == "image-to-video"


@pytest.mark.parametrize(
    ("files", "status", "code"),
    [
        ({"other": ("a.txt", b"x", "text/plain")}, 400, "MISSING_IMAGE"),
        ({"image": ("a.gif", b"GIF89a", "image/gif")}, 400, "INVALID_IMAGE_TYPE"),
        ({"image": ("a.png", b"GIF89a", "image/png")}, 400, "INVALID_IMAGE_TYPE"),
        ({"image": ("a.jpg", JPEG + bytes(20 * 2**20), "image/jpeg")}, 413, "FILE_TOO_LARGE"),
    ],
)
def test_a_bad_image_is_refused(veo3gen: httpx.Client, files: Any, status: int, code: str) -> None:
    answer = veo3gen.post("/api/veo/image-to-video", data={"prompt": "x"}, files=files)
    assert (answer.status_code, answer.json()["error"]) == (status, code)


def test_two_images_are_the_first_and_the_last_frame(sim: RunningSimulator, veo3gen: httpx.Client) -> None:
    two = {name: (f"{name}.jpg", JPEG, "image/jpeg") for name in ("firstFrame", "lastFrame")}
    answer = veo3gen.post("/api/veo/first-last-frame", data={"prompt": "x"}, files=two)
    assert answer.status_code == 202, answer.text
    assert veo3gen.get(answer.json()["statusUrl"]).json()["type"] == "first-last-frame"
    one = veo3gen.post("/api/veo/first-last-frame", data={"prompt": "x"}, files={"firstFrame": two["firstFrame"]})
    assert one.json()["error"] == "MISSING_IMAGE"
    lite = {"prompt": "x", "model": "veo-3.1-lite-generate-001"}
    refused = veo3gen.post("/api/veo/first-last-frame", data=lite, files=two)
    assert refused.json()["error"] == "INVALID_MODEL"


def test_json_is_no_form(veo3gen: httpx.Client) -> None:
    answer = veo3gen.post("/api/veo/image-to-video", json={"prompt": "x"})
    assert (answer.status_code, answer.json()["error"]) == (400, "VALIDATION_ERROR")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"prompt": ""}, "INVALID_PROMPT"),
        ({"prompt": None}, "INVALID_PROMPT"),
        ({"model": "veo-9"}, "INVALID_MODEL"),
        ({"model": ["x"]}, "INVALID_MODEL"),
        ({"sampleCount": 0}, "VALIDATION_ERROR"),
        ({"sampleCount": 5}, "VALIDATION_ERROR"),
        ({"sampleCount": "1"}, "VALIDATION_ERROR"),
        ({"sampleCount": True}, "VALIDATION_ERROR"),
        ({"durationSeconds": "8"}, "VALIDATION_ERROR"),
        ({"durationSeconds": 0}, "VALIDATION_ERROR"),
        ({"generateAudio": "yes"}, "VALIDATION_ERROR"),
        ({"seed": 1.5}, "VALIDATION_ERROR"),
        ({"negativePrompt": 3}, "VALIDATION_ERROR"),
    ],
)
def test_what_the_page_forbids_is_refused(veo3gen: httpx.Client, fields: dict[str, Any], code: str) -> None:
    answer = posted(veo3gen, **fields)
    assert (answer.status_code, answer.json()["error"]) == (400, code)


def test_the_models_are_those_of_the_page_and_cost_what_it_says(sim: RunningSimulator, veo3gen: httpx.Client) -> None:
    listed = veo3gen.get("/api/veo/models").json()
    prices = {model["id"]: tuple(model["pricing"].values()) for model in listed["models"]}
    assert prices == {
        "veo-3.0-generate-001": (500, 250),
        "veo-3.0-fast-generate-001": (190, 120),
        "veo-3.1-generate-001": (500, 250),
        "veo-3.1-fast-generate-001": (190, 120),
        "veo-3.1-lite-generate-001": (65, 35),
    }
    assert listed["defaultModel"] == "veo-3.1-fast-generate-001"
    for model, (with_audio, without) in prices.items():
        assert posted(veo3gen, model=model).json()["creditsUsed"] == with_audio
        assert posted(veo3gen, model=model, generateAudio=False).json()["creditsUsed"] == without


def test_the_history_is_newest_first_in_pages_and_knows_orders_whose_answer_was_lost(
    sim: RunningSimulator, veo3gen: httpx.Client
) -> None:
    for number in range(5):
        ordered(veo3gen, prompt=f"dragon {number}")
    sim.control.fault("submit.no_answer", "veo3gen")
    with pytest.raises(httpx.RemoteProtocolError):
        posted(veo3gen, prompt="lost")
    page = veo3gen.get("/api/veo/history", params={"limit": 2, "skip": 1}).json()
    assert [video["prompt"] for video in page["videos"]] == ["dragon 4", "dragon 3"]
    assert page["pagination"] == {"total": 6, "limit": 2, "skip": 1, "hasMore": True}
    assert veo3gen.get("/api/veo/history").json()["videos"][0]["prompt"] == "lost"
    assert veo3gen.get("/api/veo/history", params={"status": "completed"}).json()["pagination"]["total"] == 0
    theirs = veo3gen.get("/api/veo/history", headers={"X-API-Key": "veo3_other"}).json()
    assert theirs["pagination"]["total"] == 0
    assert veo3gen.get("/api/veo/history", params={"limit": "x"}).status_code == 400


def test_keys_and_credits_are_refused_with_the_pages_codes(sim: RunningSimulator, veo3gen: httpx.Client) -> None:
    for key in ("", "sk-x", "veo3_"):
        no_key = veo3gen.get("/api/veo/models", headers={"X-API-Key": key})
        assert (no_key.status_code, no_key.json()["error"]) == (401, "INVALID_API_KEY")
    assert veo3gen.get("/api/veo/status/veo_1_x").json()["error"] == "TASK_NOT_FOUND"
    sim.control.account("veo3gen", "veo3_test", balance="189")
    poor = posted(veo3gen).json()
    assert (poor["error"], poor["required"], poor["available"]) == ("INSUFFICIENT_CREDITS", 190, 189)


def test_a_throttled_call_has_the_second_error_shape_and_its_own_headers() -> None:
    with RunningSimulator(SimulatorSettings(enforce_limits=True)) as sim, client_of("veo3gen", sim) as veo3gen:
        answers = [veo3gen.get("/api/veo/models") for _ in range(61)]
        assert [answer.status_code for answer in answers] == [200] * 60 + [429]
        error = answers[-1].json()["error"]
        assert error["code"] == "RATE_LIMIT_EXCEEDED"
        assert error["details"]["limit"] == 60
        assert 30 < error["details"]["retry_after"] <= 60
        assert answers[-1].headers["x-ratelimit-retry-after"] == str(error["details"]["retry_after"])
        assert "retry-after" not in answers[-1].headers
        assert answers[0].headers["x-ratelimit-reset"].isdigit()


def test_ten_jobs_at_a_time_and_a_thousand_calls_a_day_and_no_more() -> None:
    with RunningSimulator(SimulatorSettings(enforce_limits=True)) as sim, client_of("veo3gen", sim) as veo3gen:
        answers = [posted(veo3gen) for _ in range(11)]
        assert [answer.status_code for answer in answers] == [202] * 10 + [429]
        assert answers[-1].json()["error"]["code"] == "RATE_LIMIT_EXCEEDED"
        assert sim.control.books()["veo3gen"]["veo3_test"]["charged"] == "1900"
        sim.control.advance(120)
        assert posted(veo3gen).status_code == 202
        for _ in range(17):
            sim.control.advance(60)
            statuses = {veo3gen.get("/api/veo/models").status_code for _ in range(60)}
        assert statuses == {200, 429}
        day = veo3gen.get("/api/veo/models").json()["error"]["details"]
        assert (day["limit"], day["remaining"], day["retry_after"] > 80_000) == (1000, 0, True)
