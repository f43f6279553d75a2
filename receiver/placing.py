"""What the outcome of a submission changes. Pure.

Only what provably made no job lets a job go or come back to the queue; everything in doubt is `unknown`, which is
never sent again by itself. A callback may have been faster than the answer.
"""

from dataclasses import dataclass
from typing import Protocol

from receiver.alerts import Notice
from receiver.gatekeeper import reason_of
from receiver.money import Stub, book_acceptance
from receiver.settle import SECOND, Rules, mended
from receiver.store.protocol import AlertRaised, Change
from schemas.answers import Busy, Refused, SubmitOutcome, Unclear
from schemas.event import Failure
from schemas.job import Job, JobState
from schemas.values import replace
from schemas.vendor import Accepted, Pace, Vendor


@dataclass(frozen=True, slots=True)
class NotSent:
    """The order provably did not reach the vendor. `unfit`: nor ever will, for something that is wrong with it."""

    reason: str
    unfit: bool = False


PlacingOutcome = SubmitOutcome | NotSent


class PlacingAccount(Protocol):
    """What placing needs to know of an account."""

    @property
    def vendor(self) -> Vendor:
        """The vendor's facts."""
        ...

    @property
    def pace(self) -> Pace:
        """When to look."""
        ...


@dataclass(frozen=True, slots=True)
class Placing:
    """One submission as it ends: when, by which evidence, and whether the order may wait in the queue."""

    account: PlacingAccount
    rules: Rules
    now: int
    evidence_id: str | None
    queued: bool = False
    #: Seconds to the first look; None: as the account's pace has it.
    first_look: float | None = None


def after_submission(job: Job | None, outcome: PlacingOutcome, placing: Placing) -> Change:
    """Decide what becomes of a job once its submission ended so."""
    if job is None:
        return Change()
    if isinstance(outcome, Accepted):
        return _accepted(job, outcome, placing)
    # unknown: the lease ran out under a stalled process, and now there is an answer after all
    if isinstance(outcome, Refused) and job.state in (JobState.SUBMITTING, JobState.UNKNOWN):
        return _rejected(job, outcome, placing)
    if job.state is not JobState.SUBMITTING:
        return Change(verdict="contradiction")  # evidence of the order was faster and says otherwise
    if isinstance(outcome, Unclear):
        return _unknown(job, outcome.reason, placing)
    return _not_taken(job, outcome, placing)


def _accepted(job: Job, accepted: Accepted, placing: Placing) -> Change:
    if job.vendor_job_id is not None and job.vendor_job_id != accepted.vendor_job_id:
        return Change(verdict="mismatch")
    now, pace = placing.now, placing.account.pace
    stub = Stub(placing.rules.mint, now, placing.evidence_id)
    books = book_acceptance(job, placing.account.vendor, accepted.estimate, stub)
    calm = placing.rules.alarm.cleared(Notice("account.stopped", job.account, now), f"{job.account} takes orders again")
    cleared = (*mended(job, now, placing.rules), calm)
    taken = replace(
        job,
        vendor_job_id=accepted.vendor_job_id,
        submitted_at=job.submitted_at or now,
        estimate=accepted.estimate or job.estimate,
        booked=books.booked,
        give_up_at=now + int(pace.give_up_after * SECOND),
    )
    if job.is_settled:
        return Change(job=replace(taken, give_up_at=None), lines=books.lines, cleared=cleared)
    first = pace.poll_after if placing.first_look is None else placing.first_look
    first = min(first, pace.overdue_after, pace.give_up_after)
    next_at = now if job.claim else now + int(first * SECOND)
    running = replace(taken, state=JobState.RUNNING, next_at=next_at, failure=None)
    return Change(job=running, lines=books.lines, cleared=cleared)


def _unknown(job: Job, reason: str, placing: Placing) -> Change:
    give_up_at = placing.now + int(placing.account.pace.give_up_after * SECOND)
    if job.vendor_job_id is not None:
        # a callback that awaits confirmation came before the answer was lost: the vendor has it
        return Change(job=replace(job, state=JobState.RUNNING, next_at=placing.now, give_up_at=give_up_at))
    pace, has_history = placing.account.pace, placing.account.vendor.history_request is not None
    # where nobody can be asked it is still to become overdue: from then on it holds no place at the vendor
    wait = pace.poll_every if has_history else min(pace.overdue_after, pace.give_up_after)
    next_at = placing.now + int(wait * SECOND)
    unknown = replace(job, state=JobState.UNKNOWN, next_at=next_at, give_up_at=give_up_at)
    facts = {"job": job.id, "account": job.account, "reason": reason}
    raised = placing.rules.alarm.raised(Notice("job.unknown", job.id, placing.now, unknown), facts)
    return Change(job=unknown, raised=(raised,))


def _rejected(job: Job, refused: Refused, placing: Placing) -> Change:
    if refused.stops and placing.queued and job.state is JobState.SUBMITTING:
        # what is wrong with the account is not wrong with the order: it waits until the account is well
        waiting = replace(job, state=JobState.QUEUED, next_at=None, tries=job.tries + 1)
        return Change(job=waiting, raised=(_stopped(job, reason_of(refused), placing),))
    error = refused.error
    message = error.message or f"the vendor answered HTTP {refused.status}"
    failure = Failure(error.code or f"http_{refused.status}", message)
    # only an order that was answered 202 consumes its key: one from the queue was
    key = job.idempotency_key if placing.queued else None
    rejected = replace(job, state=JobState.REJECTED, failure=failure, idempotency_key=key, next_at=None)
    raised = (_stopped(job, reason_of(refused), placing),) if refused.stops else ()
    return Change(job=rejected, raised=raised, cleared=mended(job, placing.now, placing.rules, ended=True))


def _stopped(job: Job, reason: str, placing: Placing) -> AlertRaised:
    facts = {"account": job.account, "reason": reason}
    return placing.rules.alarm.raised(Notice("account.stopped", job.account, placing.now), facts)


def _not_taken(job: Job, outcome: PlacingOutcome, placing: Placing) -> Change:
    raised = (_stopped(job, outcome.error.code, placing),) if isinstance(outcome, Busy) and outcome.stops else ()
    if not placing.queued:
        return Change(forget=True, raised=raised)
    if isinstance(outcome, NotSent) and outcome.unfit:
        return Change(
            job=replace(job, state=JobState.REJECTED, failure=Failure("invalid_order", outcome.reason), next_at=None)
        )
    wait = outcome.retry_after if isinstance(outcome, Busy) else min(5.0 * 2 ** min(job.tries, 6), 300.0)
    next_at = None if raised else placing.now + int(wait * SECOND)
    return Change(job=replace(job, state=JobState.QUEUED, next_at=next_at, tries=job.tries + 1), raised=raised)
