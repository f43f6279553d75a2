"""Money before the order: budgets that a hundred orders at once cannot pass, and what is told of them."""

import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import httpx
import pytest

from receiver.simulator import RunningSimulator
from tests.support.faults import command, control, plant
from tests.support.program import Program

PRICE = Decimal("0.136")


def budget(clipbell: Program, **keys: str) -> None:
    """Start with a budget."""
    clipbell.options["budget"] = keys
    clipbell.start()


def order(clipbell: Program, prompt: str = "A coast", **fields: Any) -> httpx.Response:
    return clipbell.client.post("/v1/jobs", json={"vendor": "vrex", "prompt": prompt, **fields})


def marks(clipbell: Program) -> list[str]:
    """The subjects of what is raised about budgets, without their days."""
    found = clipbell.items("/v1/alerts", code="budget.reached")
    return sorted(":".join(alert["subject"].split(":")[::2]) for alert in found)


def charged(vendors: RunningSimulator, vendor: str = "vrex") -> Decimal:
    """What the simulator took."""
    return sum((Decimal(account["net"]) for account in control(vendors, "books").get(vendor, {}).values()), Decimal(0))


def test_a_hundred_orders_at_once_do_not_pass_a_budget(clipbell: Program, vendors: RunningSimulator) -> None:
    budget(clipbell, usd_per_day="1.00")
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda n: order(clipbell, f"Take {n}"), range(100)))
    taken = [answer for answer in answers if answer.status_code == 202]
    refused = [answer.json() for answer in answers if answer.status_code == 402]
    assert (len(taken), len(refused)) == (7, 93)
    assert {each["code"] for each in refused} == {"budget_reached"}
    assert charged(vendors) == 7 * PRICE
    # a refusal leaves no job
    assert len(clipbell.items("/v1/jobs")) == 7
    assert marks(clipbell) == ["usd_per_day:100", "usd_per_day:50", "usd_per_day:80"]


def test_without_a_budget_a_hundred_orders_are_taken(clipbell: Program, vendors: RunningSimulator) -> None:
    clipbell.start()
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda n: order(clipbell, f"Take {n}"), range(100)))
    assert {answer.status_code for answer in answers} == {202}
    assert charged(vendors) == 100 * PRICE


def test_a_refusal_says_in_one_sentence_what_is_used_what_it_would_cost_and_when_it_frees(clipbell: Program) -> None:
    budget(clipbell, usd_per_month="0.20")
    assert order(clipbell).status_code == 202
    text = order(clipbell).json()["detail"]
    assert text.startswith("The budget usd_per_month is reached: $0.136 of $0.20 is spent and reserved")
    assert "this order would cost $0.136; it frees at 20" in text
    assert text.count(". ") == 0


def test_what_failed_and_was_refunded_frees_its_share(clipbell: Program, vendors: RunningSimulator) -> None:
    plant(vendors, kind="job.fails")
    budget(clipbell, usd_per_day="0.20")
    job = order(clipbell).json()
    clipbell.settled(job["id"], "failed")
    assert order(clipbell).status_code == 202
    assert order(clipbell).status_code == 402


def test_each_mark_is_raised_once_and_told(clipbell: Program) -> None:
    clipbell.handlers["slack"]["events"] = ["alert.raised"]
    budget(clipbell, usd_per_day="0.272")
    assert order(clipbell).status_code == 202
    assert marks(clipbell) == ["usd_per_day:50"]
    assert order(clipbell).status_code == 202
    assert [order(clipbell).status_code for _ in range(3)] == [402] * 3
    assert marks(clipbell) == ["usd_per_day:100", "usd_per_day:50", "usd_per_day:80"]
    assert len(clipbell.items("/v1/events", type="alert.raised")) == 3


def test_an_alert_of_a_period_that_has_passed_is_cleared(clipbell: Program) -> None:
    budget(clipbell, usd_per_day="0.20")
    order(clipbell)
    assert marks(clipbell) == ["usd_per_day:50"]
    clipbell.stop()
    # the day's budget is gone from the configuration, and with it every period of it
    budget(clipbell, usd_per_month="0.20")
    clipbell.eventually(lambda: marks(clipbell) == ["usd_per_month:50"], "the day's alert to be cleared")


def test_a_repeated_key_gets_its_job_though_the_budget_is_reached(clipbell: Program) -> None:
    budget(clipbell, usd_per_day="0.20")
    first = order(clipbell, idempotency_key="k").json()
    again = order(clipbell, idempotency_key="k")
    assert (again.status_code, again.json()["id"]) == (200, first["id"])


@pytest.mark.parametrize("fields", [{"vendor": "aivideoapi"}, {"vendor": "aivideoapi", "queue": True}])
def test_an_order_of_unknown_price_is_refused_unless_allowed(clipbell: Program, fields: dict[str, Any]) -> None:
    budget(clipbell, usd_per_day="10")
    answer = order(clipbell, **fields)
    assert (answer.status_code, answer.json()["code"]) == (402, "budget_reached")
    assert "usd_per_credit" in answer.json()["detail"]
    assert clipbell.items("/v1/jobs") == []
    clipbell.stop()
    budget(clipbell, usd_per_day="10", unknown_price="allow")
    assert order(clipbell, **fields).status_code == 202


def test_credits_count_by_their_worth(clipbell: Program) -> None:
    clipbell.account_options["aivideoapi"] = {"usd_per_credit": "0.01"}
    budget(clipbell, usd_per_day="0.50")
    assert order(clipbell, vendor="aivideoapi").status_code == 202
    assert "$0.40 of $0.50" in order(clipbell).json()["detail"]


def test_a_queued_order_waits_until_the_budget_lets_it_go(clipbell: Program, vendors: RunningSimulator) -> None:
    plant(vendors, kind="job.stuck", prompt="First")
    budget(clipbell, usd_per_day="0.20")
    first = order(clipbell, "First").json()
    queued = order(clipbell, "Second", queue=True)
    assert (queued.status_code, queued.json()["state"]) == (202, "queued")
    clipbell.eventually(lambda: "usd_per_day:50" in marks(clipbell), "the mark")
    # it has had its chances by now
    time.sleep(3)
    assert clipbell.job(queued.json()["id"])["state"] == "queued"
    assert len(control(vendors, "jobs")["jobs"]) == 1
    command(vendors, f"jobs/{first['vendor_job_id']}/finish", state="failed")
    clipbell.settled(first["id"], "failed")
    clipbell.settled(queued.json()["id"])
    assert charged(vendors) == PRICE


def test_an_order_that_no_budget_has_room_for_is_not_even_queued(clipbell: Program) -> None:
    budget(clipbell, usd_per_day="0.10")
    answer = order(clipbell, queue=True)
    assert (answer.status_code, answer.json()["code"]) == (402, "budget_reached")
    assert "more than the whole budget usd_per_day of $0.10" in answer.json()["detail"]
    assert clipbell.items("/v1/jobs") == []
