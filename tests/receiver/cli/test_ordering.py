"""The ordering verbs: what of the command line reaches the server, waiting, and how a wait ends."""

import base64
import json
from pathlib import Path

import pytest

from receiver.cli.pieces import MAX_IMAGE, image_of, params_of
from receiver.cli.trouble import WrongUsage
from tests.receiver.cli.conftest import Run
from tests.support.api_stand_in import JOB_ID, StandIn, completed, job

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 8


def test_every_option_reaches_the_server(server: StandIn, run: Run, folder: Path) -> None:
    server.says("POST", "/v1/jobs", job(), 202)
    (folder / "start.png").write_bytes(PNG)
    url = "https://images.example/2.png"
    line = "submit vrex 'x' --seconds 8 --aspect-ratio 16:9 --model m --idempotency-key k --queue"
    ended = run(
        *line.replace("'x'", "x").split(),
        *("--image", "start.png", "--image", url, "-p", "mode=r2v", "-p", 'list=[1, "a"]', "-p", "on=true"),
        *("--tag", "a", "--tag", "b", "--meta", "client=acme", "--meta", "note=a=b"),
    )
    assert ended.code == 0, ended.err
    assert server.bodies("POST", "/v1/jobs") == [
        {
            "vendor": "vrex",
            "prompt": "x",
            "seconds": 8,
            "aspect_ratio": "16:9",
            "images": [f"data:image/png;base64,{base64.b64encode(PNG).decode()}", url],
            "model": "m",
            "params": {"mode": "r2v", "list": [1, "a"], "on": True},
            "tags": ["a", "b"],
            "metadata": {"client": "acme", "note": "a=b"},
            "idempotency_key": "k",
            "queue": True,
        }
    ]


@pytest.mark.parametrize(
    ("given", "value"),
    [("7", 7), ("7.5", 7.5), ("null", None), ('"7"', "7"), ("veo3", "veo3"), ("", ""), ("NaN", "NaN"), ("{", "{")],
)
def test_a_parameter_is_json_or_plain_text(given: str, value: object) -> None:
    assert params_of([f"x={given}"]) == {"x": value}


@pytest.mark.parametrize(
    ("head", "media_type"),
    [(PNG, "image/png"), (b"\xff\xd8\xff\xe0", "image/jpeg"), (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp")],
)
def test_an_image_is_known_by_its_bytes_not_by_its_name(tmp_path: Path, head: bytes, media_type: str) -> None:
    (tmp_path / "picture.txt").write_bytes(head)
    encoded = base64.b64encode(head).decode()
    assert image_of(str(tmp_path / "picture.txt")) == f"data:{media_type};base64,{encoded}"


@pytest.mark.parametrize("given", ["https://a.example/x.png", "http://a.example/x.png", "data:image/png;base64,AA=="])
def test_an_address_is_left_as_it_is(given: str) -> None:
    assert image_of(given) == given


def test_an_image_that_no_vendor_takes_is_not_even_read(tmp_path: Path) -> None:
    huge = tmp_path / "huge.png"
    with huge.open("wb") as file:
        file.truncate(MAX_IMAGE + 1)
    with pytest.raises(WrongUsage, match="no vendor takes more"):
        image_of(str(huge))


@pytest.mark.parametrize(("state", "code"), [("completed", 0), ("failed", 1), ("rejected", 1), ("abandoned", 1)])
def test_a_wait_ends_as_the_clip_did(server: StandIn, run: Run, state: str, code: int) -> None:
    server.says("POST", "/v1/jobs", job(), 202)
    server.lists["/v1/jobs"] = [completed(state=state)]
    ended = run("submit", "vrex", "a kite", "--wait", "--json")
    assert (ended.code, json.loads(ended.out)["state"]) == (code, state)
    assert ended.err == f"vrex {JOB_ID} {state}\n"


def test_an_order_of_unknown_fate_is_said_to_be_one(server: StandIn, run: Run) -> None:
    server.says("POST", "/v1/jobs", job(state="unknown", vendor_job_id=None), 202)
    ended = run("submit", "vrex", "a kite")
    assert ended.code == 0
    assert ended.err == (
        "Whether vrex has this order is not known; it is not sent again by itself. Look there, then:\n"
        f"  clipbell job {JOB_ID} --resolve sent VENDOR_JOB_ID\n"
        f"  clipbell job {JOB_ID} --resolve not-sent\n"
    )


def test_an_expected_job_prints_its_address_and_nothing_else(server: StandIn, run: Run) -> None:
    server.says("POST", "/v1/jobs/expect", job(callback_url="https://hooks.example/callbacks/vrex/t"), 202)
    ended = run("expect", "vrex", "--tag", "t")
    assert (ended.code, ended.out) == (0, "https://hooks.example/callbacks/vrex/t\n")
    assert server.bodies("POST", "/v1/jobs/expect") == [{"vendor": "vrex", "tags": ["t"]}]


def test_adopting_passes_on_what_one_knows(server: StandIn, run: Run) -> None:
    server.says("POST", "/v1/jobs/adopt", job(), 202)
    assert run("adopt", "vrex", "vg_1", "--prompt", "a kite", "--meta", "a=b").code == 0
    known = {"vendor": "vrex", "vendor_job_id": "vg_1", "prompt": "a kite", "metadata": {"a": "b"}}
    assert server.bodies("POST", "/v1/jobs/adopt") == [known]
