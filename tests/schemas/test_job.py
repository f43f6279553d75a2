"""Job: the table of transitions, written out once more by hand, and the shape of the contract."""

from decimal import Decimal

import pytest

from schemas.errors import IllegalTransition
from schemas.event import Failure, Money, Source, Video
from schemas.job import TRANSITIONS, VERDICTS, Job, JobState, Origin, check_transition

#: from -> to; a dot is a step that must not be
TABLE = """
                queued submitting running completed failed rejected unknown abandoned
    queued         =       x         .        .       .       x        .        .
    submitting     x       =         x        x       x       x        x        .
    running        .       .         =        x       x       .        .        x
    completed      .       .         .        =       .       .        .        .
    failed         .       .         .        .       =       .        .        .
    rejected       .       .         x        x       x       =        .        .
    unknown        .       .         x        x       x       x        =        x
    abandoned      .       .         x        x       x       x        .        =
"""


def steps() -> list[tuple[JobState, JobState, bool]]:
    head, *rows = [line.split() for line in TABLE.strip().splitlines()]
    return [
        (JobState(old), JobState(new), mark != ".")
        for old, *marks in rows
        for new, mark in zip(head, marks, strict=True)
    ]


@pytest.mark.parametrize(("old", "new", "legal"), steps(), ids=str)
def test_every_step_of_the_table(old: JobState, new: JobState, legal: bool) -> None:
    if legal:
        check_transition(old, new)
    else:
        with pytest.raises(IllegalTransition, match=f"from {old} to {new}"):
            check_transition(old, new)


def test_the_table_by_hand_has_every_state_in_both_directions() -> None:
    assert len(steps()) == len(JobState) ** 2
    assert set(TRANSITIONS) == set(JobState)


def test_a_verdict_is_final() -> None:
    assert {JobState.COMPLETED, JobState.FAILED} == VERDICTS
    assert not any(TRANSITIONS[state] for state in VERDICTS)


def test_what_is_unknown_is_never_queued_or_submitted_again() -> None:
    assert not TRANSITIONS[JobState.UNKNOWN] & {JobState.QUEUED, JobState.SUBMITTING}


@pytest.mark.parametrize("state", JobState)
def test_only_a_verdict_settles(state: JobState) -> None:
    assert Job("job_1", "vrex", "vrex", state, 0).is_settled is (state in {JobState.COMPLETED, JobState.FAILED})


def test_a_new_job_has_the_shape_of_the_contract() -> None:
    job = Job("job_1", "vrex", "vrex", JobState.QUEUED, 1_735_732_875_250_000)
    assert job.to_json() == {
        "id": "job_1",
        "vendor": "vrex",
        "account": "vrex",
        "origin": "ordered",
        "state": "queued",
        "vendor_job_id": None,
        "prompt": None,
        "model": None,
        "params": {},
        "tags": [],
        "metadata": {},
        "batch": None,
        "estimate": None,
        "cost": None,
        "videos": [],
        "failure": None,
        "overdue_at": None,
        "callback": False,
        "settled_by": None,
        "created_at": "2025-01-01T12:01:15.250Z",
        "submitted_at": None,
        "settled_at": None,
        "event_ids": [],
    }


def test_a_settled_job_says_all_it_knows_and_nothing_that_is_ours_alone() -> None:
    job = Job(
        id="job_1",
        vendor="vrex",
        account="vrex-client",
        state=JobState.FAILED,
        created_at=0,
        origin=Origin.ADOPTED,
        estimate=Money(Decimal("0.136"), "USD"),
        cost=Money(Decimal(40), "credits"),
        videos=(Video("https://e.com/a.mp4"),),
        failure=Failure("x", "y", refunded=False, refund_basis="vendor_figure"),
        settled_by=Source.PERSON,
        idempotency_key="secret-key",
        submitted_at=1_000_000,
        settled_at=2_000_000,
        overdue_at=3_000_000,
    )
    found = job.to_json(("evt_1",))
    assert found["origin"] == "adopted"
    assert (found["estimate"], found["cost"]) == (
        {"amount": "0.136", "unit": "USD"},
        {"amount": "40", "unit": "credits"},
    )
    assert found["videos"] == [{"url": "https://e.com/a.mp4", "mime_type": "video/mp4", "expires_at": None}]
    assert found["failure"] == {"code": "x", "message": "y", "refunded": False, "refund_basis": "vendor_figure"}
    assert (found["settled_by"], found["settled_at"], found["overdue_at"]) == (
        "person",
        "1970-01-01T00:00:02Z",
        "1970-01-01T00:00:03Z",
    )
    assert found["event_ids"] == ["evt_1"]
    assert "secret-key" not in str(found)
