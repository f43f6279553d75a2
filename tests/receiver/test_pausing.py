"""When a handler is left alone, for how long, and when it is well again: a table, and what alerts say."""

from typing import Any

import pytest

from handlers.protocol import Done, GiveUp, Outcome, TryLater
from receiver.pausing import FAILURES, PAUSES, Act, Health, Tried, facts_of, facts_of_absent, judged, telling
from receiver.store.parking import Pause
from tests.support.jobs import NOON, SECOND

LATER, REFUSED, GONE = TryLater("HTTP 500"), GiveUp("HTTP 404"), GiveUp("HTTP 410", gone=True)
CALM = Health(is_told=False)
FOUR = Health(failed=frozenset("1234"), is_told=False)
PAUSED = Health(Pause("team", NOON - 60 * SECOND, NOON, "HTTP 500", 2))


def tried(outcome: Outcome, delivery_id: str = "5", **fields: Any) -> Tried:
    return Tried("team", delivery_id, outcome, NOON, **fields)


def until(health: Health) -> float:
    assert health.pause is not None
    assert health.pause.until is not None
    return (health.pause.until - NOON) / SECOND


TABLE = [
    # at the start an alert may stand from before; the first success clears it
    (Health(), tried(Done()), Act.RESUME),
    (CALM, tried(Done()), Act.NOTHING),
    (FOUR, tried(Done()), Act.NOTHING),
    (PAUSED, tried(Done()), Act.RESUME),
    (PAUSED, tried(Done(), is_probe=True), Act.RESUME),
    (CALM, tried(LATER), Act.NOTHING),
    (FOUR, tried(LATER), Act.PAUSE),
    (FOUR, tried(LATER, "4"), Act.NOTHING),
    (FOUR, tried(REFUSED), Act.NOTHING),
    (CALM, tried(GONE), Act.PAUSE),
    (FOUR, tried(LATER, perishable=True), Act.ALARM),
    # what was under way when the pause began
    (PAUSED, tried(LATER), Act.NOTHING),
    (PAUSED, tried(GONE), Act.NOTHING),
    (PAUSED, tried(REFUSED), Act.NOTHING),
    (PAUSED, tried(LATER, is_probe=True), Act.PROLONG),
    (PAUSED, tried(GONE, is_probe=True), Act.PROLONG),
    (PAUSED, tried(REFUSED, is_probe=True), Act.PROLONG),
]


@pytest.mark.parametrize(("health", "attempt", "act"), TABLE)
def test_what_an_attempt_tells_of_its_handler(health: Health, attempt: Tried, act: Act) -> None:
    assert judged(health, attempt)[1] is act


def test_five_different_deliveries_in_a_row_pause_for_half_a_minute() -> None:
    health, acts = CALM, []
    for delivery_id in "1122333345":
        health, act = judged(health, tried(LATER, delivery_id))
        acts.append(act)
    assert acts == [Act.NOTHING] * 9 + [Act.PAUSE]
    assert health == Health(Pause("team", NOON, NOON + 30 * SECOND, "HTTP 500", 1))


def test_a_target_that_fails_alone_does_not_hold_up_the_others() -> None:
    health = CALM
    for number in range(FAILURES * 4):
        health, act = judged(health, tried(LATER, str(number), target="full@example.com", targets=2))
        assert act is Act.NOTHING
    assert len(health.failed) == FAILURES
    health, act = judged(health, tried(LATER, "other", target="ada@example.com", targets=2))
    assert act is Act.PAUSE
    assert health.targets == frozenset()


def test_a_success_between_them_begins_the_count_anew() -> None:
    health, _ = judged(FOUR, tried(Done()))
    for delivery_id in range(FAILURES - 1):
        health, act = judged(health, tried(LATER, str(delivery_id)))
        assert act is Act.NOTHING


def test_one_delivery_that_keeps_failing_pauses_nobody() -> None:
    health = CALM
    for _ in range(100):
        health, act = judged(health, tried(LATER))
        assert act is Act.NOTHING


def test_pauses_grow_with_every_probe_that_fails_up_to_a_quarter_of_an_hour() -> None:
    health, lengths = Health(Pause("team", NOON, NOON, "HTTP 500", 1)), []
    for _ in range(8):
        health, _ = judged(health, tried(LATER, is_probe=True))
        lengths.append(until(health))
    assert lengths == [60, 120, 240, 480, 900, 900, 900, 900]
    assert list(PAUSES) == [30, *lengths[:5]]


def test_who_wants_nothing_any_more_is_left_alone_for_the_longest_at_once() -> None:
    assert until(judged(CALM, tried(GONE))[0]) == 900


def test_a_probe_that_is_refused_for_its_own_sake_neither_ends_nor_lengthens_the_pauses() -> None:
    health, _ = judged(PAUSED, tried(REFUSED, is_probe=True))
    assert health.pause == Pause("team", NOON - 60 * SECOND, NOON + 60 * SECOND, "HTTP 500", 2)


def test_what_perishes_is_told_of_again_only_after_as_many_failures() -> None:
    health, told = CALM, []
    for number in range(FAILURES * 3):
        health, act = judged(health, tried(LATER, str(number), perishable=True))
        told += [number] if act is Act.ALARM else []
    assert told == [4, 9, 14]
    assert judged(health, tried(Done(), perishable=True))[1] is Act.RESUME


BATCHES: list[tuple[list[Outcome], int]] = [
    ([LATER, Done(), REFUSED], 1),
    ([REFUSED, LATER, GONE], 2),
    ([REFUSED, LATER], 1),
    ([REFUSED], 0),
]


@pytest.mark.parametrize(("outcomes", "which"), BATCHES)
def test_of_one_call_that_attempt_counts_which_says_most(outcomes: list[Outcome], which: int) -> None:
    batch = [tried(outcome, str(number)) for number, outcome in enumerate(outcomes)]
    assert telling(CALM, batch) is batch[which]


def test_one_call_fails_once_however_many_it_carried() -> None:
    batch = [tried(LATER, str(number)) for number in range(20)]
    health, acts = CALM, []
    for _ in range(FAILURES):
        health, act = judged(health, telling(health, batch))
        acts.append(act)
    assert acts == [Act.NOTHING] * 4 + [Act.PAUSE]


@pytest.mark.parametrize(
    ("facts", "trouble", "step"),
    [
        (facts_of(tried(LATER)), "failed 5 times in a row: HTTP 500", "what waits for it is kept and delivered then"),
        (facts_of(tried(GONE)), "wants no more: HTTP 410", "clipbell handlers test team"),
        (facts_of(tried(LATER, perishable=True)), "failed 5 times in a row: HTTP 500", "each clip goes on being tried"),
        (facts_of_absent("team", 1), "is not in the configuration, and 1 delivery waits for it", "[handlers.team]"),
        (facts_of_absent("team", 7), "is not in the configuration, and 7 deliveries wait for it", "start again"),
    ],
)
def test_alerts_say_what_is_wrong_and_what_to_do(facts: dict[str, str], trouble: str, step: str) -> None:
    assert facts["trouble"] == trouble
    assert step in facts["step"]
