"""Why a queued order has not gone out yet: each reason by itself, all together, and none."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from receiver.budget import Purse
from receiver.outlook import Outlook
from receiver.pace import Share
from receiver.settings import Account, Budget
from receiver.store.accounts import Gate, Rate, Spot
from receiver.store.protocol import Totals
from receiver.waits import Scene, Wait, waits
from schemas.job import Job, JobState
from schemas.values import replace
from tests.support import jobs
from tests.support.configuration import TOP, VREX, configured

NOW = jobs.NOON
SECOND = jobs.SECOND
MINUTE = 60 * SECOND
NOTHING = Totals({}, {})


@pytest.fixture
def account(tmp_path: Path) -> Account:
    return configured(tmp_path, f"{TOP}{VREX}").accounts["vrex"]


def queued(**fields: Any) -> Job:
    return jobs.job(**{"state": JobState.QUEUED, "next_at": None, "booked": None, **fields})


def scene(account: Account, rates: tuple[tuple[Rate, int], ...] = (), **changes: Any) -> Scene:
    """An account with nothing in the way, but for these rates with so many calls in each, and what is changed."""
    account = replace(account, limits=tuple(rate for rate, _ in rates), max_open=changes.pop("max_open", None))
    polled = changes.pop("polled", 0)
    outlook = Outlook(Share(account.limits, [used for _, used in rates]), gates=changes.pop("gates", ()), polled=polled)
    usual = Scene(account, outlook, Spot(0, 0), NOTHING, None, NOW)
    return replace(usual, **changes)


def codes(job: Job, seen: Scene) -> list[str]:
    return [each.code for each in waits(job, seen)]


def test_one_whose_turn_it_is_waits_for_nothing(account: Account) -> None:
    seen = scene(account, ((Rate(10, MINUTE), 9),), max_open=3, spot=Spot(0, 2))
    assert list(waits(queued(), seen)) == []


@pytest.mark.parametrize(
    ("ahead", "text"),
    [(1, "1 order is before it in the line of vrex"), (12, "12 orders are before it in the line of vrex")],
)
def test_who_is_before_it_is_counted(account: Account, ahead: int, text: str) -> None:
    assert list(waits(queued(), scene(account, spot=Spot(ahead, 0)))) == [Wait("line", text)]


@pytest.mark.parametrize(("tries", "after"), [(0, ""), (1, " after 1 try"), (3, " after 3 tries")])
def test_one_that_stands_aside_says_until_when(account: Account, tries: int, after: str) -> None:
    aside = queued(next_at=NOW + MINUTE, tries=tries)
    text = f"it stands aside{after} and comes back into the line by itself"
    # who is before it in the line does not matter as long as it is in none
    assert list(waits(aside, scene(account, spot=Spot(5, 0)))) == [Wait("aside", text, NOW + MINUTE)]


def test_an_account_that_refuses_us_is_told_of_with_what_to_do(account: Account) -> None:
    gate = Gate("vrex", "", NOW + MINUTE, NOW, "INVALID_KEY", stopped=True)
    text = "vrex refuses our calls (INVALID_KEY); check the key and the balance at the vendor"
    assert list(waits(queued(), scene(account, gates=(gate,)))) == [Wait("stopped", text, NOW + MINUTE)]


@pytest.mark.parametrize(
    ("kind", "until", "counts"),
    [("", 1, True), ("order", 1, True), ("queue", 1, True), ("look", 1, False), ("", 0, False), ("", -1, False)],
)
def test_only_gates_that_are_closed_to_orders_hold_one_up(
    account: Account, kind: str, until: int, counts: bool
) -> None:
    gate = Gate("vrex", kind, NOW + until, NOW - 1, "HTTP 429")
    expected = [Wait("asked_to_wait", "vrex asked us to wait (HTTP 429)", NOW + until)] if counts else []
    assert list(waits(queued(), scene(account, gates=(gate,)))) == expected


def test_a_full_account_says_how_many_it_takes(account: Account) -> None:
    text = "3 jobs of vrex are open, and it takes 3 at a time (max_open)"
    assert list(waits(queued(), scene(account, max_open=3, spot=Spot(0, 3)))) == [Wait("max_open", text)]
    assert codes(queued(), scene(account, max_open=4, spot=Spot(0, 3))) == []


@pytest.mark.parametrize(
    ("rate", "used", "polled", "text"),
    [
        (Rate(10, MINUTE), 10, 0, "vrex takes 10/minute calls, and 10 are used"),
        (Rate(10, MINUTE), 9, 0, None),
        (
            Rate(10, MINUTE),
            8,
            7,
            "vrex takes 10/minute calls, and 8 are used; the last 2 are kept for looks at open jobs",
        ),
        (Rate(24, 60 * MINUTE, "order"), 24, 7, "vrex takes 24/hour orders, and 24 are used"),
        (Rate(24, 60 * MINUTE, "order"), 23, 0, None),
        (Rate(5, MINUTE, "look"), 5, 0, None),
    ],
)
def test_a_window_that_is_used_up_is_named(
    account: Account, rate: Rate, used: int, polled: int, text: str | None
) -> None:
    found = list(waits(queued(), scene(account, ((rate, used),), polled=polled)))
    assert found == ([] if text is None else [Wait("rate", text)])


def test_a_budget_says_what_it_would_say_to_an_order(account: Account) -> None:
    purse = Purse(Budget(Decimal("1.00"), None, "refuse"), {"vrex": None})
    spent = Totals({("vrex", "USD"): 900_000}, {("vrex", "USD"): 900_000})
    (found,) = waits(queued(), scene(account, purse=purse, totals=spent))
    assert found.code == "budget"
    assert found.text.startswith("The budget usd_per_day is reached: $0.90 of $1.00")
    assert codes(queued(), scene(account, purse=purse)) == []


def test_all_reasons_are_told_the_orders_own_first(account: Account) -> None:
    gate = Gate("vrex", "", NOW + MINUTE, NOW, "HTTP 429")
    purse = Purse(Budget(Decimal("0.01"), None, "refuse"), {"vrex": None})
    seen = scene(account, ((Rate(1, MINUTE), 1),), gates=(gate,), max_open=1, spot=Spot(2, 1), purse=purse)
    assert codes(queued(), seen) == ["line", "asked_to_wait", "max_open", "rate", "budget"]
