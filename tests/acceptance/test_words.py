"""Words that nobody knows are refused by name; deliveries that cannot be tried again say why. The real program."""

from typing import Any

import httpx
import pytest

from receiver.simulator import RunningSimulator
from receiver.web.openapi import OPERATIONS
from tests.support.faults import plant
from tests.support.http_server import Reply, Server
from tests.support.program import Program

FILTERS = [
    (operation.path, name, words)
    for operation in OPERATIONS
    for name, words in operation.filters.items()
    if isinstance(words, tuple)
]


def refused(answer: httpx.Response, code: str = "invalid_request") -> list[dict[str, str]]:
    assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text
    errors: list[dict[str, str]] = answer.json()["errors"]
    return errors


def test_every_filter_takes_its_words_and_names_them_where_it_is_given_another(idle: Program) -> None:
    assert len(FILTERS) > 10
    for path, name, words in FILTERS:
        (problem,) = refused(idle.client.get(path, params={name: "nonsense"}))
        assert problem == {"field": name, "problem": f"must be one of {', '.join(words)}"}, path
        for word in words:
            assert idle.client.get(path, params={name: word}).status_code == 200, (path, name, word)


@pytest.mark.parametrize("status", ["99", "1000", "+200", "２００", "9" * 50, "ok", ""])
def test_a_filter_by_a_number_takes_whole_numbers_of_its_range(idle: Program, status: str) -> None:
    (problem,) = refused(idle.client.get("/v1/evidence", params={"status": status}))
    assert problem == {"field": "status", "problem": "must be a whole number from 100 to 999"}
    assert idle.client.get("/v1/evidence", params={"status": "502"}).status_code == 200


def test_all_that_is_wrong_with_a_list_is_told_at_once(idle: Program) -> None:
    wrong = {"state": "nonsense", "origin": "mars", "colour": "red", "limit": "0", "cursor": "x"}
    fields = [problem["field"] for problem in refused(idle.client.get("/v1/jobs", params=wrong))]
    assert sorted(fields) == ["colour", "cursor", "limit", "origin", "state"]


@pytest.mark.parametrize("state", ["done", "nonsense"])
def test_only_what_can_be_tried_again_is_tried_again_by_a_filter(idle: Program, state: str) -> None:
    (problem,) = refused(idle.client.post("/v1/deliveries/retry", json={"state": state}))
    assert problem == {"field": "state", "problem": "must be one of dead, pending"}


def one(clipbell: Program, job: dict[str, Any], state: str) -> dict[str, Any]:
    """The delivery of a job to Slack, once it is in a state."""
    (found,) = clipbell.delivered(job["id"], "slack", state)
    return found


def test_a_delivery_that_is_done_is_not_tried_again(clipbell: Program, slack: Server) -> None:
    clipbell.start()
    delivery = one(clipbell, clipbell.settled(clipbell.order()["id"]), "done")
    answer = clipbell.client.post(f"/v1/deliveries/{delivery['id']}/retry")
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    command = f"clipbell replay {delivery['event_id']} --handler slack --again"
    assert answer.json()["detail"].endswith(command)
    before = len(slack.seen)
    # what is said there helps
    assert clipbell.command(*command.split()[1:]).returncode == 0
    clipbell.eventually(lambda: len(slack.seen) == before + 1, "the message once more")


def test_a_dead_delivery_is_tried_again_alone_or_with_all_of_a_filter(clipbell: Program, slack: Server) -> None:
    slack.script(Reply(404))
    clipbell.start()
    jobs = [clipbell.settled(clipbell.order(prompt=f"Clip {number}")["id"]) for number in range(3)]
    first, *_ = [one(clipbell, job, "dead") for job in jobs]
    slack.script(Reply(body=b"ok"))
    assert clipbell.command("retry", first["id"]).returncode == 0
    one(clipbell, jobs[0], "done")
    assert clipbell.command("retry", "--job", jobs[1]["id"], "--handler", "slack").stdout.startswith("1 delivery ")
    one(clipbell, jobs[1], "done")
    one(clipbell, jobs[2], "dead")
    assert clipbell.command("retry", "--all").returncode == 0
    one(clipbell, jobs[2], "done")


def test_a_parked_delivery_says_what_ends_its_waiting(clipbell: Program, slack: Server) -> None:
    slack.script(Reply(410))
    clipbell.start()
    one(clipbell, clipbell.settled(clipbell.order(prompt="First")["id"]), "dead")
    parked = one(clipbell, clipbell.settled(clipbell.order(prompt="Second")["id"]), "parked")
    ended = clipbell.command("retry", parked["id"])
    assert ended.returncode == 1
    assert "clipbell handlers test slack" in ended.stderr


# --- why an order waits ----------------------------------------------------------------------------------------


def waits(clipbell: Program, job: dict[str, Any]) -> dict[str, str]:
    return {each["code"]: each["text"] for each in clipbell.items(f"/v1/jobs/{job['id']}/waits")}


def test_a_queued_order_says_why_it_waits(clipbell: Program, vendors: RunningSimulator) -> None:
    clipbell.account_options["vrex"] = {"max_open": 1, "limits": ["1000/minute"], "order_limits": ["1/hour"]}
    clipbell.options["budget"] = {"usd_per_day": "0.20"}
    plant(vendors, kind="job.stuck", vendor="vrex")
    clipbell.start()
    running = clipbell.order(prompt="First")
    first, second = (clipbell.order(prompt=f"Queued {number}", queue=True) for number in range(2))
    assert set(waits(clipbell, first)) == {"max_open", "rate", "budget"}
    found = waits(clipbell, second)
    assert found["line"] == "1 order is before it in the line of vrex"
    assert found["max_open"] == "1 jobs of vrex are open, and it takes 1 at a time (max_open)"
    assert found["rate"] == "vrex takes 1/hour orders, and 1 are used"
    assert found["budget"].startswith("The budget usd_per_day is reached: $0.136 of $0.20")
    assert waits(clipbell, running) == {}
    said = clipbell.command("job", second["id"])
    assert "1 order is before it in the line of vrex" in said.stdout
    assert "The budget usd_per_day is reached" in said.stdout


def test_an_order_at_an_account_that_refuses_us_says_that(clipbell: Program, vendors: RunningSimulator) -> None:
    plant(vendors, kind="submit.401", vendor="vrex", times=None)
    clipbell.start()
    job = clipbell.order(queue=True)
    clipbell.eventually(lambda: waits(clipbell, job).get("stopped"), "the account to be stopped")
    assert "check the key and the balance" in clipbell.command("job", job["id"]).stdout


def test_an_order_whose_account_is_gone_says_what_to_put_back(clipbell: Program, vendors: RunningSimulator) -> None:
    clipbell.account_options["vrex"] = {"max_open": 1}
    plant(vendors, kind="job.stuck", vendor="vrex")
    clipbell.start()
    clipbell.order(prompt="First")
    job = clipbell.order(queue=True)
    clipbell.stop()
    clipbell.without = {"vrex"}
    clipbell.start()
    assert list(waits(clipbell, job)) == ["account"]
    assert "[vendors.vrex]" in clipbell.command("job", job["id"]).stdout
