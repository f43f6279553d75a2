"""Looking: vendors without callbacks, calls that are limited, accounts that refuse us, answers and callbacks lost.

The real program and the simulated vendors, over real sockets.
"""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from receiver.simulator import RunningSimulator, SimulatorSettings
from tests.support.faults import command, control, plant
from tests.support.http_server import Reply, Seen, Server, closed_port, serving
from tests.support.program import Program

QUICK = {"poll_after": "0.3s", "poll_every": "0.5s"}
POLLED: dict[str, dict[str, Any]] = {
    "ulazai": {"order_limits": ["1000/minute"]},
    "artnex": {},
    "veo3gen": {"api_key": "veo3_" + "x" * 32, "max_open": 1000},
}
ORDERS: dict[str, dict[str, Any]] = {"artnex": {"model": "veo3-fast"}}
PRICES = {"ulazai": "240", "artnex": "2000", "veo3gen": "190", "vrex": "0.136", "aivideoapi": "40"}


def with_polled(clipbell: Program, *names: str, **options: Any) -> None:
    for name in names or tuple(POLLED):
        clipbell.account_options[name] = {**POLLED[name], **QUICK, **options}


def vendor_jobs(vendors: RunningSimulator) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = control(vendors, "jobs")["jobs"]
    return found


def calls(vendors: RunningSimulator, vendor: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = httpx.get(
        f"{vendors.url}/control/requests", params={"vendor": vendor}, trust_env=False, verify=False
    ).json()["requests"]
    return found


def standing(clipbell: Program) -> list[tuple[str, str]]:
    return sorted((alert["code"], alert["subject"]) for alert in clipbell.items("/v1/alerts"))


def order_elsewhere(vendors: RunningSimulator, prompt: str) -> str:
    """Order at veo3gen past clipbell, with the same key; answer the vendor's id."""
    key = str(POLLED["veo3gen"]["api_key"])
    url = f"{vendors.base_urls['veo3gen']}/api/veo/text-to-video"
    answer = httpx.post(url, json={"prompt": prompt}, headers={"x-api-key": key}, trust_env=False, verify=False)
    found: str = answer.json()["taskId"]
    return found


# --- looking alone ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("vendor", list(POLLED))
def test_a_clip_of_a_vendor_without_callbacks_is_found_saved_and_paid_once(
    vendor: str, clipbell: Program, tmp_path: Path
) -> None:
    with_polled(clipbell, vendor)
    clipbell.start()
    placed = clipbell.order(vendor, **ORDERS.get(vendor, {}))
    assert (placed["state"], placed["callback"]) == ("running", False)
    job = clipbell.settled(placed["id"])
    assert (job["settled_by"], job["cost"]["amount"]) == ("poll", PRICES[vendor])
    clipbell.delivered(job["id"], "files")
    assert (tmp_path / "clips" / vendor / f"{job['id']}-1.mp4").read_bytes()[4:8] == b"ftyp"
    lines = clipbell.items("/v1/ledger", job_id=job["id"])
    assert [(line["kind"], line["amount"]["amount"]) for line in lines] == [("charge", PRICES[vendor])]


@pytest.mark.parametrize("vendor", list(POLLED))
def test_a_clip_that_fails_at_a_vendor_without_callbacks_costs_nothing(
    vendor: str, clipbell: Program, vendors: RunningSimulator
) -> None:
    plant(vendors, kind="job.fails")
    with_polled(clipbell, vendor)
    clipbell.start()
    job = clipbell.settled(clipbell.order(vendor, **ORDERS.get(vendor, {}))["id"], "failed")
    assert (job["settled_by"], job["cost"]) == ("poll", None)
    (sums,) = clipbell.get("/v1/ledger/summary", by="vendor")["items"] or [{"total": "0"}]
    assert float(sums["total"]) == 0


def test_without_a_public_url_every_vendor_works_by_looking_alone(clipbell: Program, vendors: RunningSimulator) -> None:
    clipbell.public_url = None
    with_polled(clipbell)
    clipbell.account_options |= {"vrex": dict(QUICK), "aivideoapi": dict(QUICK)}
    clipbell.start()
    placed = [clipbell.order(vendor, **ORDERS.get(vendor, {})) for vendor in PRICES]
    for job in placed:
        assert job["callback"] is False
        assert clipbell.settled(job["id"])["settled_by"] == "poll"
        clipbell.delivered(job["id"], "files")
    assert all(job["callback_url"] is None for job in vendor_jobs(vendors))
    assert standing(clipbell) == []


# --- limits ----------------------------------------------------------------------------------------------


@pytest.fixture
def strict() -> Iterator[RunningSimulator]:
    """Simulated vendors that hold their limits."""
    with RunningSimulator(SimulatorSettings(duration=0.3, enforce_limits=True)) as simulator:
        yield simulator


class TestWithLimits:
    """At vendors that hold their limits."""

    @pytest.fixture
    def vendors(self, strict: RunningSimulator) -> RunningSimulator:
        return strict

    def test_looks_keep_to_the_limit_and_leave_room_for_orders(
        self, clipbell: Program, vendors: RunningSimulator
    ) -> None:
        plant(vendors, kind="job.stuck", times=None)
        clipbell.account_options["vrex"] = {**QUICK, "limits": ["10/minute"]}
        clipbell.public_url = None
        clipbell.start()
        for number in range(4):
            clipbell.order(prompt=f"Stuck {number}")
        clipbell.eventually(lambda: len(calls(vendors, "vrex")) >= 7, "looks to use up their part")
        time.sleep(3)
        for number in range(3):
            clipbell.order(prompt=f"More {number}")
        made = calls(vendors, "vrex")
        assert len(made) == 10
        assert {call["status"] for call in made} == {200, 202}

    def test_a_vendor_that_says_wait_is_left_alone_by_all_jobs(
        self, clipbell: Program, vendors: RunningSimulator
    ) -> None:
        plant(vendors, kind="job.stuck", times=None)
        with_polled(clipbell, "veo3gen", limits=["100000/minute"])
        clipbell.start()
        for number in range(5):
            clipbell.order("veo3gen", prompt=f"Stuck {number}")
        plant(vendors, kind="look.429", vendor="veo3gen", retry_after=5)
        told = clipbell.eventually(
            lambda: [call for call in calls(vendors, "veo3gen") if call["status"] == 429], "the vendor to say wait"
        )
        before = len(calls(vendors, "veo3gen"))
        time.sleep(3)
        # what was under way at that moment is no sign of impatience
        assert len(calls(vendors, "veo3gen")) - before <= 4
        clipbell.eventually(lambda: len(calls(vendors, "veo3gen")) > before + 5, "looks to go on")
        assert len(told) == 1


def test_no_more_jobs_are_open_at_a_vendor_than_it_takes(clipbell: Program, vendors: RunningSimulator) -> None:
    plant(vendors, kind="job.stuck", times=2)
    with_polled(clipbell, "veo3gen", max_open=2)
    clipbell.start()
    for number in range(2):
        clipbell.order("veo3gen", prompt=f"Stuck {number}")
    queued = clipbell.order("veo3gen", prompt="Queued", queue=True)
    time.sleep(1.5)
    assert clipbell.job(queued["id"])["state"] == "queued"
    command(vendors, f"jobs/{vendor_jobs(vendors)[0]['id']}/finish", state="completed")
    clipbell.settled(queued["id"])


# --- accounts that refuse us -------------------------------------------------------------------------------


def test_a_key_that_is_refused_stops_its_account_with_one_alert_and_few_calls(
    clipbell: Program, vendors: RunningSimulator
) -> None:
    plant(vendors, kind="job.stuck", times=5)
    with_polled(clipbell, "ulazai")
    clipbell.start()
    jobs = [clipbell.order("ulazai", prompt=f"Stuck {number}") for number in range(5)]
    command(vendors, "accounts", vendor="ulazai", key="sk-" + "x" * 32, bad=True)
    clipbell.eventually(lambda: standing(clipbell) == [("account.stopped", "ulazai")], "the alert")
    time.sleep(0.5)
    before = len(calls(vendors, "ulazai"))
    queued = clipbell.order("ulazai", prompt="Queued", queue=True)
    time.sleep(3)
    assert len(calls(vendors, "ulazai")) == before
    assert {clipbell.job(job["id"])["state"] for job in jobs} == {"running"}
    assert clipbell.job(queued["id"])["state"] == "queued"
    answers = [clipbell.client.post("/v1/jobs", json={"vendor": "ulazai", "prompt": f"By hand {n}"}) for n in range(4)]
    assert [answer.status_code for answer in answers] == [400, 400, 429, 429]
    assert "refuses our calls" in answers[2].json()["detail"]
    assert len(calls(vendors, "ulazai")) == before + 2
    assert len(clipbell.items("/v1/events", type="alert.raised")) == 1


def test_an_account_that_answers_again_goes_on_at_once(clipbell: Program, vendors: RunningSimulator) -> None:
    plant(vendors, kind="job.slow", factor=10.0)
    with_polled(clipbell, "ulazai")
    clipbell.start()
    job = clipbell.order("ulazai")
    plant(vendors, kind="look.401", vendor="ulazai")
    clipbell.eventually(lambda: standing(clipbell) == [("account.stopped", "ulazai")], "the alert")
    clipbell.order("ulazai", prompt="The key works again")
    assert clipbell.settled(job["id"])["settled_by"] == "poll"
    assert standing(clipbell) == []


def test_a_spending_limit_holds_back_orders_and_no_looks(clipbell: Program, vendors: RunningSimulator) -> None:
    plant(vendors, kind="submit.429", vendor="aivideoapi", code="spend_limit_exceeded", prompt="Two")
    plant(vendors, kind="callback.lost", times=None)
    clipbell.account_options["aivideoapi"] = dict(QUICK)
    clipbell.start()
    first = clipbell.order("aivideoapi", prompt="One")
    second = clipbell.order("aivideoapi", prompt="Two", queue=True)
    clipbell.eventually(lambda: ("account.stopped", "aivideoapi") in standing(clipbell), "the alert")
    clipbell.settled(first["id"])
    assert clipbell.job(second["id"])["state"] == "queued"


# --- lost answers ------------------------------------------------------------------------------------------


def test_an_order_whose_answer_was_lost_is_found_in_the_vendors_history(
    clipbell: Program, vendors: RunningSimulator
) -> None:
    plant(vendors, kind="submit.no_answer")
    with_polled(clipbell, "veo3gen")
    clipbell.start()
    job = clipbell.order("veo3gen")
    assert (job["state"], standing(clipbell)) == ("unknown", [("job.unknown", job["id"])])
    job = clipbell.settled(job["id"])
    assert job["cost"] == {"amount": "190", "unit": "credits"}
    assert len(clipbell.items("/v1/evidence", job_id=job["id"], kind="history")) == 1
    assert [each["submissions"] for each in vendor_jobs(vendors)] == [1]
    assert standing(clipbell) == []


def test_two_of_the_same_orders_lost_are_both_found(clipbell: Program, vendors: RunningSimulator) -> None:
    plant(vendors, kind="submit.no_answer", times=2)
    with_polled(clipbell, "veo3gen")
    clipbell.start()
    jobs = [clipbell.order("veo3gen", prompt="Twice") for _ in range(2)]
    found = {clipbell.settled(job["id"])["vendor_job_id"] for job in jobs}
    assert found == {each["id"] for each in vendor_jobs(vendors)}


def test_an_order_that_may_be_several_stays_unknown_and_says_so(clipbell: Program, vendors: RunningSimulator) -> None:
    plant(vendors, kind="submit.no_answer", prompt="A coast")
    with_polled(clipbell, "veo3gen")
    clipbell.start()
    job = clipbell.order("veo3gen")
    other = order_elsewhere(vendors, "A coast")

    def doubtful() -> dict[str, Any] | None:
        found = clipbell.job(job["id"])
        return found if found["failure"] else None

    unknown = clipbell.eventually(doubtful, "the doubt")
    assert (unknown["state"], unknown["failure"]["code"]) == ("unknown", "ambiguous")
    assert other in unknown["failure"]["message"]
    mine = next(each["id"] for each in vendor_jobs(vendors) if each["id"] != other)
    word = {"resolution": "sent", "vendor_job_id": mine}
    assert clipbell.client.post(f"/v1/jobs/{job['id']}/resolve", json=word).status_code == 200
    assert clipbell.settled(job["id"])["failure"] is None


def test_an_order_that_is_nowhere_stays_unknown_with_the_commands_for_a_person(
    clipbell: Program, vendors: RunningSimulator
) -> None:
    plant(vendors, kind="submit.500", vendor="veo3gen")
    with_polled(clipbell, "veo3gen")
    clipbell.start()
    job = clipbell.order("veo3gen")
    clipbell.eventually(lambda: [each for each in calls(vendors, "veo3gen") if "history" in each["path"]], "a search")
    time.sleep(1)
    (alert,) = clipbell.items("/v1/alerts")
    assert (clipbell.job(job["id"])["state"], alert["code"]) == ("unknown", "job.unknown")
    assert f"clipbell job {job['id']} --resolve sent VENDOR_JOB_ID" in alert["next_step"]
    assert len([call for call in calls(vendors, "veo3gen") if call["method"] == "POST"]) == 1


# --- lost callbacks ----------------------------------------------------------------------------------------


def test_callbacks_that_keep_not_coming_are_told_and_made_up_for_by_sooner_looks(
    clipbell: Program, vendors: RunningSimulator
) -> None:
    plant(vendors, kind="callback.lost", times=4)
    clipbell.account_options["vrex"] = {"poll_after": "1h", "poll_every": "0.5s"}
    clipbell.start()
    for number in range(3):
        job = clipbell.order(prompt=f"Lost {number}")
        clipbell.eventually(lambda: vendor_jobs(vendors)[-1]["state"] == "completed", "the vendor to finish")
        assert clipbell.client.post(f"/v1/jobs/{job['id']}/refresh").json()["state"] == "completed"
    assert standing(clipbell) == []
    clipbell.eventually(lambda: standing(clipbell) == [("callbacks.missing", "vrex")], "the alert")
    # nobody refreshes this one, and its first look would be due in an hour
    time.sleep(2.5)
    assert clipbell.settled(clipbell.order(prompt="Lost again")["id"])["settled_by"] == "poll"
    assert clipbell.settled(clipbell.order(prompt="Not lost")["id"])["state"] == "completed"
    command(vendors, "callback", job=vendor_jobs(vendors)[-1]["id"])
    clipbell.eventually(lambda: standing(clipbell) == [], "the alert to be cleared")


def test_while_public_url_does_not_lead_here_jobs_are_looked_at_at_once(
    clipbell: Program, vendors: RunningSimulator
) -> None:
    port = closed_port()
    clipbell.public_url = f"http://127.0.0.1:{port}"
    clipbell.account_options["vrex"] = {"poll_after": "1h", "poll_every": "0.5s"}
    clipbell.start()
    before = clipbell.order(prompt="Before it was noticed")
    clipbell.eventually(lambda: standing(clipbell) == [("callbacks.missing", "public_url")], "the alert")
    assert clipbell.settled(before["id"])["settled_by"] == "poll"
    after = clipbell.order(prompt="After it was noticed")
    assert clipbell.settled(after["id"])["settled_by"] == "poll"


def test_a_public_url_that_leads_here_is_no_alert_and_another_server_is(clipbell: Program) -> None:
    with serving(Reply(body=json.dumps({"status": "ok"}).encode())) as proxy:
        clipbell.public_url = proxy.url
        clipbell.start()
        clipbell.eventually(lambda: standing(clipbell) == [("callbacks.missing", "public_url")], "the alert")
        assert "another server" in clipbell.items("/v1/alerts")[0]["text"]
        proxy.answer(lambda seen: _passed_on(clipbell, seen))
        clipbell.eventually(lambda: standing(clipbell) == [], "the alert to be cleared", 40)


def _passed_on(clipbell: Program, seen: Seen) -> Reply:
    headers = {name: value for name, value in seen.headers.items() if name.startswith("clipbell-")}
    answer = httpx.get(clipbell.url + seen.path, headers=headers, trust_env=False, verify=False)
    proof = {name: value for name, value in answer.headers.items() if name.startswith("clipbell-")}
    return Reply(answer.status_code, answer.content, proof)


# --- a status that lags --------------------------------------------------------------------------------------


def test_a_failure_that_the_status_does_not_know_yet_is_asked_for_again(
    clipbell: Program, vendors: RunningSimulator
) -> None:
    plant(vendors, kind="job.fails")
    plant(vendors, kind="job.lag", seconds=3.0)
    clipbell.start()
    job = clipbell.settled(clipbell.order()["id"], "failed", 15)
    (told,) = clipbell.items("/v1/events", job_id=job["id"], type="video.failed")
    assert (told["source"], told["trust"]) == ("callback", "confirmed")
    assert vendor_jobs(vendors)[0]["looks"] in (2, 3, 4)


def test_with_confirmation_always_a_completed_clip_outwaits_the_lag_too(
    clipbell: Program, vendors: RunningSimulator, slack: Server
) -> None:
    plant(vendors, kind="job.lag", seconds=2.0)
    clipbell.options["confirm"] = "always"
    clipbell.start()
    job = clipbell.settled(clipbell.order()["id"], seconds=15)
    (told,) = clipbell.items("/v1/events", job_id=job["id"], type="video.completed")
    assert (told["source"], told["trust"]) == ("callback", "confirmed")
    clipbell.delivered(job["id"], "slack")
    assert len([seen for seen in slack.seen if "A coast" in seen.body.decode()]) == 1
