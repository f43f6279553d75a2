"""The ways on which clips and money are usually lost: crashes, lost answers, floods, lies. The real program."""

import hashlib
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from receiver.simulator import RunningSimulator
from tests.support.faults import command, control, plant
from tests.support.http_server import Reply, Server
from tests.support.program import Program


def vendor_jobs(vendors: RunningSimulator) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = control(vendors, "jobs")["jobs"]
    return found


def callback_path(clipbell: Program, vendors: RunningSimulator) -> str:
    (job,) = vendor_jobs(vendors)
    return clipbell.callback_path(job["callback_url"])


def completed(vendor_job_id: str) -> dict[str, Any]:
    return {
        "event": "video.completed",
        "video_gen_id": vendor_job_id,
        "video_url": "https://127.0.0.1:9/none.mp4",
        "duration_sec": 8,
        "actual_cost_usd": 0.136,
        "timestamp": "2025-01-01T12:01:15.000Z",
    }


def texts(slack: Server, part: str) -> list[str]:
    return [text for seen in slack.seen if part in (text := json.loads(seen.body)["text"])]


def test_a_kill_between_callback_and_delivery_loses_nothing(clipbell: Program, slack: Server) -> None:
    slack.script(Reply(500))
    clipbell.start()
    job = clipbell.settled(clipbell.order()["id"])
    clipbell.kill()
    slack.script(Reply(body=b"ok"))
    clipbell.start()
    clipbell.delivered(job["id"], "slack")
    clipbell.delivered(job["id"], "files")
    events = clipbell.items("/v1/events", job_id=job["id"], type="video.completed")
    assert len(events) == 1


def test_an_order_under_way_when_the_program_dies_becomes_unknown_and_its_callback_settles_it(
    clipbell: Program, vendors: RunningSimulator
) -> None:
    plant(vendors, kind="submit.no_answer", seconds=60)
    plant(vendors, kind="callback.lost")
    clipbell.start()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: _order_and_lose(clipbell))
        clipbell.eventually(lambda: vendor_jobs(vendors), "the vendor to have the order")
        clipbell.kill()
    clipbell.start()
    (job,) = clipbell.items("/v1/jobs")
    clipbell.settled(job["id"], "unknown")
    clipbell.eventually(lambda: vendor_jobs(vendors)[0]["state"] == "completed", "the vendor to finish")
    command(vendors, "callback", job=vendor_jobs(vendors)[0]["id"])
    clipbell.settled(job["id"])
    (vendor_job,) = vendor_jobs(vendors)
    assert vendor_job["submissions"] == 1


def _order_and_lose(clipbell: Program) -> None:
    with pytest.raises(httpx.HTTPError):
        clipbell.order()


def test_a_callback_before_the_submit_answer_settles_the_job(clipbell: Program, vendors: RunningSimulator) -> None:
    plant(vendors, kind="callback.early")
    clipbell.start()
    job = clipbell.settled(clipbell.order()["id"])
    assert len(clipbell.items("/v1/ledger", job_id=job["id"])) == 1
    assert job["submitted_at"] is not None


def test_a_hundred_callbacks_at_once_are_one_event_one_line_and_one_message(
    clipbell: Program, vendors: RunningSimulator, slack: Server
) -> None:
    plant(vendors, kind="callback.lost")
    clipbell.start()
    job = clipbell.order()
    clipbell.eventually(lambda: vendor_jobs(vendors)[0]["state"] == "completed", "the vendor to finish")
    sent = command(vendors, "callback", job=job["vendor_job_id"], times=100)
    assert [each["status"] for each in sent["callbacks"]] == [200] * 100
    clipbell.settled(job["id"])
    clipbell.delivered(job["id"], "slack")
    verdicts = [each["verdict"] for each in clipbell.items("/v1/evidence", job_id=job["id"], kind="callback")]
    assert sorted(verdicts) == ["accepted"] + ["duplicate"] * 99
    assert len(clipbell.items("/v1/events", job_id=job["id"], type="video.completed")) == 1
    assert len(clipbell.items("/v1/ledger", job_id=job["id"])) == 1
    assert len(texts(slack, "A coast")) == 1


@pytest.mark.parametrize(
    "fault", ["submit.no_answer", "submit.cut_answer", "submit.garbage_answer", "submit.no_id", "submit.500_after"]
)
def test_a_lost_answer_is_never_posted_again_and_the_callback_settles_it(
    fault: str, clipbell: Program, vendors: RunningSimulator
) -> None:
    plant(vendors, kind=fault)
    plant(vendors, kind="callback.late", seconds=1)
    clipbell.start()
    job = clipbell.order()
    assert job["state"] == "unknown"
    assert [alert["code"] for alert in clipbell.items("/v1/alerts")] == ["job.unknown"]
    clipbell.settled(job["id"])
    assert [vendor_job["submissions"] for vendor_job in vendor_jobs(vendors)] == [1]
    assert clipbell.items("/v1/alerts") == []
    lines = clipbell.items("/v1/ledger", job_id=job["id"])
    assert [line["amount"]["amount"] for line in lines] == ["0.136"]


def test_slack_is_told_again_after_a_500(clipbell: Program, slack: Server) -> None:
    slack.script(Reply(500), Reply(body=b"ok"))
    clipbell.start()
    job = clipbell.settled(clipbell.order()["id"])
    (delivery,) = clipbell.delivered(job["id"], "slack")
    assert [attempt["outcome"] for attempt in delivery["attempts"]] == ["later", "done"]
    assert 3.9 < slack.seen[1].at - slack.seen[0].at < 8


def test_slacks_retry_after_goes_before_the_schedule(clipbell: Program, slack: Server) -> None:
    slack.script(Reply(429, headers={"Retry-After": "2"}), Reply(body=b"ok"))
    clipbell.start()
    job = clipbell.settled(clipbell.order()["id"])
    clipbell.delivered(job["id"], "slack")
    assert 2 <= slack.seen[1].at - slack.seen[0].at < 3.9


def test_a_wrong_token_is_404_leaves_nothing_and_its_body_is_never_read(
    clipbell: Program, vendors: RunningSimulator
) -> None:
    plant(vendors, kind="job.stuck")
    clipbell.start()
    clipbell.order()
    path = callback_path(clipbell, vendors)
    before = clipbell.items("/v1/evidence")
    spoiled = [
        path[:-1] + ("A" if path[-1] != "A" else "B"),
        path[:-1],
        path + "=",
        path.replace("/callbacks/vrex/", "/callbacks/aivideoapi/"),
        path.replace("/callbacks/vrex/job_", "/callbacks/vrex/jab_"),
        path.replace(".", "%2e"),
        "/callbacks/vrex/",
        "/callbacks/nobody/x.y",
    ]
    answers = [httpx.post(clipbell.url + each, content=b"{}", trust_env=False, verify=False) for each in spoiled]
    assert [answer.status_code for answer in answers] == [404] * len(spoiled)
    assert len({answer.content for answer in answers}) == 1
    assert clipbell.items("/v1/evidence") == before
    assert b" 404 " in _headers_only(clipbell.port, spoiled[0])
    # the control: with the right token the body is waited for
    assert _headers_only(clipbell.port, path) == b""


def _headers_only(port: int, path: str) -> bytes:
    """Promise a body and send none; answer what comes within a second."""
    with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
        connection.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n".encode())
        try:
            return connection.recv(4096)
        except TimeoutError:
            return b""


def test_a_body_of_300_kib_is_413_and_the_vendor_is_asked(clipbell: Program, vendors: RunningSimulator) -> None:
    plant(vendors, kind="callback.lost")
    clipbell.start()
    job = clipbell.order()
    clipbell.eventually(lambda: vendor_jobs(vendors)[0]["state"] == "completed", "the vendor to finish")
    body = b"[" + b" " * 300 * 1024 + b"]"
    answer = httpx.post(clipbell.url + callback_path(clipbell, vendors), content=body, trust_env=False, verify=False)
    assert answer.status_code == 413
    assert clipbell.settled(job["id"])["settled_by"] == "poll"


HOSTILE = [
    b"",
    b"not json",
    b"\xff\xfe{\x00}\x00",
    b"[" * 5000 + b"]" * 5000,
    b'{"event": NaN}',
    b'{"event": "video.completed", "event": "video.failed"}',
    b'{"event": "\\ud800"}',
    b'{"n": ' + b"9" * 5000 + b"}",
    b'{"event": null}',
    b'"video.completed"',
    b"\x1f\x8b\x08\x00gzip",
    b'{"event": {"$gt": ""}, "video_gen_id": ["x"]}',
]


def test_hostile_bodies_are_answered_200_kept_byte_for_byte_and_harm_nothing(
    clipbell: Program, vendors: RunningSimulator
) -> None:
    plant(vendors, kind="job.stuck")
    clipbell.start()
    job = clipbell.order()
    path = callback_path(clipbell, vendors)
    for body in HOSTILE:
        answer = httpx.post(clipbell.url + path, content=body, trust_env=False, verify=False)
        assert answer.status_code == 200, body[:60]
        evidence_id = answer.headers["clipbell-accepted"]
        kept = clipbell.client.get(f"/v1/evidence/{evidence_id}/body")
        assert kept.content == body
        row = clipbell.get(f"/v1/evidence/{evidence_id}")
        assert row["verdict"] == "unreadable", body[:60]
        assert row["sha256"] == hashlib.sha256(body).hexdigest()
    assert clipbell.job(job["id"])["state"] == "running"
    answer = httpx.post(clipbell.url + path, json=completed(job["vendor_job_id"]), trust_env=False, verify=False)
    assert answer.status_code == 200
    clipbell.settled(job["id"])


def test_a_number_of_64_bits_does_not_cost_us_a_clip(clipbell: Program, vendors: RunningSimulator) -> None:
    plant(vendors, kind="job.stuck")
    clipbell.handlers["books"] = {"type": "ledger"}
    clipbell.start()
    job = clipbell.order()
    said = {**completed(job["vendor_job_id"]), "seeds": [2**64 - 1, -(2**63)], "duration_sec": 2**64 - 1}
    path = callback_path(clipbell, vendors)
    assert httpx.post(clipbell.url + path, json=said, trust_env=False, verify=False).status_code == 200
    (event_id,) = clipbell.settled(job["id"])["event_ids"][:1]
    assert clipbell.get(f"/v1/events/{event_id}")["raw"] == said
    clipbell.delivered(job["id"], "books")


def test_a_callback_with_another_jobs_id_or_an_unknown_word_changes_nothing(
    clipbell: Program, vendors: RunningSimulator
) -> None:
    plant(vendors, kind="job.stuck", times=2)
    clipbell.start()
    first, second = clipbell.order(prompt="One"), clipbell.order(prompt="Two")
    (mine,) = [each for each in vendor_jobs(vendors) if each["id"] == first["vendor_job_id"]]
    path = clipbell.callback_path(mine["callback_url"])
    bodies = [completed(second["vendor_job_id"]), {**completed(first["vendor_job_id"]), "event": "video.dreaming"}]
    for body in bodies:
        assert httpx.post(clipbell.url + path, json=body, trust_env=False, verify=False).status_code == 200
    verdicts = [each["verdict"] for each in clipbell.items("/v1/evidence", job_id=first["id"], kind="callback")]
    assert verdicts == ["unknown_word", "mismatch"]
    clipbell.eventually(lambda: vendor_jobs(vendors)[0]["looks"], "the vendor to be asked")
    assert {clipbell.job(each["id"])["state"] for each in (first, second)} == {"running"}
    assert clipbell.items("/v1/events") == []


def test_a_callback_against_the_verdict_is_kept_and_changes_nothing(
    clipbell: Program, vendors: RunningSimulator
) -> None:
    clipbell.start()
    job = clipbell.settled(clipbell.order()["id"])
    failed = {"event": "video.failed", "video_gen_id": job["vendor_job_id"], "error": "no", "timestamp": None}
    path = callback_path(clipbell, vendors)
    assert httpx.post(clipbell.url + path, json=failed, trust_env=False, verify=False).status_code == 200
    verdicts = [each["verdict"] for each in clipbell.items("/v1/evidence", job_id=job["id"], kind="callback")]
    assert verdicts == ["contradiction", "accepted"]
    assert clipbell.job(job["id"])["state"] == "completed"


def test_a_lost_callback_is_made_up_for_by_a_look(clipbell: Program, vendors: RunningSimulator) -> None:
    plant(vendors, kind="callback.lost")
    clipbell.account_options["vrex"] = {"poll_after": "1s", "poll_every": "1s"}
    clipbell.start()
    job = clipbell.settled(clipbell.order()["id"])
    assert job["settled_by"] == "poll"
    (told,) = clipbell.items("/v1/events", job_id=job["id"], type="video.completed")
    assert (told["source"], told["trust"]) == ("poll", "polled")


def test_a_hanging_handler_delays_no_other(clipbell: Program, slack: Server) -> None:
    slack.script(Reply(silent=True))
    clipbell.start()
    job = clipbell.settled(clipbell.order()["id"])
    began = time.monotonic()
    clipbell.delivered(job["id"], "files")
    clipbell.delivered(job["id"], "books")
    assert time.monotonic() - began < 5


def test_a_repeated_key_gets_the_first_job_and_pays_once(clipbell: Program, vendors: RunningSimulator) -> None:
    clipbell.start()
    with ThreadPoolExecutor(8) as pool:
        placed = list(pool.map(lambda _: clipbell.order(idempotency_key="k1"), range(20)))
    assert len({job["id"] for job in placed}) == 1
    assert [each["submissions"] for each in vendor_jobs(vendors)] == [1]
    other = clipbell.client.post("/v1/jobs", json={"vendor": "vrex", "prompt": "Else", "idempotency_key": "k1"})
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_mismatch")
