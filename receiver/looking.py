"""What a look changes: the verdict if there is one, else the next look, and alerts where it takes too long. Pure.

Overdue and given up are never verdicts, and are found only by a fresh look: a laptop that slept proves nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from receiver.alerts import Notice, span
from receiver.gatekeeper import reason_of
from receiver.limits import SECOND
from receiver.outlook import Outlook
from receiver.pace import claim_look, next_look, pace_of, shared_look
from receiver.settings import Account
from receiver.settle import Door, Rules, settle
from receiver.store.protocol import Change
from schemas.answers import Busy, LookOutcome, Refused, Unclear
from schemas.job import Job, JobState
from schemas.report import Report, Said
from schemas.values import replace
from schemas.vendor import Pace

#: Seconds until a job is looked at again whose account refuses us; how often that is tried, its gate says.
STOPPED_WAIT = 60.0
#: A job's urgency grows when half of the time is over for which its vendor keeps clips.
PERISHING = 0.5
#: Seconds for which a failure is asked again that contradicts a callback: a status may lag behind.
DOUBTFUL = 30.0
#: Seconds more for a job whose vendor cannot be reached when it would be given up.
LONGEST_MORE = 3600.0
#: An order of unknown fate may have been under way for so long before its time to be given up was set.
SLACK = 600 * SECOND
#: States in which a job is looked at only when somebody asks for it.
RESTING = frozenset({JobState.REJECTED, JobState.ABANDONED})


@dataclass(frozen=True, slots=True)
class Look:
    """One look as it ended."""

    account: Account
    outcome: LookOutcome
    outlook: Outlook
    #: Within 0..1.
    dice: float
    #: Whether the account answers again after it was stopped.
    answers_again: bool = False
    #: Whether there was an answer at all, of whatever kind.
    answered: bool = True


def kind_of(job: Job, account: Account, now: int) -> str:
    """How urgent a look at a job is: a clip that may be gone soon goes before an order."""
    life, age = account.vendor.url_life, age_of(job, now)
    if life is not None and life * PERISHING < age < life:
        return "renewal"
    return "confirm" if job.claim is not None else "look"


def age_of(job: Job, now: int) -> float:
    """Seconds since the vendor took the order, as far as we know."""
    return (now - (job.submitted_at or job.created_at)) / SECOND


def after_look(job: Job | None, look: Look, door: Door, rules: Rules) -> Change:
    """Decide what becomes of a job once a look at it ended so."""
    if job is None:
        return Change()
    now = door.now
    change = _with_alerts(_said(job, look.outcome, door, rules), job, look, door, rules)
    after = change.job or job
    if after.is_settled:
        return change
    if after.state in RESTING:
        return replace(change, job=replace(after, looks=after.looks + 1))
    next_at = now + int(wait_after(after, look, now) * SECOND)
    if not isinstance(look.outcome, Busy | Refused):
        next_at = min([next_at, *(end for end in ends_of(after, look.account) if end > now)])
    again = replace(after, next_at=next_at, looks=after.looks + 1)
    if job.state is JobState.ABANDONED:
        # it is at work after all: it gets as long again
        again = replace(again, give_up_at=now + int(_pace(job, look.account).give_up_after * SECOND))
    ending = Ending(look.account, now, rules, answered=look.answered)
    return overdue_or_given_up(replace(change, job=again), again, ending)


def _said(job: Job, outcome: LookOutcome, door: Door, rules: Rules) -> Change:
    if not isinstance(outcome, Report):
        return Change(verdict="unreadable" if isinstance(outcome, Unclear) else "accepted")
    claim = job.claim
    denied = claim is not None and claim.said == Said.COMPLETED.value and outcome.said is Said.FAILED
    if claim is not None and denied and door.now - claim.at < DOUBTFUL * SECOND and not job.is_settled:
        return Change(verdict="contradiction")
    return settle(job, outcome, door, rules)


def _with_alerts(change: Change, job: Job, look: Look, door: Door, rules: Rules) -> Change:
    notice = Notice("account.stopped", job.account, door.now)
    # a refusal that stops nothing is no news of the account
    if isinstance(look.outcome, Refused) and look.outcome.stops:
        facts = {"account": job.account, "reason": reason_of(look.outcome)}
        return replace(change, raised=(*change.raised, rules.alarm.raised(notice, facts)))
    if isinstance(look.outcome, Busy) and look.outcome.stops:
        facts = {"account": job.account, "reason": look.outcome.error.code}
        return replace(change, raised=(*change.raised, rules.alarm.raised(notice, facts)))
    if look.answers_again:
        calm = rules.alarm.cleared(notice, f"{job.account} answers again")
        return replace(change, cleared=(*change.cleared, calm))
    return change


def after_waiting(job: Job | None, account: Account, now: int, rules: Rules) -> Change:
    """Decide what becomes of a job that nobody can be asked about, when its time has come."""
    if job is None or job.is_settled or job.state in RESTING:
        return Change()
    change = overdue_or_given_up(Change(job=job), job, Ending(account, now, rules))
    after = change.job or job
    if after.state is JobState.ABANDONED:
        return change
    next_at = min(ends_of(after, account), default=now + 3600 * SECOND)
    return replace(change, job=replace(after, next_at=max(next_at, now + SECOND)))


def ends_of(job: Job, account: Account) -> tuple[int, ...]:
    """The moments at which an unsettled job becomes overdue and is given up: a look is due then at the latest."""
    overdue = (job.submitted_at or job.created_at) + int(_pace(job, account).overdue_after * SECOND)
    ends = (overdue if job.overdue_at is None else None, job.give_up_at)
    return tuple(end for end in ends if end is not None)


def wait_after(job: Job, look: Look, now: int) -> float:
    """Seconds to the next look at a job that is not settled."""
    outcome, outlook = look.outcome, look.outlook
    if isinstance(outcome, Busy):
        return outcome.retry_after * (1 + 0.1 * look.dice)
    pace, lesson = _pace(job, look.account), outlook.lesson(job.model)
    if isinstance(outcome, Refused):
        return max(STOPPED_WAIT, pace.poll_every)
    wait = shared_look(next_look(pace, age_of(job, now), lesson, look.dice), outlook.share)
    if job.claim is not None:
        return claim_look(wait, (now - job.claim.at) / SECOND)
    return wait


@dataclass(frozen=True, slots=True)
class Ending:
    """What it is judged by whether a job takes too long. `answered`: whether its vendor was reached just now."""

    account: Account
    now: int
    rules: Rules
    answered: bool = True


def overdue_or_given_up(change: Change, job: Job, ending: Ending) -> Change:
    """After a look that brought no verdict: raise job.overdue once, abandon at the end.

    One without any answer proves little, for instance on a laptop that wakes before its network does: such a job is
    overdue in twice the time, and is given up only if nothing is heard for a while more.
    """
    now, alarm, facts = ending.now, ending.rules.alarm, _facts(job, ending.now)
    pace = _pace(job, ending.account)
    if job.give_up_at is not None and now >= job.give_up_at and job.state in (JobState.RUNNING, JobState.UNKNOWN):
        if not ending.answered and not _had_more_time(job, pace):
            more = min(pace.give_up_after, LONGEST_MORE)
            return replace(change, job=replace(job, give_up_at=now + int(more * SECOND)))
        given_up = replace(job, state=JobState.ABANDONED, next_at=None)
        raised = alarm.raised(Notice("job.abandoned", job.id, now, given_up), facts)
        return replace(change, job=given_up, raised=(*change.raised, raised))
    if job.overdue_at is None and age_of(job, now) >= pace.overdue_after * (1 if ending.answered else 2):
        late = replace(job, overdue_at=now)
        raised = alarm.raised(Notice("job.overdue", job.id, now, late), facts)
        return replace(change, job=late, raised=(*change.raised, raised))
    return change


def _had_more_time(job: Job, pace: Pace) -> bool:
    # an unknown one counts from when its answer was given up, which is a little later than when it went out
    went = job.submitted_at or (job.sent_at or job.created_at) + SLACK
    return job.give_up_at is not None and job.give_up_at > went + int(pace.give_up_after * SECOND)


def _facts(job: Job, now: int) -> Mapping[str, Any]:
    age = span(now - (job.submitted_at or job.created_at))
    return {"job": job.id, "account": job.account, "age": age, "vendor_job_id": job.vendor_job_id or "its history"}


def _pace(job: Job, account: Account) -> Pace:
    return pace_of(account.vendor, account.pace, job.model)
