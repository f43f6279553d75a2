"""The pace of looks: when first, when again, and how all open jobs share what a vendor takes. Figures by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.pace import Learned, Share, claim_look, first_look, learned, next_look, pace_of, shared_look
from receiver.store.protocol import Rate
from schemas.values import replace
from schemas.vendor import Pace
from schemas.vendors.ulazai import VENDOR as ULAZAI
from tests.support.jobs import SECOND

PACE = Pace(poll_after=60, poll_every=20)
LESSON = Learned(lower=50, median=70, upper=100)
MINUTE, DAY = Rate(10, 60 * SECOND), Rate(100, 86_400 * SECOND)
EVEN = 0.5


def test_five_clips_teach_something_and_four_do_not() -> None:
    assert learned([40, 50, 60, 70]) is None
    assert learned([70, 40, 60, 50, 80]) == Learned(50, 60, 70)
    assert learned([70, 40, 60, 50, 0, -3]) is None


@pytest.mark.parametrize(
    ("lesson", "by_callback", "early", "expected"),
    [
        (None, False, False, 60.0),
        (LESSON, False, False, 40.0),
        (Learned(300, 400, 500), False, False, 60.0),
        (Learned(0.3, 0.4, 0.5), False, False, 1.0),
        (None, True, False, 60.0),
        (LESSON, True, False, 60.0),
        (None, True, True, 20.0),
        (LESSON, True, True, 40.0),
    ],
)
def test_the_first_look_is_as_soon_as_is_of_use_and_never_later_than_poll_after(
    lesson: Learned | None, by_callback: bool, early: bool, expected: float
) -> None:
    assert first_look(PACE, lesson, by_callback=by_callback, early=early) == expected


def test_a_poll_after_that_is_shorter_than_anything_else_holds() -> None:
    assert first_look(replace(PACE, poll_after=0.2), LESSON, by_callback=False, early=False) == 0.2


@pytest.mark.parametrize(
    ("age", "lesson", "expected"),
    [
        (60, None, 20.0),
        (61, None, 20.125),
        (660, None, 95.0),
        (86_400, None, 600.0),
        (100, LESSON, 20.0),
        (260, LESSON, 40.0),
        (30, LESSON, 20.0),
        (60, Learned(400, 500, 600), 80.0),
        (290, Learned(400, 500, 600), 30.0),
        (315, Learned(400, 500, 600), 20.0),
        (600, Learned(400, 500, 600), 20.0),
    ],
)
def test_looks_slow_down_with_age_and_while_they_are_too_early(
    age: float, lesson: Learned | None, expected: float
) -> None:
    assert next_look(PACE, age, lesson, EVEN) == pytest.approx(expected)


def test_looks_are_spread_by_a_tenth() -> None:
    assert next_look(PACE, 60, None, 0) == pytest.approx(18)
    assert next_look(PACE, 60, None, 1) == pytest.approx(22)


def test_a_job_that_never_ends_is_looked_at_less_than_two_hundred_times_a_day() -> None:
    age, looks = 60.0, 0
    while age < 86_400:
        age += next_look(PACE, age, None, EVEN)
        looks += 1
    assert 100 < looks < 200


@pytest.mark.parametrize(("since", "expected"), [(0.1, 2.0), (2, 2.0), (5, 5.0), (19, 19.0), (300, 20.0)])
def test_a_claim_is_looked_at_again_soon_and_then_slower(since: float, expected: float) -> None:
    assert claim_look(20, since) == expected


@pytest.mark.parametrize(
    ("rate", "used", "jobs", "expected"),
    [
        (MINUTE, 0, 1, 20.0),  # seven looks a minute are enough for one job
        (MINUTE, 0, 7, 60.0),
        (MINUTE, 7, 7, 60.0),
        (MINUTE, 0, 70, 600.0),  # seventy jobs at seven looks a minute: each every ten minutes
        (DAY, 0, 1, 25.4),
        (DAY, 40, 1, 34.9),
        (DAY, 69, 1, 86_400.0),  # the last one of today
        (DAY, 0, 10, 218.6),
        (DAY, 35, 10, 2390.3),
        (DAY, 0, 35, 86_400.0),
        (DAY, 0, 100, 123_428.6),
        (DAY, 100, 1, 1234.3),
    ],
)
def test_a_quota_lasts_for_all_open_jobs(rate: Rate, used: int, jobs: int, expected: float) -> None:
    assert shared_look(20, Share((rate,), (used,), jobs)) == pytest.approx(expected, abs=0.1)


def test_the_tightest_window_counts_and_orders_have_windows_of_their_own() -> None:
    share = Share((MINUTE, DAY, Rate(1, 3600 * SECOND, "order")), (0, 0, 1), 7)
    assert shared_look(20, share) == pytest.approx(106.7, abs=0.1)
    assert shared_look(20, Share()) == 20


def test_a_hundred_calls_last_a_day_for_ten_jobs_that_never_end() -> None:
    """Orders keep their part of the window; the looks of ten jobs together make do with theirs, to the end."""
    made: list[float] = []
    due = dict.fromkeys(range(10), 90.0)
    while (now := min(due.values())) < 86_400:
        job = min(due, key=lambda each: due[each])
        made.append(now)
        share = Share((DAY,), (len(made),), 10)
        due[job] = now + shared_look(next_look(PACE, now, None, EVEN), share)
    assert len(made) <= 70
    assert sum(1 for at in made if at < 1000) >= 20
    assert sum(1 for at in made if at > 14_400) >= 5


@given(
    st.floats(1, 3600),
    st.integers(1, 10_000),
    st.integers(0, 20_000),
    st.integers(1, 100_000),
    st.sampled_from([1, 60, 3600, 86_400]),
)
def test_a_shared_look_is_never_sooner_than_the_usual_one(
    wait: float, count: int, used: int, jobs: int, window: int
) -> None:
    assert shared_look(wait, Share((Rate(count, window * SECOND),), (used,), jobs)) >= wait


def test_a_model_has_a_pace_of_its_own_unless_the_operator_says_otherwise() -> None:
    usual = ULAZAI.pace
    assert pace_of(ULAZAI, usual, "veo3").poll_after == 90
    assert pace_of(ULAZAI, usual, "veo3_fast") == usual
    assert pace_of(ULAZAI, usual, None) == usual
    said = pace_of(ULAZAI, replace(usual, poll_after=5, overdue_after=7), "veo3")
    assert (said.poll_after, said.overdue_after, said.poll_every) == (5, 7, 20)
