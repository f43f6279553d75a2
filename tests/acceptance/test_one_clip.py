"""One clip, end to end: ordered, arrived, saved, told, paid once; with both vendors that call back."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from receiver.simulator import RunningSimulator
from tests.support.faults import plant
from tests.support.http_server import Server
from tests.support.program import Program

COSTS = {"vrex": {"amount": "0.136", "unit": "USD"}, "aivideoapi": {"amount": "40", "unit": "credits"}}
MODELS = {"vrex": "veo-3.1-lite", "aivideoapi": "veo-3"}


def texts(slack: Server) -> list[str]:
    return [json.loads(seen.body)["text"] for seen in slack.seen]


@pytest.mark.parametrize("vendor", ["vrex", "aivideoapi"])
def test_a_clip_arrives_is_saved_told_and_paid_once(
    vendor: str, clipbell: Program, slack: Server, tmp_path: Path
) -> None:
    clipbell.start()
    placed = clipbell.order(vendor, tags=["spring"], metadata={"client": "acme"})
    assert (placed["state"], placed["callback"], placed["estimate"]) == ("running", True, COSTS[vendor])

    job = clipbell.settled(placed["id"])
    assert (job["settled_by"], job["cost"], job["model"]) == ("callback", COSTS[vendor], MODELS[vendor])

    for handler in ("files", "slack", "books"):
        clipbell.delivered(job["id"], handler)
    saved = tmp_path / "clips" / vendor / f"{job['id']}-1.mp4"
    assert saved.read_bytes()[4:8] == b"ftyp"
    assert len([text for text in texts(slack) if "A coast" in text]) == 1

    events = clipbell.items("/v1/events", job_id=job["id"])
    assert sorted(event["type"] for event in events) == ["clip.saved", "video.completed"]
    lines = clipbell.items("/v1/ledger", job_id=job["id"])
    assert [(line["kind"], line["amount"]) for line in lines] == [("charge", COSTS[vendor])]
    assert _told(clipbell, job["id"])["tags"] == ["spring"]


def test_the_event_has_the_contracts_shape(clipbell: Program) -> None:
    clipbell.start()
    job = clipbell.settled(clipbell.order(metadata={"client": "acme"}, tags=["t"])["id"])
    event = _told(clipbell, job["id"])
    assert (
        list(event)
        == (
            "id version type vendor account job_id vendor_job_id occurred_at received_at source trust prompt model "
            "duration_seconds resolution videos cost failure tags metadata batch detail raw"
        ).split()
    )
    assert (event["version"], event["source"], event["trust"]) == (1, "callback", "token")
    assert (event["duration_seconds"], event["resolution"], event["detail"]) == (8, None, None)
    assert event["raw"]["video_gen_id"] == job["vendor_job_id"]
    assert event["videos"] == job["videos"]
    assert event["videos"][0]["expires_at"] is not None


def test_the_ledger_file_holds_the_clip_for_people(clipbell: Program, tmp_path: Path) -> None:
    clipbell.start()
    job = clipbell.settled(clipbell.order()["id"])
    clipbell.delivered(job["id"], "books")
    with sqlite3.connect(tmp_path / "ledger.db") as file:
        ((amount,),) = file.execute("select sum(cast(amount as real)) from ledger").fetchall()
    assert amount == pytest.approx(0.136)


def test_a_clip_that_fails_is_confirmed_told_and_refunded(
    clipbell: Program, vendors: RunningSimulator, slack: Server
) -> None:
    clipbell.start()
    plant(vendors, kind="job.fails")
    job = clipbell.settled(clipbell.order()["id"], "failed")
    assert (job["cost"], job["videos"]) == (None, [])
    assert job["failure"]["refunded"] is True
    event = _told(clipbell, job["id"])
    assert (event["type"], event["source"], event["trust"]) == ("video.failed", "callback", "confirmed")
    lines = clipbell.items("/v1/ledger", job_id=job["id"])
    assert [line["amount"]["amount"] for line in lines] == ["-0.136", "0.136"]
    clipbell.delivered(job["id"], "slack")
    assert "refund" in json.dumps(json.loads(slack.seen[-1].body)).lower()


def test_sigterm_ends_it_with_zero(clipbell: Program) -> None:
    clipbell.start()
    clipbell.order()
    assert clipbell.stop() == 0


def test_a_raw_key_is_never_downloaded(clipbell: Program) -> None:
    clipbell.start()
    job = clipbell.settled(clipbell.order(params={"output_format": "raw_key"})["id"])
    (delivery,) = clipbell.delivered(job["id"], "files")
    assert "nothing to download" in delivery["attempts"][-1]["answer"]
    assert clipbell.items("/v1/clips") == []


def _told(clipbell: Program, job_id: str) -> dict[str, Any]:
    (told,) = [e for e in clipbell.items("/v1/events", job_id=job_id) if e["type"].startswith("video.")]
    return told
