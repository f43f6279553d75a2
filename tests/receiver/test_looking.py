"""What a look changes: verdicts, next looks, alerts, giving up. Figures by hand."""

from decimal import Decimal
from typing import Any

import pytest

from receiver.looking import Look, after_look, after_waiting, kind_of
from receiver.outlook import Outlook
from receiver.pace import Learned, Share
from receiver.settings import Account
from receiver.store.accounts import Rate
from receiver.store.protocol import Change
from schemas.answers import Busy, LookOutcome, Missing, Refused, Unclear
from schemas.event import Source
from schemas.job import Claim, Job, JobState
from schemas.report import Said
from schemas.values import replace
from schemas.vendor import Pace, VendorError
from tests.support.jobs import AIVIDEOAPI, NOON, SECOND, VREX, door, job, report, rules

HOUR = 3600 * SECOND
RUNNING = report(Said.RUNNING)
NO_KEY = Refused(401, VendorError("UNAUTHORIZED", "no"), stops=True)
BUSY = Busy(30, VendorError("RATE_LIMITED", "slow down"))
EVEN = 0.5


def account(vendor: Any = VREX, **pace: float) -> Account:
    made: Any = Account.__new__(Account)
    for name, value in {"name": "vrex", "vendor": vendor, "pace": replace(vendor.pace, **pace)}.items():
        object.__setattr__(made, name, value)
    found: Account = made
    return found


def looked(
    before: Job | None, outcome: LookOutcome, after: float = 120, *, outlook: Outlook | None = None, **how: Any
) -> Change:
    pace = how.pop("pace", {})
    look = Look(account(**pace), outcome, outlook or Outlook(), EVEN, **how)
    return after_look(before, look, door(Source.POLL, NOON + int(after * SECOND)), rules())


def changed(change: Change) -> Job:
    assert change.job is not None
    return change.job


def wait(change: Change, after: float = 120) -> float:
    next_at = changed(change).next_at
    assert next_at is not None
    return next_at / SECOND - NOON / SECOND - after


# --- the next look -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", [RUNNING, Missing(), Unclear("HTTP 500"), report(Said.COMPLETED, videos=())])
def test_what_is_no_verdict_sets_the_next_look(outcome: LookOutcome) -> None:
    change = looked(job(looks=2), outcome)
    assert (changed(change).state, changed(change).looks) == (JobState.RUNNING, 3)
    assert wait(change) == pytest.approx(20)
    assert (change.told, change.raised, change.cleared) == ((), (), ())


def test_a_verdict_settles_and_sets_nothing() -> None:
    change = looked(job(), report())
    assert (changed(change).state, changed(change).next_at) == (JobState.COMPLETED, None)
    assert len(change.told) == 1


def test_a_look_that_comes_after_the_verdict_changes_nothing() -> None:
    settled = job(state=JobState.COMPLETED, next_at=None)
    assert looked(settled, report(Said.FAILED)).verdict == "contradiction"
    assert looked(settled, report()).verdict == "duplicate"
    assert looked(settled, Unclear("cut")).job is None
    assert looked(None, report()).job is None


def test_a_vendor_that_is_busy_says_itself_when() -> None:
    assert wait(looked(job(), BUSY)) == pytest.approx(31.5)


def test_the_pace_follows_what_was_learned_and_what_is_shared() -> None:
    lessons = Outlook(lessons={"veo-3.1-lite": Learned(30, 40, 50)})
    assert wait(looked(job(), RUNNING, 450, outlook=lessons), 450) == pytest.approx(70)
    shared = Outlook(share=Share((Rate(10, 60 * SECOND),), (0,), 70))
    assert wait(looked(job(), RUNNING, outlook=shared)) == pytest.approx(600)


def test_an_unreadable_answer_is_kept_as_such() -> None:
    assert looked(job(), Unclear("not JSON")).verdict == "unreadable"


# --- claims ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("since", "seconds"), [(0, 2.0), (7, 7.0), (60, 20.0)])
@pytest.mark.parametrize("outcome", [RUNNING, Missing(), Unclear("HTTP 500")])
def test_a_claim_that_is_not_confirmed_yet_is_asked_for_again_soon_and_then_slower(
    outcome: LookOutcome, since: int, seconds: float
) -> None:
    change = looked(job(claim=Claim("failed", "evd_0", NOON)), outcome, since)
    assert changed(change).claim is not None
    assert wait(change, since) == pytest.approx(seconds)


def test_a_failure_against_a_callback_that_says_completed_is_believed_only_in_time() -> None:
    claimed = job(claim=Claim("completed", "evd_0", NOON))
    soon = looked(claimed, report(Said.FAILED), 5)
    assert (soon.verdict, changed(soon).state, changed(soon).claim) == (
        "contradiction",
        JobState.RUNNING,
        claimed.claim,
    )
    later = looked(claimed, report(Said.FAILED), 31)
    assert changed(later).state is JobState.FAILED


def test_a_clip_against_a_callback_that_says_failed_is_believed_at_once() -> None:
    change = looked(job(claim=Claim("failed", "evd_0", NOON)), report(), 1)
    assert (changed(change).state, changed(change).settled_by) == (JobState.COMPLETED, Source.POLL)


@pytest.mark.parametrize(
    ("after", "claim", "kind"),
    [
        (60, None, "look"),
        (60, Claim("failed", "evd_0", NOON), "confirm"),
        (1801, None, "renewal"),
        (1801, Claim("failed", "evd_0", NOON), "renewal"),
        (3601, None, "look"),
    ],
)
def test_a_clip_that_may_be_gone_soon_is_urgent(after: int, claim: Claim | None, kind: str) -> None:
    assert kind_of(job(claim=claim), account(), NOON + after * SECOND) == kind


def test_a_clip_that_lives_for_ever_is_never_urgent() -> None:
    assert kind_of(job(), account(AIVIDEOAPI), NOON + HOUR) == "look"


# --- accounts ----------------------------------------------------------------------------------------------


def test_a_refused_key_raises_one_alert_and_leaves_the_job_alone_for_a_minute() -> None:
    change = looked(job(), NO_KEY)
    assert [(raised.code, raised.subject) for raised in change.raised] == [("account.stopped", "vrex")]
    assert "UNAUTHORIZED, HTTP 401" in change.raised[0].text
    assert wait(change) == 60
    assert changed(change).state is JobState.RUNNING


def test_a_spending_limit_raises_the_same_alert() -> None:
    change = looked(job(), Busy(30, VendorError("spend_limit_exceeded", "no"), stops=True))
    assert [raised.code for raised in change.raised] == ["account.stopped"]
    assert looked(job(), BUSY).raised == ()


def test_an_account_that_answers_again_clears_it() -> None:
    change = looked(job(), RUNNING, answers_again=True)
    assert [(cleared.code, cleared.subject) for cleared in change.cleared] == [("account.stopped", "vrex")]


# --- too long ----------------------------------------------------------------------------------------------


def test_overdue_is_raised_once_after_a_fresh_look() -> None:
    change = looked(job(), RUNNING, 1800)
    assert [raised.code for raised in change.raised] == ["job.overdue"]
    assert changed(change).overdue_at == NOON + 1800 * SECOND
    assert looked(changed(change), RUNNING, 1900).raised == ()
    assert looked(job(), RUNNING, 1799).raised == ()


def test_without_an_answer_a_job_is_overdue_in_twice_the_time() -> None:
    assert looked(job(), Unclear("no network"), 1800, answered=False).raised == ()
    assert len(looked(job(), Unclear("no network"), 3600, answered=False).raised) == 1
    assert len(looked(job(), Unclear("HTTP 500"), 1800).raised) == 1


def test_what_is_settled_clears_what_was_raised() -> None:
    change = looked(job(overdue_at=NOON), report())
    assert [cleared.code for cleared in change.cleared] == ["job.overdue"]


def test_a_job_is_given_up_in_the_end_and_never_judged() -> None:
    change = looked(job(overdue_at=NOON), RUNNING, 86_400)
    given_up = changed(change)
    assert (given_up.state, given_up.next_at, given_up.failure) == (JobState.ABANDONED, None, None)
    assert [raised.code for raised in change.raised] == ["job.abandoned"]
    assert (change.told, change.lines) == ((), ())


def test_a_vendor_that_cannot_be_reached_then_is_given_an_hour_more() -> None:
    before = job(overdue_at=NOON)
    change = looked(before, Unclear("no network"), 90_000, answered=False)
    assert changed(change).state is JobState.RUNNING
    assert changed(change).give_up_at == NOON + 93_600 * SECOND
    assert changed(looked(changed(change), RUNNING, 93_500)).state is JobState.RUNNING
    last = looked(changed(change), Unclear("no network"), 93_600, answered=False)
    assert changed(last).state is JobState.ABANDONED


def test_a_job_that_was_given_up_is_looked_at_once_when_somebody_asks() -> None:
    before = job(state=JobState.ABANDONED, next_at=None, give_up_at=NOON, overdue_at=NOON)
    nothing = changed(looked(before, Missing(), 90_000))
    assert (nothing.state, nothing.next_at) == (JobState.ABANDONED, None)
    change = looked(before, RUNNING, 90_000)
    assert (changed(change).state, changed(change).give_up_at) == (JobState.RUNNING, NOON + 176_400 * SECOND)
    # as overdue as it was, until there is a verdict
    assert {cleared.code for cleared in change.cleared} == {"job.abandoned", "job.unknown"}
    assert changed(looked(before, report(), 90_000)).state is JobState.COMPLETED


def test_a_rejected_job_is_not_polled() -> None:
    before = job(state=JobState.REJECTED, next_at=None)
    assert changed(looked(before, Missing())).next_at is None


# --- nobody to ask -----------------------------------------------------------------------------------------


def waited(before: Job | None, after: int) -> Change:
    return after_waiting(before, account(), NOON + after * SECOND, rules())


def test_a_job_that_nobody_can_be_asked_about_waits_for_its_ends() -> None:
    unknown = job(state=JobState.UNKNOWN, vendor_job_id=None, submitted_at=None)
    first = waited(unknown, 60)
    assert (first.raised, changed(first).next_at) == ((), NOON + 1799 * SECOND)
    overdue = waited(unknown, 1800)
    assert [raised.code for raised in overdue.raised] == ["job.overdue"]
    assert changed(overdue).next_at == NOON + 86_400 * SECOND
    given_up = waited(changed(overdue), 86_400)
    assert (changed(given_up).state, changed(given_up).next_at) == (JobState.ABANDONED, None)


def test_what_is_over_is_left_alone() -> None:
    for before in (None, job(state=JobState.COMPLETED), job(state=JobState.ABANDONED)):
        assert waited(before, 99_999) == Change()


def test_a_job_without_an_end_is_asked_after_every_hour() -> None:
    endless = job(overdue_at=NOON, give_up_at=None)
    assert changed(waited(endless, 60)).next_at == NOON + 3660 * SECOND


def test_the_prices_and_the_pace_of_these_tests_are_the_vendors() -> None:
    assert VREX.prices["second"].amount == Decimal("0.017")
    assert VREX.pace == Pace()
