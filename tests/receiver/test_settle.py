"""settle: one report in, one change out. Expectations by hand."""

from datetime import UTC, datetime

import pytest

from receiver.settle import settle
from receiver.store.protocol import Change
from schemas.event import EventType, Failure, Source, Trust, Video
from schemas.job import Claim, Job, JobState
from schemas.report import Said
from schemas.values import replace
from tests.support.jobs import NOON, SECOND, door, job, report, rules, usd


def settled(change: Change) -> Job:
    assert change.job is not None
    return change.job


def test_a_completed_callback_settles_the_job_and_tells_of_it_once() -> None:
    change = settle(job(), report(cost=usd("0.136")), door(), rules())
    assert change.verdict == "accepted"
    assert settled(change).state is JobState.COMPLETED
    assert settled(change).settled_by is Source.CALLBACK
    assert settled(change).next_at is None
    (told,) = change.told
    assert (told.event.type, told.event.source, told.event.trust) == (
        EventType.COMPLETED,
        Source.CALLBACK,
        Trust.TOKEN,
    )
    assert [delivery.handler for delivery in told.deliveries] == ["slack"]


def test_what_was_charged_at_accept_is_not_charged_again() -> None:
    change = settle(job(), report(cost=usd("0.136")), door(), rules())
    assert change.lines == ()
    assert settled(change).cost == usd("0.136")


def test_only_the_difference_to_the_vendors_figure_is_booked() -> None:
    change = settle(job(), report(cost=usd("0.102")), door(), rules())
    (line,) = change.lines
    assert (line.kind, line.amount, line.basis, line.evidence_id) == ("refund", usd("-0.034"), "vendor_figure", "evd_1")


def test_a_url_of_vrex_dies_an_hour_after_it_arrived() -> None:
    change = settle(job(), report(), door(), rules())
    assert settled(change).videos[0].expires_at == datetime(2025, 1, 1, 13, 1, 15, tzinfo=UTC)


def test_a_stated_end_of_a_url_is_kept() -> None:
    end = datetime(2025, 1, 1, 12, 30, tzinfo=UTC)
    said = report()
    change = settle(job(), replace(said, videos=(replace(said.videos[0], expires_at=end),)), door(), rules())
    assert settled(change).videos[0].expires_at == end


def test_a_failure_told_by_callback_is_first_a_claim() -> None:
    change = settle(job(), report(Said.FAILED), door(), rules())
    assert settled(change).state is JobState.RUNNING
    assert settled(change).claim == Claim("failed", "evd_1", NOON + 75 * SECOND)
    assert settled(change).next_at == NOON + 75 * SECOND
    assert change.told == ()


def test_a_claim_that_a_look_confirms_is_the_callbacks_verdict() -> None:
    claimed = job(claim=Claim("failed", "evd_0", NOON))
    failed = report(Said.FAILED, failure=Failure("generation_failed", "engine"))
    change = settle(claimed, failed, door(Source.POLL), rules())
    event = change.told[0].event
    assert (event.type, event.source, event.trust) == (EventType.FAILED, Source.CALLBACK, Trust.CONFIRMED)
    assert settled(change).settled_by is Source.CALLBACK
    assert settled(change).failure == Failure("generation_failed", "engine", True, "vendor_policy")


def test_a_claim_that_a_look_refutes_gives_way_to_the_look() -> None:
    claimed = job(claim=Claim("failed", "evd_0", NOON))
    change = settle(claimed, report(), door(Source.POLL), rules())
    event = change.told[0].event
    assert (event.type, event.source, event.trust) == (EventType.COMPLETED, Source.POLL, Trust.POLLED)


def test_a_failed_callback_is_believed_at_once_where_nothing_is_confirmed() -> None:
    change = settle(job(), report(Said.FAILED), door(), rules("never"))
    assert settled(change).state is JobState.FAILED
    (line,) = change.lines
    assert (line.kind, line.amount) == ("refund", usd("-0.136"))
    assert settled(change).cost is None


def test_a_completed_callback_is_a_claim_too_where_all_are_confirmed() -> None:
    change = settle(job(), report(), door(), rules("always"))
    assert settled(change).claim is not None
    assert change.told == ()


@pytest.mark.parametrize("state", [JobState.ABANDONED, JobState.UNKNOWN])
def test_a_claim_that_was_never_confirmed_is_asked_for_again_when_it_comes_once_more(state: JobState) -> None:
    claimed = job(state=state, claim=Claim("completed", "evd_1", NOON), next_at=None)
    after = settled(settle(claimed, report(), door(), rules("always")))
    assert (after.state, after.next_at) == (JobState.RUNNING, door().now)
    assert settle(replace(claimed, state=JobState.RUNNING), report(), door(), rules("always")).verdict == "duplicate"


@pytest.mark.parametrize("state", [JobState.COMPLETED, JobState.FAILED])
@pytest.mark.parametrize("said", [Said.COMPLETED, Said.FAILED])
def test_a_verdict_is_final(state: JobState, said: Said) -> None:
    change = settle(job(state=state), report(said), door(), rules())
    assert change.job is None
    assert change.told == ()
    assert change.verdict == ("duplicate" if state.value == said.value else "contradiction")


def test_news_from_before_the_verdict_changes_nothing() -> None:
    change = settle(job(state=JobState.COMPLETED), report(Said.RUNNING), door(), rules())
    assert (change.verdict, change.job, change.told) == ("accepted", None, ())


def test_another_vendor_job_in_the_body_makes_us_ask_and_changes_nothing_else() -> None:
    before = job()
    change = settle(before, report(vendor_job_id="vg_2"), door(), rules())
    assert change.verdict == "mismatch"
    assert change.job == replace(before, next_at=NOON + 75 * SECOND)
    assert change.told == ()


def test_an_unknown_word_is_never_terminal() -> None:
    change = settle(job(), report(None), door(), rules())
    assert change.verdict == "unknown_word"
    assert settled(change).state is JobState.RUNNING
    assert settled(change).next_at == NOON + 75 * SECOND


def test_a_completed_job_without_a_video_is_asked_for_again() -> None:
    change = settle(job(), report(videos=()), door(), rules())
    assert settled(change).state is JobState.RUNNING
    assert settled(change).next_at == NOON + 75 * SECOND
    assert change.told == ()


@pytest.mark.parametrize("url", ["javascript:alert(1)", "file:///etc/passwd", "ftp://a.example/v.mp4"])
def test_an_address_that_nobody_can_fetch_is_no_video(url: str) -> None:
    change = settle(job(), report(videos=(Video(url),)), door(), rules())
    assert settled(change).state is JobState.RUNNING
    assert settled(change).next_at == NOON + 75 * SECOND
    assert change.told == ()


def test_an_object_key_is_a_video_that_nobody_downloads() -> None:
    change = settle(job(), report(videos=(Video("video-gen/vg_1.mp4"),)), door(), rules())
    assert settled(change).state is JobState.COMPLETED
    assert settled(change).videos == (Video("video-gen/vg_1.mp4"),)


def test_a_callback_before_the_submit_answer_completes_the_job() -> None:
    early = job(state=JobState.SUBMITTING, vendor_job_id=None, submitted_at=None, booked=None)
    change = settle(early, report(cost=usd("0.136")), door(), rules())
    assert settled(change).state is JobState.COMPLETED
    assert settled(change).vendor_job_id == "vg_1"
    (line,) = change.lines
    assert (line.kind, line.amount) == ("charge", usd("0.136"))


@pytest.mark.parametrize("state", [JobState.UNKNOWN, JobState.ABANDONED, JobState.REJECTED])
def test_evidence_still_settles_a_job_without_a_verdict(state: JobState) -> None:
    change = settle(job(state=state, vendor_job_id=None), report(), door(), rules())
    assert settled(change).state is JobState.COMPLETED


def test_what_was_raised_for_a_job_is_cleared_when_it_settles() -> None:
    late = job(state=JobState.ABANDONED, overdue_at=NOON)
    change = settle(late, report(), door(), rules())
    assert [cleared.code for cleared in change.cleared] == ["job.overdue", "job.unknown", "job.abandoned"]


def test_the_cost_of_a_job_whose_vendor_never_said_is_the_lists() -> None:
    change = settle(job(), report(cost=None), door(), rules())
    assert settled(change).cost == usd("0.136")


def test_an_unknown_cost_is_none_and_never_zero() -> None:
    adopted = job(estimate=None, booked=None, submitted_at=None)
    change = settle(adopted, report(cost=None), door(), rules())
    assert settled(change).cost is None
    assert [(line.kind, line.amount) for line in change.lines] == [("unknown", None)]


def test_a_callback_for_a_job_that_is_gone_changes_nothing() -> None:
    assert settle(None, report(), door(), rules()) == Change(verdict="mismatch")
