"""Jobs that others ordered, and lists, asked for in ways that no vendor and no list ever answers."""

import json

from receiver.simulator import RunningSimulator
from tests.support.faults import plant
from tests.support.http_server import Reply, serving
from tests.support.program import Program

NO_IDS = ["../x", "a/b", "..", "", " ", "x" * 129, 7, None, "vg_1?a=b"]


def test_an_id_that_no_vendor_gives_is_not_taken_over(idle: Program) -> None:
    for vendor_job_id in NO_IDS:
        answer = idle.client.post("/v1/jobs/adopt", json={"vendor": "vrex", "vendor_job_id": vendor_job_id})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_order")
        assert [error["field"] for error in answer.json()["errors"]] == ["vendor_job_id"]
    assert idle.items("/v1/jobs") == []


def test_an_id_that_no_vendor_gives_settles_no_unknown_job(clipbell: Program, vendors: RunningSimulator) -> None:
    clipbell.start()
    plant(vendors, kind="submit.no_answer")
    plant(vendors, kind="callback.lost")
    job = clipbell.order()
    assert job["state"] == "unknown"
    for vendor_job_id in NO_IDS:
        word = json.dumps({"resolution": "sent", "vendor_job_id": vendor_job_id})
        assert clipbell.client.post(f"/v1/jobs/{job['id']}/resolve", content=word).status_code == 422
    assert clipbell.job(job["id"])["state"] == "unknown"


def test_an_order_answered_with_the_id_of_another_job_is_in_doubt_and_not_refused(clipbell: Program) -> None:
    taken = Reply(202, json.dumps({"id": "vg_1", "status": "queued", "estimated_cost_usd": 0.136}).encode())
    with serving(taken) as vendor:
        clipbell.account_options["vrex"] = {"base_url": vendor.url}
        clipbell.start()
        assert clipbell.order(prompt="first")["state"] == "running"
        answer = clipbell.client.post("/v1/jobs", json={"vendor": "vrex", "prompt": "second"})
        assert (answer.status_code, answer.json()["state"]) == (202, "unknown")
        assert [alert["code"] for alert in clipbell.items("/v1/alerts")] == ["job.unknown"]
        clipbell.stop()


def test_ordering_again_with_one_key_orders_once(clipbell: Program) -> None:
    clipbell.start()
    path = f"/v1/jobs/{clipbell.order()['id']}/again"
    first, second = (clipbell.client.post(path, headers={"Idempotency-Key": "k"}) for _ in range(2))
    assert (first.status_code, second.status_code) == (202, 200)
    assert first.json()["id"] == second.json()["id"]
    assert clipbell.client.post(path).json()["id"] != first.json()["id"]


def test_a_cursor_of_nobody_is_refused_and_does_not_start_the_list_again(clipbell: Program) -> None:
    clipbell.start()
    for number in range(3):
        clipbell.client.post("/v1/jobs/adopt", json={"vendor": "vrex", "vendor_job_id": f"vg_{number}"})
    page = clipbell.get("/v1/jobs", limit=2)
    assert len(clipbell.get("/v1/jobs", cursor=page["next"])["items"]) == 1
    answer = clipbell.client.get("/v1/jobs", params={"cursor": "zzz"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "cursor")
