"""What the outcome of a submission changes: only what provably made no job may be let go."""

from decimal import Decimal

import pytest

from receiver.placing import NotSent, Placing, PlacingOutcome, after_submission
from receiver.store.protocol import Change
from schemas.answers import Busy, Refused, Unclear
from schemas.event import Money
from schemas.job import Claim, Job, JobState
from schemas.values import replace
from schemas.vendor import Accepted, VendorError
from schemas.vendors.veo3gen import VENDOR as VEO3GEN
from tests.support.jobs import AIVIDEOAPI, NOON, SECOND, VREX, PlainAccount, job, rules, usd

SAID_NO = Refused(400, VendorError("VALIDATION_ERROR", "bad size"))
BUSY = Busy(30, VendorError("QUEUE_FULL", "full"))


def submitting(**fields: object) -> Job:
    return job(state=JobState.SUBMITTING, vendor_job_id=None, submitted_at=None, booked=None, **fields)


def placing(*, queued: bool = False, vendor: object = VREX) -> Placing:
    account = PlainAccount(vendor)  # type: ignore[arg-type] # the two constants are vendors
    return Placing(account, rules(), NOON, "evd_1", queued=queued)


def after(before: Job, outcome: PlacingOutcome, **how: bool) -> Change:
    return after_submission(before, outcome, placing(**how))


def changed(change: Change) -> Job:
    assert change.job is not None
    return change.job


def test_an_accepted_order_runs_and_its_charge_is_booked_by_the_vendors_figure() -> None:
    change = after(submitting(), Accepted("vg_1", usd("0.136")))
    ran = changed(change)
    assert (ran.state, ran.vendor_job_id, ran.submitted_at) == (JobState.RUNNING, "vg_1", NOON)
    assert ran.next_at == NOON + 120 * SECOND
    assert [(line.kind, line.amount, line.basis) for line in change.lines] == [
        ("charge", usd("0.136"), "vendor_figure")
    ]


def test_a_charge_that_the_vendor_does_not_name_is_booked_by_its_list() -> None:
    forty = Money(Decimal(40), "credits")
    before = submitting(estimate=forty)
    change = after_submission(before, Accepted("t1"), placing(vendor=AIVIDEOAPI))
    assert [(line.kind, line.amount, line.basis) for line in change.lines] == [("charge", forty, "price_list")]


def test_an_unknown_price_is_booked_as_unknown() -> None:
    change = after(submitting(estimate=None), Accepted("vg_1"))
    assert [(line.kind, line.amount) for line in change.lines] == [("unknown", None)]


@pytest.mark.parametrize("outcome", [Unclear("the answer was cut")])
def test_an_order_in_doubt_is_unknown_and_raises_an_alert(outcome: Unclear) -> None:
    change = after(submitting(), outcome)
    assert changed(change).state is JobState.UNKNOWN
    assert [raised.code for raised in change.raised] == ["job.unknown"]
    assert not change.forget


def test_a_refusal_leaves_a_rejected_job_that_gives_its_key_back() -> None:
    change = after(submitting(idempotency_key="k"), SAID_NO)
    rejected = changed(change)
    assert (rejected.state, rejected.idempotency_key) == (JobState.REJECTED, None)
    assert rejected.failure is not None
    assert rejected.failure.code == "VALIDATION_ERROR"


@pytest.mark.parametrize("outcome", [BUSY, NotSent("connection refused")])
def test_what_was_provably_not_taken_leaves_no_job(outcome: PlacingOutcome) -> None:
    assert after(submitting(), outcome).forget


@pytest.mark.parametrize(("outcome", "seconds"), [(BUSY, 30), (NotSent("connection refused"), 5)])
def test_a_queued_order_that_was_not_taken_waits_again(outcome: PlacingOutcome, seconds: int) -> None:
    waiting = changed(after(submitting(), outcome, queued=True))
    assert (waiting.state, waiting.next_at, waiting.tries) == (JobState.QUEUED, NOON + seconds * SECOND, 1)


@pytest.mark.parametrize("outcome", [BUSY, NotSent("x"), Unclear("x"), SAID_NO])
def test_a_job_whose_callback_was_faster_is_not_undone(outcome: PlacingOutcome) -> None:
    change = after(job(state=JobState.COMPLETED), outcome)
    assert (change.verdict, change.job, change.forget) == ("contradiction", None, False)


def test_an_answer_after_the_verdict_only_fills_in_what_was_missing() -> None:
    before = job(state=JobState.COMPLETED, submitted_at=None)
    change = after(before, Accepted("vg_1", usd("0.136")))
    assert changed(change).state is JobState.COMPLETED
    assert changed(change).submitted_at == NOON
    assert change.lines == ()


def test_an_answer_with_another_id_than_the_callback_is_a_mismatch() -> None:
    assert after(job(), Accepted("vg_2")).verdict == "mismatch"


def test_a_claim_that_came_first_is_looked_at_as_soon_as_the_answer_is_in() -> None:
    claimed = submitting(claim=Claim("failed", "evd_0", NOON))
    assert changed(after(claimed, Accepted("vg_1"))).next_at == NOON


def test_a_lost_answer_after_a_claim_is_no_mystery() -> None:
    claimed = job(state=JobState.SUBMITTING, claim=Claim("failed", "evd_0", NOON))
    ran = changed(after(claimed, Unclear("cut")))
    assert (ran.state, ran.next_at) == (JobState.RUNNING, NOON)


def test_an_order_of_unknown_fate_at_a_vendor_without_a_history_is_tended_when_it_becomes_overdue() -> None:
    lost = changed(after(submitting(), Unclear("cut")))
    assert VREX.history_request is None
    assert lost.state is JobState.UNKNOWN
    assert (lost.next_at, lost.give_up_at) == (NOON + 30 * 60 * SECOND, NOON + 24 * 3600 * SECOND)


def test_a_late_refusal_settles_an_order_whose_lease_ran_out() -> None:
    change = after(job(state=JobState.UNKNOWN), SAID_NO)
    assert changed(change).state is JobState.REJECTED
    assert [cleared.code for cleared in change.cleared] == ["job.unknown"]


def test_a_refused_key_raises_an_alert_for_the_account() -> None:
    change = after(submitting(), Refused(401, VendorError("UNAUTHORIZED", "no"), stops=True))
    assert [(raised.code, raised.subject) for raised in change.raised] == [("account.stopped", "vrex")]


def test_a_refused_order_frees_its_key_unless_it_was_answered_from_the_queue() -> None:
    before = submitting(idempotency_key="k")
    assert changed(after(before, SAID_NO)).idempotency_key is None
    assert changed(after(before, SAID_NO, queued=True)).idempotency_key == "k"


NO_KEY = Refused(401, VendorError("UNAUTHORIZED", "no"), stops=True)
SPENT = Busy(3600, VendorError("spend_limit_exceeded", "no"), stops=True)


@pytest.mark.parametrize("outcome", [NO_KEY, SPENT])
def test_an_order_from_the_queue_waits_in_line_until_its_account_is_well(outcome: PlacingOutcome) -> None:
    change = after(submitting(idempotency_key="k"), outcome, queued=True)
    waiting = changed(change)
    assert (waiting.state, waiting.next_at, waiting.idempotency_key) == (JobState.QUEUED, None, "k")
    assert [(raised.code, raised.subject) for raised in change.raised] == [("account.stopped", "vrex")]


def test_a_spending_limit_is_told_though_no_job_is_left() -> None:
    change = after(submitting(), SPENT)
    assert change.forget
    assert [raised.code for raised in change.raised] == ["account.stopped"]
    assert after(submitting(), BUSY).raised == ()


def test_the_first_look_is_when_it_is_of_use() -> None:
    soon = replace(placing(), first_look=7.5)
    assert changed(after_submission(submitting(), Accepted("vg_1"), soon)).next_at == NOON + 7_500_000


def test_an_order_in_doubt_is_sought_soon_where_the_vendor_has_a_history_and_else_waits() -> None:
    sought = changed(after_submission(submitting(), Unclear("cut"), placing(vendor=VEO3GEN)))
    assert (sought.next_at, sought.give_up_at) == (NOON + 20 * SECOND, NOON + 86_400 * SECOND)
    waiting = changed(after(submitting(), Unclear("cut")))
    assert (waiting.next_at, waiting.give_up_at) == (NOON + 1800 * SECOND, NOON + 86_400 * SECOND)
