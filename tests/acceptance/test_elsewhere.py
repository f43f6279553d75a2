"""Orders placed elsewhere become durable: adopted by the vendor's id, or expected at a one-time callback URL."""

import json
from typing import Any

import httpx
import pytest

from receiver.simulator import RunningSimulator
from tests.support.faults import command, control, plant
from tests.support.program import Program

KEY = "sk-" + "k" * 32
VEO_KEY = "veo3_" + "k" * 32
BEARER = {"authorization": f"Bearer {KEY}"}
#: vendor -> what another program sends to it: path, headers, body; and where the id is in the answer
ELSEWHERE: dict[str, tuple[str, dict[str, str], dict[str, Any], tuple[str | int, ...]]] = {
    "vrex": ("/videos", BEARER, {"prompt": "A coast", "seconds": 8}, ("id",)),
    "ulazai": (
        "/api/v1/generate/video/",
        BEARER,
        {"prompt": "A coast", "video_model": "veo3_fast"},
        ("data", "generation_id"),
    ),
    "artnex": ("/video", BEARER, {"prompt": "A coast", "model": "veo3-fast"}, ("request_id",)),
    "veo3gen": ("/api/veo/text-to-video", {"x-api-key": VEO_KEY}, {"prompt": "A coast"}, ("taskId",)),
    "aivideoapi": (
        "/v1/videos/generations",
        BEARER,
        {"model": "veo-3", "input": {"prompt": "A coast"}},
        ("data", "taskId"),
    ),
}
CALLBACK_FIELD = {"vrex": "webhook_url", "aivideoapi": "callback_url"}


@pytest.fixture
def bell(clipbell: Program) -> Program:
    """The program with the keys of the other program, looking often."""
    for vendor in ELSEWHERE:
        key = VEO_KEY if vendor == "veo3gen" else KEY
        clipbell.account_options[vendor] = {"poll_after": "1s", "poll_every": "1s", "api_key": key}
    return clipbell


def ordered_elsewhere(vendors: RunningSimulator, vendor: str, **fields: Any) -> str:
    """Order a clip past clipbell, and answer the vendor's id of it."""
    path, headers, body, where = ELSEWHERE[vendor]
    answer = httpx.post(
        vendors.base_urls[vendor] + path, headers=headers, json={**body, **fields}, trust_env=False, verify=False
    )
    assert answer.status_code < 300, answer.text
    found = answer.json()
    for step in where:
        found = found[step]
    assert isinstance(found, str)
    return found


def adopt(bell: Program, vendor: str, vendor_job_id: str, **known: Any) -> httpx.Response:
    body = {"vendor": vendor, "vendor_job_id": vendor_job_id, **known}
    return bell.client.post("/v1/jobs/adopt", json=body)


def expect(bell: Program, vendor: str, **known: Any) -> dict[str, Any]:
    answer = bell.client.post("/v1/jobs/expect", json={"vendor": vendor, **known})
    assert answer.status_code == 202, answer.text
    found: dict[str, Any] = answer.json()
    return found


# --- adopted -----------------------------------------------------------------------------------------------


def test_an_adopted_job_is_found_saved_and_told_at_every_vendor(bell: Program, vendors: RunningSimulator) -> None:
    bell.start()
    known = {"prompt": "A coast", "tags": ["elsewhere"], "metadata": {"flow": 7}, "batch": "n8n"}
    jobs = {}
    for vendor in ELSEWHERE:
        answer = adopt(bell, vendor, ordered_elsewhere(vendors, vendor), **known)
        assert answer.status_code == 202, answer.text
        jobs[vendor] = answer.json()
    for vendor, adopted in jobs.items():
        job = bell.settled(adopted["id"])
        assert (job["origin"], job["settled_by"], job["prompt"], job["batch"]) == ("adopted", "poll", "A coast", "n8n")
        assert (job["tags"], job["metadata"], job["callback"]) == (["elsewhere"], {"flow": 7}, False)
        bell.delivered(job["id"], "files")
        (event,) = bell.items("/v1/events", job_id=job["id"], type="video.completed")
        assert (event["vendor_job_id"], event["trust"]) == (adopted["vendor_job_id"], "polled")
        (line,) = bell.items("/v1/ledger", job_id=job["id"])
        # a cost that nobody told is unknown, never zero
        assert line["kind"] == ("charge" if line["amount"] else "unknown"), vendor
        assert (line["amount"] is None) is (job["cost"] is None)
    # nothing was ordered by us
    assert all(job["submissions"] == 1 for job in control(vendors, "jobs")["jobs"])


def test_the_same_id_again_answers_the_same_job(bell: Program, vendors: RunningSimulator) -> None:
    bell.start()
    vendor_job_id = ordered_elsewhere(vendors, "vrex")
    first, second = adopt(bell, "vrex", vendor_job_id), adopt(bell, "vrex", vendor_job_id, prompt="Else")
    assert (first.status_code, second.status_code) == (202, 200)
    assert first.json()["id"] == second.json()["id"]
    # an order of our own is as good
    job = bell.order("vrex")
    assert adopt(bell, "vrex", job["vendor_job_id"]).json()["id"] == job["id"]


def test_a_clip_that_was_done_long_ago_can_be_adopted(bell: Program, vendors: RunningSimulator) -> None:
    bell.start()
    vendor_job_id = ordered_elsewhere(vendors, "vrex")
    command(vendors, f"jobs/{vendor_job_id}/finish", state="completed")
    job = bell.settled(adopt(bell, "vrex", vendor_job_id).json()["id"])
    bell.delivered(job["id"], "files")
    assert job["cost"] == {"amount": "0.136", "unit": "USD"}


def test_a_failed_one_can_be_adopted(bell: Program, vendors: RunningSimulator) -> None:
    plant(vendors, kind="job.fails")
    bell.start()
    job = bell.settled(adopt(bell, "vrex", ordered_elsewhere(vendors, "vrex")).json()["id"], "failed")
    assert job["failure"]["refunded"] is True
    assert bell.items("/v1/ledger", job_id=job["id"]) == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "vendor_job_id"),
        ({"vendor_job_id": "../../videos"}, "vendor_job_id"),
        ({"vendor_job_id": "x" * 500}, "vendor_job_id"),
        ({"vendor_job_id": 7}, "vendor_job_id"),
        ({"vendor_job_id": "vg_1", "vendor": "nobody"}, "vendor"),
        ({"vendor_job_id": "vg_1", "queue": True}, "queue"),
        ({"vendor_job_id": "vg_1", "tags": "spring"}, "tags"),
        ({"vendor_job_id": "vg_1", "seconds": 2**64 - 1}, "seconds"),
    ],
)
def test_what_cannot_be_adopted_is_422_with_the_field(idle: Program, body: dict[str, Any], field: str) -> None:
    answer = idle.client.post("/v1/jobs/adopt", json={"vendor": "vrex", **body})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_order"), answer.text
    assert [each["field"] for each in answer.json()["errors"]] == [field]
    assert idle.items("/v1/jobs") == []


# --- expected ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vendor", list(CALLBACK_FIELD))
def test_an_expected_job_takes_the_vendors_id_from_its_callback(
    vendor: str, bell: Program, vendors: RunningSimulator
) -> None:
    bell.start()
    expected = expect(bell, vendor, prompt="A coast", tags=["flow"])
    assert (expected["origin"], expected["vendor_job_id"], expected["callback"]) == ("expected", None, True)
    vendor_job_id = ordered_elsewhere(vendors, vendor, **{CALLBACK_FIELD[vendor]: expected["callback_url"]})
    job = bell.settled(expected["id"])
    assert (job["vendor_job_id"], job["settled_by"], job["tags"]) == (vendor_job_id, "callback", ["flow"])
    bell.delivered(job["id"], "files")
    assert len(bell.items("/v1/ledger", job_id=job["id"])) == 1
    # the address is told once
    assert "callback_url" not in bell.job(job["id"])


def test_a_failure_told_to_an_expected_job_is_confirmed_at_the_vendor(bell: Program, vendors: RunningSimulator) -> None:
    plant(vendors, kind="job.fails")
    bell.start()
    expected = expect(bell, "vrex")
    ordered_elsewhere(vendors, "vrex", webhook_url=expected["callback_url"])
    job = bell.settled(expected["id"], "failed")
    (event,) = bell.items("/v1/events", job_id=job["id"], type="video.failed")
    assert (event["source"], event["trust"]) == ("callback", "confirmed")


def test_an_address_is_worth_one_job(bell: Program, vendors: RunningSimulator) -> None:
    bell.start()
    expected = expect(bell, "vrex")
    first = ordered_elsewhere(vendors, "vrex", webhook_url=expected["callback_url"])
    bell.settled(expected["id"])
    second = ordered_elsewhere(vendors, "vrex", webhook_url=expected["callback_url"], prompt="Another")
    found = bell.eventually(lambda: bell.items("/v1/evidence", verdict="mismatch"), "the second callback")
    assert [each["job_id"] for each in found] == [expected["id"]]
    assert bell.job(expected["id"])["vendor_job_id"] == first != second


def test_a_vendor_without_callbacks_cannot_be_expected(bell: Program) -> None:
    bell.start()
    for vendor in ELSEWHERE.keys() - CALLBACK_FIELD.keys():
        answer = bell.client.post("/v1/jobs/expect", json={"vendor": vendor})
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
        assert "no callbacks" in answer.json()["detail"]
        assert "adopt" in answer.json()["detail"]


def test_what_nobody_told_us_cannot_be_ordered_again(bell: Program) -> None:
    bell.start()
    expected = expect(bell, "vrex")
    answer = bell.client.post(f"/v1/jobs/{expected['id']}/again")
    assert (answer.status_code, answer.json()["errors"]) == (
        422,
        [{"field": "job", "problem": f"what {expected['id']} was ordered with is not known here; place a new order"}],
    )


# --- from the command line ---------------------------------------------------------------------------------


def test_both_from_the_command_line(bell: Program, vendors: RunningSimulator) -> None:
    bell.start()
    expecting = bell.command("expect", "vrex", "--prompt", "A coast", "--tag", "flow")
    assert expecting.returncode == 0, expecting.stderr
    url = expecting.stdout.strip()
    assert url.startswith(f"{bell.url}/callbacks/vrex/")
    expected_id = expecting.stderr.rpartition("job_")
    ordered_elsewhere(vendors, "vrex", webhook_url=url)
    bell.settled("job_" + expected_id[2].strip().rstrip("."))
    adopting = bell.command("adopt", "ulazai", ordered_elsewhere(vendors, "ulazai"), "--model", "veo3_fast", "--json")
    assert adopting.returncode == 0, adopting.stderr
    job = bell.settled(json.loads(adopting.stdout)["id"])
    assert (job["origin"], job["model"]) == ("adopted", "veo3_fast")
    assert [job["submissions"] for job in control(vendors, "jobs")["jobs"]] == [1, 1]
