"""The simulated Artnex against its page."""

from typing import Any

import httpx
import pytest

from receiver.simulator import RunningSimulator

URL = "https://cdn.example.com/start.jpg"


def posted(artnex: httpx.Client, **fields: Any) -> httpx.Response:
    return artnex.post("/video", json={"prompt": "A drone", "model": "veo3-fast", **fields})


def ordered(artnex: httpx.Client, **fields: Any) -> str:
    answer = posted(artnex, **fields)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["request_id"])


def test_an_order_is_pending_and_nothing_is_taken_until_it_completes(
    sim: RunningSimulator, artnex: httpx.Client
) -> None:
    answer = posted(artnex).json()
    assert (answer["status"], "video_url" in answer) == ("pending", False)
    assert sim.control.books()["artnex"]["test-key"]["charged"] == "0"
    sim.control.advance(240)
    done = artnex.get(f"/video/{answer['request_id']}").json()
    assert (done["status"], done["credits_used"]) == ("completed", 2000)
    assert artnex.get(done["video_url"]).status_code == 200
    assert sim.control.books()["artnex"]["test-key"]["charged"] == "2000"


def test_a_failed_job_has_the_status_error_and_costs_nothing(sim: RunningSimulator, artnex: httpx.Client) -> None:
    job = ordered(artnex, prompt="[fails]")
    sim.control.advance(240)
    failed = artnex.get(f"/video/{job}").json()
    assert failed["status"] == "error"
    assert (failed["error"], "video_url" in failed) == ("generation_failed", False)
    assert sim.control.books()["artnex"]["test-key"]["net"] == "0"


def test_in_between_it_is_processing_at_both_paths(sim: RunningSimulator, artnex: httpx.Client) -> None:
    job = ordered(artnex)
    sim.control.advance(25)
    found = [artnex.get(path).json()["status"] for path in (f"/video/{job}", f"/video/status/{job}")]
    assert found == ["processing", "processing"]


@pytest.mark.parametrize(
    ("model", "price", "seconds", "image"),
    [
        ("veo3.1", 3000, 8, False),
        ("veo3-fast", 2000, 4, False),
        ("sora-2", 3500, 12, False),
        ("sora-2-pro", 6000, 8, False),
        ("kling-v2.5-turbo-pro", 1500, 10, False),
        ("kling-v2.6-pro", 5500, 16, False),
        ("wan-2.5", 3500, 5, False),
        ("seedance-v1.5-pro-t2v", 2600, 7, False),
        ("veo3.1-i2v", 3500, 6, True),
        ("veo3-fast-i2v", 2000, 8, True),
        ("kling-v2.5-turbo-pro-i2v", 1500, 5, True),
        ("wan-2.5-i2v", 1500, 9, True),
        ("seedance-v1.5-pro-i2v", 1500, 12, True),
    ],
)
def test_every_model_costs_what_the_page_says(
    artnex: httpx.Client, model: str, price: int, seconds: int, image: bool
) -> None:
    fields: dict[str, Any] = {"mode": "image-to-video", "image": URL} if image else {}
    answer = posted(artnex, model=model, duration=seconds, **fields)
    assert answer.json()["credits_used"] == price


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"prompt": ""}, 400, "missing_prompt"),
        ({"prompt": None}, 400, "missing_prompt"),
        ({"prompt": "x" * 4001}, 422, "validation_error"),
        ({"model": "veo9"}, 400, "invalid_model"),
        ({"model": None}, 400, "invalid_model"),
        ({"model": "veo3-fast-i2v"}, 400, "invalid_model"),
        ({"mode": "video-to-video"}, 400, "invalid_mode"),
        ({"mode": "image-to-video", "model": "veo3-fast-i2v"}, 400, "missing_image"),
        ({"mode": "image-to-video", "model": "veo3-fast-i2v", "image": "http://x.example/a"}, 400, "missing_image"),
        ({"mode": "image-to-video", "image": URL}, 400, "invalid_model"),
        ({"aspect_ratio": "4:3"}, 422, "validation_error"),
        ({"duration": 5}, 422, "validation_error"),
        ({"duration": "8"}, 422, "validation_error"),
    ],
)
def test_what_the_page_forbids_is_refused(artnex: httpx.Client, fields: dict[str, Any], status: int, code: str) -> None:
    answer = posted(artnex, **fields)
    assert (answer.status_code, answer.json()["error"]) == (status, code)
    assert list(answer.json()) == ["success", "error", "message"]


@pytest.mark.parametrize("image", [URL, "aGVsbG8=", "data:image/png;base64,aGVsbG8="])
def test_an_image_may_be_a_url_or_base64(artnex: httpx.Client, image: str) -> None:
    ordered(artnex, mode="image-to-video", model="wan-2.5-i2v", image=image)


def test_keys_and_credits_are_refused_with_the_pages_codes(sim: RunningSimulator, artnex: httpx.Client) -> None:
    no_key = artnex.get("/video/x", headers={"Authorization": ""})
    assert (no_key.status_code, no_key.json()["error"]) == (401, "invalid_api_key")
    assert artnex.get("/video/x").status_code == 404
    sim.control.account("artnex", "test-key", balance="1999")
    poor = posted(artnex)
    assert (poor.status_code, poor.json()["error"]) == (402, "insufficient_credits")
