"""May this order be placed? Tables of what is spent and reserved against what an order would cost."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from receiver.budget import Purse, purse_of, usd
from receiver.settings import Budget
from receiver.store.protocol import Totals
from schemas.errors import BudgetReached
from schemas.event import Money, micros
from schemas.job import Job
from tests.support import jobs
from tests.support.configuration import TOP, VREX, configured

#: Half a day before the end of a month.
NOW = micros(datetime(2026, 11, 30, 12, tzinfo=UTC))
MIDNIGHT = "2026-12-01 00:00 UTC"


def purse(
    day: str | None = "1.00", month: str | None = None, unknown: str = "refuse", worth: str | None = None
) -> Purse:
    day_, month_ = (None if text is None else Decimal(text) for text in (day, month))
    budget = Budget(day_, month_, "allow" if unknown == "allow" else "refuse")
    return Purse(budget, {"vrex": None, "aivideoapi": None if worth is None else Decimal(worth)})


def order(cost: str | None = "0.136") -> Job:
    return jobs.job(estimate=None if cost is None else jobs.usd(cost))


def in_credits(amount: str) -> Job:
    return jobs.job(account="aivideoapi", estimate=Money(Decimal(amount), "credits"))


def spent(usd_amount: str = "0", credit_amount: str = "0") -> Mapping[tuple[str, str], int]:
    return {
        ("vrex", "USD"): int(Decimal(usd_amount) * 1_000_000),
        ("aivideoapi", "credits"): int(Decimal(credit_amount) * 1_000_000),
    }


def day(used: str) -> Totals:
    return Totals(day=spent(used), month=spent(used))


def refusal(purse_: Purse, job: Job, totals: Totals) -> str:
    with pytest.raises(BudgetReached) as refused:
        purse_.admit(job, totals, NOW)
    return str(refused.value)


@pytest.mark.parametrize("used", ["0", "0.863999", "0.864"])
def test_an_order_that_fits_is_admitted_to_the_last_millionth(used: str) -> None:
    purse().admit(order(), day(used), NOW)


def test_an_order_that_would_pass_the_budget_by_a_millionth_is_refused() -> None:
    with pytest.raises(BudgetReached):
        purse().admit(order(), day("0.864001"), NOW)


def test_the_refusal_says_in_one_sentence_which_budget_what_is_used_what_it_would_cost_and_when_it_frees() -> None:
    assert refusal(purse(), order(), day("0.952")) == (
        "The budget usd_per_day is reached: $0.952 of $1.00 is spent and reserved and this order would cost $0.136; "
        f"it frees at {MIDNIGHT}, or as orders fail and are refunded."
    )


def test_of_two_budgets_that_refuse_the_one_that_frees_last_is_named() -> None:
    both = purse("1.00", "2.00")
    totals = Totals(day=spent("0.9"), month=spent("1.9"))
    assert "usd_per_month is reached: $1.90 of $2.00" in refusal(both, order(), totals)
    assert "usd_per_day" in refusal(both, order(), Totals(day=spent("0.9"), month=spent("1.0")))


def test_december_follows_november_and_january_december() -> None:
    ends = [
        [bound.ends for bound in purse("1", "1").bounds(day("0"), micros(moment))]
        for moment in (datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC), datetime(2026, 12, 31, tzinfo=UTC))
    ]
    assert ends == [
        [datetime(2026, 12, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)],
        [datetime(2027, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)],
    ]


def test_an_order_dearer_than_the_whole_budget_is_refused_for_ever() -> None:
    with pytest.raises(BudgetReached, match=r"more than the whole budget usd_per_day of \$1\.00") as refused:
        purse().admit(order("1.01"), day("0"), NOW)
    assert refused.value.for_ever
    with pytest.raises(BudgetReached) as once:
        purse().admit(order(), day("1.00"), NOW)
    assert not once.value.for_ever


@pytest.mark.parametrize(
    ("job", "mend"),
    [
        (order(None), "give it in [vendors.vrex.prices]"),
        (in_credits("40"), "set usd_per_credit in [vendors.aivideoapi]"),
    ],
)
def test_an_unknown_price_is_refused_with_what_mends_it_unless_it_is_allowed(job: Job, mend: str) -> None:
    text = refusal(purse(), job, day("0"))
    assert mend in text
    assert 'unknown_price = "allow"' in text
    purse(unknown="allow").admit(job, day("0.999"), NOW)


def test_an_unknown_price_that_is_allowed_is_still_refused_once_the_budget_is_used_up() -> None:
    assert "is of unknown price" in refusal(purse(unknown="allow"), order(None), day("1.00"))


def test_credits_count_by_what_one_is_worth() -> None:
    in_dollars = purse(worth="0.01")
    in_dollars.admit(in_credits("40"), Totals(day=spent("0.2", "40"), month={}), NOW)
    assert "$0.60 of $1.00" in refusal(in_dollars, in_credits("41"), Totals(day=spent("0.2", "40"), month={}))


def test_credits_of_unknown_worth_that_were_spent_are_left_out() -> None:
    purse().admit(order(), Totals(day=spent("0", "1000000"), month={}), NOW)


def marks(purse_: Purse, totals: Totals, **about: Job) -> list[str]:
    return [mark.subject for mark in purse_.marks(totals, NOW, **about)]


@pytest.mark.parametrize(
    ("used", "percents"),
    [("0.499999", []), ("0.5", [50]), ("0.79", [50]), ("0.8", [50, 80]), ("1", [50, 80, 100]), ("3", [50, 80, 100])],
)
def test_shares_of_a_budget_are_marks_of_its_period(used: str, percents: list[int]) -> None:
    assert marks(purse(), day(used)) == [f"usd_per_day:2026-11-30:{percent}" for percent in percents]
    assert marks(purse(None, "1"), day(used)) == [f"usd_per_month:2026-11:{percent}" for percent in percents]


def test_an_order_that_was_placed_counts_on_top() -> None:
    assert marks(purse(), day("0.4"), placed=order()) == ["usd_per_day:2026-11-30:50"]
    assert marks(purse(unknown="allow"), day("0.4"), placed=order(None)) == []


def test_a_budget_is_used_up_when_an_order_does_not_fit_into_what_is_left_of_it() -> None:
    assert marks(purse(), day("0.9"), refused=order()) == [f"usd_per_day:2026-11-30:{n}" for n in (50, 80, 100)]


def test_one_dear_order_that_does_not_fit_does_not_use_a_budget_up() -> None:
    assert marks(purse(), day("0.6"), refused=order("0.9")) == ["usd_per_day:2026-11-30:50"]


def test_a_mark_says_what_is_used_and_until_when() -> None:
    (half,) = purse().marks(day("0.5"), NOW)
    assert half.what == "The budget usd_per_day is used to 50 %: $0.50 of $1.00 is spent and reserved"
    assert MIDNIGHT in half.step
    assert "is used up" in purse().marks(day("1"), NOW)[-1].what


@pytest.mark.parametrize(
    ("subject", "is_over"),
    [
        ("usd_per_day:2026-11-30:80", False),
        ("usd_per_day:2026-11-29:80", True),
        ("usd_per_month:2026-11:100", False),
        ("usd_per_month:2026-10:100", True),
        ("usd_per_week:2026-11:100", True),
    ],
)
def test_an_alert_is_over_with_its_period_and_with_its_budget(subject: str, is_over: bool) -> None:
    assert purse("1", "1").is_over(subject, NOW) is is_over
    assert purse("1", None).is_over("usd_per_month:2026-11:50", NOW)


@pytest.mark.parametrize(
    ("amount", "text"),
    [("0", "$0.00"), ("1", "$1.00"), ("0.9", "$0.90"), ("0.136", "$0.136"), ("25.5", "$25.50"), ("1E+2", "$100.00")],
)
def test_dollars_are_said_exactly(amount: str, text: str) -> None:
    assert usd(Decimal(amount)) == text


def test_the_purse_of_a_configuration_knows_its_budget_and_the_worth_of_credits(tmp_path: Path) -> None:
    text = f'{TOP}{VREX}\n[vendors.mine]\ntype = "aivideoapi"\napi_key = "sk-1"\nusd_per_credit = "0.005"\n'
    assert purse_of(configured(tmp_path, text)) is None
    got = purse_of(configured(tmp_path, f'{text}\n[budget]\nusd_per_month = "9"\n'))
    assert got == Purse(Budget(None, Decimal(9), "refuse"), {"vrex": None, "mine": Decimal("0.005")})
