"""Limits: who goes first, who is let through a closed gate, and what a caller is told. Figures by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.limits import KINDS, busy, interval, kept_for_looks, opens_at, probe_after, room
from receiver.store.accounts import Gate, Rate
from tests.support.jobs import NOON, SECOND

MINUTE = 60 * SECOND
STOPPED = Gate("vrex", "", NOON + 5 * MINUTE, NOON, "invalid_api_key", stopped=True)
TOLD = Gate("vrex", "", NOON + 30 * SECOND, NOON, "RATE_LIMITED")


@pytest.mark.parametrize(
    ("kind", "waiting", "rooms"),
    [
        ("renewal", set(), (1, 9, 10, 100)),
        ("order", set(), (1, 9, 10, 100)),
        ("confirm", set(), (1, 9, 9, 90)),
        ("look", set(), (1, 9, 7, 70)),
        ("order", {"renewal"}, (0, 8, 9, 99)),
        ("order", {"confirm", "look"}, (1, 9, 10, 100)),
        ("confirm", {"renewal", "order"}, (0, 7, 8, 90)),
        ("look", {"order"}, (0, 8, 7, 70)),
        ("look", {"renewal", "order", "confirm"}, (0, 6, 7, 70)),
        ("of another kind", {"look"}, (0, 8, 9, 99)),
    ],
)
def test_the_less_urgent_leave_room_for_the_more_urgent(kind: str, waiting: set[str], rooms: tuple[int, ...]) -> None:
    assert tuple(room(count, kind, waiting) for count in (1, 9, 10, 100)) == rooms


@given(st.integers(0, 10_000), st.sets(st.sampled_from(KINDS)), st.integers(0, 50))
def test_nobody_has_more_room_than_somebody_more_urgent(count: int, waiting: set[str], keep: int) -> None:
    rooms = [room(count, kind, waiting, keep) for kind in KINDS]
    assert rooms == sorted(rooms, reverse=True)
    assert 0 <= min(rooms) <= max(rooms) <= count


def test_an_operators_figure_is_never_clamped_for_orders() -> None:
    assert [room(count, "order") for count in (1, 2, 10, 100_000)] == [1, 2, 10, 100_000]


@pytest.mark.parametrize(
    ("rates", "polled", "kept"),
    [
        ((Rate(100, MINUTE),), 0, 0),
        ((Rate(100, MINUTE),), 5, 5),
        ((Rate(100, MINUTE),), 500, 20),
        ((Rate(100, MINUTE), Rate(10, MINUTE)), 500, 2),
        ((Rate(4, MINUTE),), 500, 0),
        ((Rate(10, MINUTE, "order"),), 500, 0),
        ((), 500, 0),
    ],
)
def test_orders_from_the_queue_leave_a_part_to_jobs_that_only_looks_can_settle(
    rates: tuple[Rate, ...], polled: int, kept: int
) -> None:
    assert kept_for_looks(rates, polled) == kept


@pytest.mark.parametrize(
    ("gate", "after", "tries", "opens"),
    [
        (None, 0, None, 0),
        (TOLD, 0, None, TOLD.until),
        (TOLD, 0, 0, TOLD.until),
        (TOLD, 30, None, 0),
        (STOPPED, 0, None, STOPPED.until),
        (STOPPED, 300, None, 0),
        (STOPPED, 1, 0, 0),
        (STOPPED, 1, 1, 0),
        (STOPPED, 1, 2, NOON + 61 * SECOND),
        (STOPPED, 299, 2, STOPPED.until),
    ],
)
def test_a_gate_lets_in_whom_it_should(gate: Gate | None, after: int, tries: int | None, opens: int) -> None:
    assert opens_at(gate, NOON + after * SECOND, tries) == opens


def test_a_stopped_account_is_tried_at_growing_intervals() -> None:
    assert [probe_after(probes) // MINUTE for probes in (0, 1, 2, 5, 6, 500)] == [1, 2, 4, 32, 60, 60]


@pytest.mark.parametrize(
    ("rates", "kind", "seconds"),
    [
        ((), "look", 0.0),
        ((Rate(10, MINUTE),), "order", 6.0),
        ((Rate(10, MINUTE),), "look", 60 / 7),
        ((Rate(60, MINUTE), Rate(1000, 1440 * MINUTE)), "order", 86.4),
        ((Rate(24, 60 * MINUTE, "order"),), "order", 150.0),
        ((Rate(24, 60 * MINUTE, "order"),), "look", 0.0),
        ((Rate(0, MINUTE),), "order", 60.0),
    ],
)
def test_the_pace_that_every_window_sustains(rates: tuple[Rate, ...], kind: str, seconds: float) -> None:
    assert interval(rates, kind) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("gates", "why"),
    [
        ([], "vrex is at its limit of calls; try again in 30 s."),
        ([TOLD], "vrex asked us to wait (RATE_LIMITED); try again in 30 s."),
        ([STOPPED], "vrex refuses our calls (invalid_api_key), so none is made for now; try again in 30 s."),
        ([Gate("other", "", NOON + MINUTE, NOON, "x")], "vrex is at its limit of calls; try again in 30 s."),
        ([Gate("vrex", "", NOON, NOON, "past")], "vrex is at its limit of calls; try again in 30 s."),
    ],
)
def test_a_caller_is_told_why_he_has_to_wait(gates: list[Gate], why: str) -> None:
    told = busy("vrex", NOON + 30 * SECOND, NOON, gates)
    assert (str(told), told.retry_after) == (why, 30.0)
    assert busy("vrex", NOON, NOON, gates).retry_after == 1
