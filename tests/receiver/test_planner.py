"""The planner: those who were refused come back one after another, and a vendor that hangs gets few hands."""

from receiver.planner import Planner
from tests.support.jobs import NOON, SECOND

EVEN = 0.5


def test_the_refused_come_back_in_order_at_the_pace_that_is_sustained() -> None:
    planner = Planner()
    slots = [planner.slot("vrex", NOON, 6, EVEN) for _ in range(4)]
    assert [(slot - NOON) // SECOND for slot in slots] == [0, 6, 12, 18]


def test_accounts_are_planned_apart() -> None:
    planner = Planner()
    assert [planner.slot(name, NOON, 6, EVEN) for name in ("vrex", "second", "vrex")] == [NOON, NOON, NOON + 6 * SECOND]


def test_who_is_told_to_come_later_is_not_brought_forward() -> None:
    planner = Planner()
    planner.slot("vrex", NOON, 6, EVEN)
    assert planner.slot("vrex", NOON + 60 * SECOND, 6, EVEN) == NOON + 60 * SECOND


def test_without_a_limit_they_still_do_not_come_all_at_once() -> None:
    planner = Planner()
    slots = [planner.slot("vrex", NOON, 0, EVEN) for _ in range(3)]
    assert [slot - NOON for slot in slots] == [0, 20_000, 40_000]


def test_nobody_is_planned_further_away_than_ten_minutes() -> None:
    planner = Planner()
    slots = [planner.slot("vrex", NOON, 6, number / 1000) for number in range(1000)]
    assert max(slots) <= NOON + 600 * SECOND
    # those beyond are spread over the second half, and ask for a slot of their own then
    assert min(slots[101:]) >= NOON + 300 * SECOND
    assert len(set(slots)) > 900


def test_a_hundred_thousand_refused_jobs_ask_less_than_four_hundred_times_a_second() -> None:
    planner = Planner()
    slots = [planner.slot("vrex", NOON, 6, number / 100_000) for number in range(100_000)]
    assert sum(1 for slot in slots if slot < NOON + 300 * SECOND) <= 51
    in_one_second = [slot for slot in slots if NOON + 300 * SECOND <= slot < NOON + 301 * SECOND]
    assert len(in_one_second) < 400


def test_a_vendor_that_hangs_is_given_few_hands_for_a_while() -> None:
    planner = Planner()
    assert planner.has_hands_for("vrex", {"vrex": 31}, 0)
    planner.note("vrex", 0.5, 0)
    assert planner.has_hands_for("vrex", {"vrex": 31}, 1)
    planner.note("vrex", 10.0, 10)
    assert not planner.has_hands_for("vrex", {"vrex": 8}, 11)
    assert planner.has_hands_for("vrex", {"vrex": 7}, 11)
    assert planner.has_hands_for("second", {"vrex": 8, "second": 20}, 11)
    assert planner.has_hands_for("vrex", {"vrex": 31}, 70)
