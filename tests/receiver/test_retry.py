"""When a delivery is tried again: the contract's schedule, as a table."""

import pytest

from receiver.retry import SECOND, failures_in_a_row, next_perishable_try, next_try, next_try_for_room
from receiver.store.protocol import Attempt

NOW = 1_000_000_000_000
MIDDLE = 0.5
STEPS = [5, 30, 120, 600, 3600, 10_800, 21_600, 43_200, 86_400, 86_400]


@pytest.mark.parametrize(("failed", "seconds"), list(enumerate(STEPS, start=1)))
def test_each_failure_waits_for_its_step(failed: int, seconds: int) -> None:
    assert next_try(failed, NOW, MIDDLE) == NOW + seconds * SECOND


def test_after_the_last_step_nothing_is_tried() -> None:
    assert next_try(len(STEPS) + 1, NOW, MIDDLE) is None


@pytest.mark.parametrize(("dice", "seconds"), [(0.0, 4), (1.0, 6)])
def test_a_step_is_spread_by_a_fifth(dice: float, seconds: int) -> None:
    assert next_try(1, NOW, dice) == NOW + seconds * SECOND


@pytest.mark.parametrize(("after", "seconds"), [(7, 7), (0, 1), (-5, 1), (1e9, 3600)])
def test_what_the_other_side_asks_for_goes_before_the_step(after: float, seconds: int) -> None:
    assert next_try(1, NOW, 0.0, after) == NOW + seconds * SECOND


@pytest.mark.parametrize(("failed", "seconds"), [(1, 1), (2, 2), (5, 16), (9, 256), (10, 300), (400, 300)])
def test_a_perishable_delivery_doubles_from_a_second_to_five_minutes(failed: int, seconds: int) -> None:
    assert next_perishable_try(failed, NOW, NOW, MIDDLE) == NOW + seconds * SECOND


def test_a_perishable_delivery_ends_after_a_week() -> None:
    assert next_perishable_try(1, NOW, NOW + 8 * 86_400 * SECOND, MIDDLE) is None


def test_a_dead_delivery_that_is_retried_begins_a_new_schedule() -> None:
    attempts = [Attempt(1, word) for word in ("later", "gave_up", "later", "later")]
    assert failures_in_a_row(attempts) == 2


@pytest.mark.parametrize(("waited", "seconds"), [(0, 5), (20, 5), (40, 10), (240, 60), (86_400, 60)])
def test_room_is_looked_for_more_and_more_rarely_but_each_minute(waited: int, seconds: int) -> None:
    assert next_try_for_room(NOW - waited * SECOND, NOW, MIDDLE) == NOW + seconds * SECOND
