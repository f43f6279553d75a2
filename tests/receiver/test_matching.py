"""Matching: which entry of a history is a lost order. Nothing is guessed at."""

from datetime import datetime
from typing import Any

import pytest

from receiver.matching import Ambiguous, Match, Nothing, chosen, may_be
from schemas.event import at
from schemas.job import Job, JobState
from schemas.report import Report, Said
from schemas.values import replace
from schemas.vendor import HistoryEntry
from tests.support.jobs import NOON, SECOND, job

PROMPT = "A majestic dragon soaring through clouds"


def lost(number: int = 1, **fields: Any) -> Job:
    usual = {"prompt": PROMPT, "model": "veo-3.1-fast-generate-001", "order_sha256": "one", "submitted_at": None}
    times = {"created_at": NOON + number * SECOND, "vendor_job_id": None}
    return job(id=f"job_{number}", state=JobState.UNKNOWN, **{**usual, **times, **fields})


def entry(number: int = 1, seconds: float = 1, **fields: Any) -> HistoryEntry:
    model = fields.pop("model", "veo-3.1-fast-generate-001")
    found = Report("completed", Said.COMPLETED, vendor_job_id=f"veo_{number}", model=model)
    return replace(HistoryEntry(found, at(NOON + int(seconds * SECOND)), PROMPT), **fields)


@pytest.mark.parametrize(
    ("fields", "may"),
    [
        ({}, True),
        ({"prompt": f"  {PROMPT}\n"}, True),
        ({"prompt": "A majestic dragon soaring..."}, True),
        ({"prompt": "A majestic dragon soaring…"}, True),
        ({"prompt": "A majestic dragon soaring"}, False),
        ({"prompt": "A maj..."}, False),
        ({"prompt": "Another one"}, False),
        ({"prompt": ""}, False),
        ({"prompt": None}, False),
        ({"created_at": None}, False),
        ({"seconds": -118}, True),
        ({"seconds": -120}, False),
        ({"seconds": 331}, True),
        ({"seconds": 332}, False),
        ({"model": None}, True),
        ({"model": "veo-3.1-fast-generate-preview"}, True),
        ({"model": "veo-3.1-generate-001"}, False),
    ],
)
def test_an_entry_has_to_agree_in_prompt_model_and_time(fields: dict[str, Any], may: bool) -> None:
    assert may_be(entry(**fields), lost(), submit_timeout=30) is may


def test_an_entry_without_an_id_is_of_no_use() -> None:
    nameless = entry()
    assert not may_be(replace(nameless, report=replace(nameless.report, vendor_job_id=None)), lost(), 30)


def test_a_prompt_that_params_replace_is_the_one_that_was_sent() -> None:
    order = lost(prompt="Not this", params={"prompt": PROMPT})
    assert may_be(entry(), order, 30)
    assert not may_be(entry(prompt="Not this"), order, 30)


def test_an_order_of_the_queue_counts_from_when_it_went_out() -> None:
    waited = lost(created_at=NOON - 86_400 * SECOND, sent_at=NOON)
    assert may_be(entry(), waited, 30)
    assert not may_be(entry(seconds=-86_399), waited, 30)


def taken(match: Match) -> str | None:
    return match.report.vendor_job_id if isinstance(match, HistoryEntry) else None


def test_one_entry_is_ours_and_none_is_nothing() -> None:
    assert taken(chosen(lost(), [entry()], [lost()])) == "veo_1"
    assert chosen(lost(), [], [lost()]) == Nothing()


def test_several_entries_are_not_guessed_at() -> None:
    found = chosen(lost(), [entry(2, 9), entry(1, 5)], [lost()])
    assert found == Ambiguous(("veo_1", "veo_2"))


def test_one_entry_that_two_different_orders_may_be_is_not_guessed_at() -> None:
    other = lost(2, order_sha256="other")
    assert chosen(lost(), [entry()], [lost(), other]) == Ambiguous(("veo_1",))


def test_the_same_order_lost_several_times_gets_an_entry_each() -> None:
    rivals = [lost(2), lost(1), lost(3)]
    entries = [entry(7, 9), entry(5, 5)]
    assert [taken(chosen(rival, entries, rivals)) for rival in sorted(rivals, key=lambda each: each.id)] == [
        "veo_5",
        "veo_7",
        None,
    ]
    assert chosen(lost(3), entries, rivals) == Nothing()


def test_more_entries_than_orders_of_ours_are_not_guessed_at() -> None:
    entries = [entry(1), entry(2), entry(3)]
    assert isinstance(chosen(lost(1), entries, [lost(1), lost(2)]), Ambiguous)


def test_orders_of_which_nothing_is_kept_are_not_taken_for_the_same() -> None:
    rivals = [lost(1, order_sha256=None), lost(2, order_sha256=None)]
    assert isinstance(chosen(rivals[0], [entry(1), entry(2)], rivals), Ambiguous)


def test_times_are_utc() -> None:
    created = entry().created_at
    assert isinstance(created, datetime)
    assert created.tzinfo is not None
