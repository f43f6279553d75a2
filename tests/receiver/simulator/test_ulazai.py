"""The simulated UlazAI against its pages."""

from typing import Any

import httpx
import pytest

from receiver.simulator import RunningSimulator, SimulatorSettings
from tests.receiver.simulator.conftest import client_of

PATH = "/api/v1/generate/video/"
URL = "https://cdn.example.com/cat.jpg"


def ordered(ulazai: httpx.Client, **fields: Any) -> dict[str, Any]:
    answer = ulazai.post(PATH, json={"prompt": "A cat", **fields})
    assert answer.status_code == 200, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


@pytest.mark.parametrize(
    ("fields", "price", "mode", "time"),
    [
        ({}, 240, "text-to-video", "45-60 seconds"),
        ({"source_image_urls": [URL]}, 240, "image-to-video", "45-60 seconds"),
        ({"video_model": "veo3"}, 500, "text-to-video", "60-90 seconds"),
        ({"video_model": "veo3", "source_image_urls": [URL]}, 500, "image-to-video", "90-120 seconds"),
    ],
)
def test_an_order_is_answered_as_the_page_shows(
    ulazai: httpx.Client, fields: dict[str, Any], price: int, mode: str, time: str
) -> None:
    data = ordered(ulazai, **fields)
    assert (data["credits_used"], data["mode"], data["estimated_time"]) == (price, mode, time)
    assert data["credits_remaining"] == 1_000_000 - price
    assert data.get("source_images_count") == (1 if "source_image_urls" in fields else None)
    assert data["status"] == "processing"


def test_a_generation_ends_completed_in_small_letters(sim: RunningSimulator, ulazai: httpx.Client) -> None:
    job = ordered(ulazai)["generation_id"]
    working = ulazai.get(f"/api/v1/generate/{job}/").json()
    assert (working["status"], working["generation_type"]) == ("processing", "video")
    assert working["progress"] == "0.00"
    sim.control.advance(60)
    done = ulazai.get(f"/api/v1/generate/{job}/").json()
    assert (done["status"], done["progress"], done["video_model"]) == ("completed", "1.0", "veo3_fast")
    assert done["download_url"] == f"ulazai.com/api/v1/generate/{job}/download/"
    assert ulazai.get(done["video_url"]).status_code == 200


def test_a_failed_generation_has_an_error_object_and_its_credits_back(
    sim: RunningSimulator, ulazai: httpx.Client
) -> None:
    job = ordered(ulazai, prompt="[fails]")["generation_id"]
    sim.control.advance(60)
    failed = ulazai.get(f"/api/v1/generate/{job}/").json()
    assert failed["error"] == {"code": "CONTENT_FILTER", "message": "Generation failed"}
    assert (failed["status"], failed["credits_used"], failed["credits_refunded"]) == ("failed", 0, 240)
    assert sim.control.books()["ulazai"]["test-key"]["net"] == "0"


def test_the_other_spelling_can_be_chosen() -> None:
    with (
        RunningSimulator(SimulatorSettings(ulazai_upper_case=True)) as sim,
        client_of("ulazai", sim) as ulazai,
    ):
        jobs = [ordered(ulazai, prompt=prompt)["generation_id"] for prompt in ("a", "[fails]")]
        assert ulazai.get(f"/api/v1/generate/{jobs[0]}/").json()["status"] == "GENERATING"
        sim.control.advance(60)
        words = [ulazai.get(f"/api/v1/generate/{job}/").json()["status"] for job in jobs]
        assert words == ["COMPLETED", "FAILED"]


@pytest.mark.parametrize(
    "fields",
    [
        {"prompt": "x" * 1001},
        {"prompt": 4},
        {"video_model": "veo4"},
        {"aspect_ratio": "1:1"},
        {"source_image_urls": URL},
        {"source_image_urls": ["cat.jpg"]},
    ],
)
def test_what_the_page_forbids_is_refused(ulazai: httpx.Client, fields: dict[str, Any]) -> None:
    answer = ulazai.post(PATH, json={"prompt": "A cat", **fields})
    body = answer.json()
    assert (answer.status_code, body["success"], list(body["details"])) == (400, False, list(fields))


def test_a_missing_prompt_is_refused_in_the_pages_words(ulazai: httpx.Client) -> None:
    details = {"prompt": "This field is required"}
    expected = {"success": False, "error": "Prompt is required", "details": details}
    assert ulazai.post(PATH, json={}).json() == expected


def test_too_few_credits_are_told_in_the_pages_words(sim: RunningSimulator, ulazai: httpx.Client) -> None:
    sim.control.account("ulazai", "test-key", balance="100")
    answer = ulazai.post(PATH, json={"prompt": "A cat"})
    assert answer.status_code == 402
    assert answer.json() == {
        "success": False,
        "error": "Insufficient credits. Need 240, have 100",
        "credits_needed": 240,
        "credits_balance": 100,
        "video_model": "veo3_fast",
        "generation_type": "video",
    }


@pytest.mark.parametrize("header", ["Bearer k1", "Token k1", "k1"])
def test_a_key_may_be_given_in_three_ways(ulazai: httpx.Client, header: str) -> None:
    assert ulazai.post(PATH, json={"prompt": "A cat"}, headers={"Authorization": header}).status_code == 200


def test_without_a_key_or_with_anothers_nothing_is_told(ulazai: httpx.Client) -> None:
    job = ordered(ulazai)["generation_id"]
    assert ulazai.get(f"/api/v1/generate/{job}/", headers={"Authorization": ""}).status_code == 401
    assert ulazai.get(f"/api/v1/generate/{job}/", headers={"Authorization": "Token other"}).status_code == 404


def test_the_history_is_newest_first_and_ones_own(ulazai: httpx.Client) -> None:
    jobs = [ordered(ulazai)["generation_id"] for _ in range(3)]
    page = ulazai.get("/api/v1/generate/history/", params={"limit": 2}).json()
    assert ([one["id"] for one in page["generations"]], page["total"]) == ([jobs[2], jobs[1]], 3)
    rest = ulazai.get("/api/v1/generate/history/", params={"offset": 2, "limit": "x"}).json()
    assert [one["id"] for one in rest["generations"]] == [jobs[0]]
    theirs = ulazai.get("/api/v1/generate/history/", headers={"Authorization": "Token other"}).json()
    assert theirs["total"] == 0


def test_a_path_without_its_last_slash_is_not_found(ulazai: httpx.Client) -> None:
    assert ulazai.post(PATH.rstrip("/"), json={"prompt": "A cat"}).status_code == 404


def test_the_video_studio_gives_job_ids_and_a_wrapped_status(sim: RunningSimulator, ulazai: httpx.Client) -> None:
    answer = ulazai.post("/api/v1/video-studio/generate/", json={"model_slug": "veo31_fast", "prompt": "A cat"})
    [job] = answer.json()["job_ids"]
    path = f"/api/v1/video-studio/status/{job}/"
    assert ulazai.get(path).json()["job"]["status"] == "pending"
    sim.control.advance(60)
    found = ulazai.get(path).json()
    assert (found["success"], found["job"]["status"], len(found["job"]["result_urls"])) == (True, "completed", 1)


def test_a_failure_in_the_video_studio_is_still_a_success_of_the_call(
    sim: RunningSimulator, ulazai: httpx.Client
) -> None:
    order = {"model_slug": "wan_2_6", "prompt": "[fails]"}
    [job] = ulazai.post("/api/v1/video-studio/generate/", json=order).json()["job_ids"]
    sim.control.advance(60)
    found = ulazai.get(f"/api/v1/video-studio/status/{job}/").json()
    failed = {"job_id": job, "status": "failed", "error_message": "Generation failed", "credits_refunded": True}
    assert found == {"success": True, "job": failed}


def test_orders_are_limited_to_24_an_hour_and_looks_are_not() -> None:
    with RunningSimulator(SimulatorSettings(enforce_limits=True)) as sim, client_of("ulazai", sim) as ulazai:
        job = ordered(ulazai)["generation_id"]
        codes = [ulazai.post(PATH, json={"prompt": "A cat"}).status_code for _ in range(24)]
        assert codes == [200] * 23 + [429]
        assert {ulazai.get(f"/api/v1/generate/{job}/").status_code for _ in range(30)} == {200}
