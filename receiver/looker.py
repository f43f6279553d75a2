"""Look: ask a vendor about one job, keep the answer, settle by it. Also gets fresh URLs for its videos."""

from dataclasses import dataclass, replace

from receiver.alerts import Notice, span
from receiver.calls import call, evidence_of
from receiver.kit import Kit
from receiver.settings import Account
from receiver.settle import SECOND, Door, settle, with_ends
from receiver.store.protocol import Applied, Change, Evidence
from schemas.answers import Busy, LookOutcome, Missing, Refused, Unclear, read_look, read_renewal
from schemas.errors import NetError, Unanswered, VendorBusy
from schemas.event import Source, Video, at
from schemas.job import Job, JobState
from schemas.report import Report
from schemas.vendor import Answer, StatusRequest

#: Seconds that one look may take.
TIMEOUT = 10.0
#: Looks slow down by this factor each, up to so many times the first pace.
BACK_OFF, SLOWEST = 1.25, 30.0
#: Seconds until an account that refuses our key is tried again.
STOPPED_WAIT = 60.0


@dataclass(frozen=True, slots=True)
class Look:
    """One look as it ended."""

    account: Account
    outcome: LookOutcome
    evidence: Evidence | None


class Looker:
    """Asks vendors. One for each event loop."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit

    async def look(self, job: Job) -> Applied:
        """Ask the vendor about a job and settle by what it says; whatever it is, the next look is set.

        Raises: VendorBusy where a limit of ours does not allow the call now.
        """
        found = await self._ask(job)
        door = Door(Source.POLL, found.evidence.id if found.evidence else "", self._kit.now())
        return await self._kit.store.apply(job.id, lambda row: self._decide(row, found, door), found.evidence)

    async def fresh_videos(self, job_id: str) -> tuple[Video, ...]:
        """A completed job's videos with URLs as of now; () where the vendor has none.

        Raises: NetError, VendorBusy.
        """
        job = await self._kit.store.job(job_id)
        if job is None or job.vendor_job_id is None or job.account not in self._kit.settings.accounts:
            return ()
        vendor = self._kit.settings.accounts[job.account].vendor
        answer, evidence = await self._call(job, "renewal", vendor.renew_request or vendor.status_request)
        now = self._kit.now()
        videos = with_ends(self._videos(answer, job), vendor, at(now))
        await self._kit.store.apply(job.id, lambda row: _renewed(row, videos), evidence)
        return videos

    def _videos(self, answer: Answer, job: Job) -> tuple[Video, ...]:
        account, now = self._kit.settings.accounts[job.account], at(self._kit.now())
        if account.vendor.renew_request is not None:
            renewed = read_renewal(account.vendor, answer, now)
            if isinstance(renewed, tuple):
                return renewed
            raise Unanswered("the vendor gave no fresh URL")
        found = read_look(account.vendor, answer, account.terms, now)
        if isinstance(found, Unclear | Refused | Busy):
            raise Unanswered("the vendor gave no fresh URL")
        return found.videos if isinstance(found, Report) else ()

    async def _ask(self, job: Job) -> Look:
        account = self._kit.settings.accounts[job.account]
        try:
            answer, evidence = await self._call(job, "look", account.vendor.status_request)
        except NetError as error:
            return Look(account, Unclear(str(error)), None)
        return Look(account, read_look(account.vendor, answer, account.terms, at(self._kit.now())), evidence)

    async def _call(self, job: Job, kind: str, request_of: StatusRequest) -> tuple[Answer, Evidence]:
        kit = self._kit
        account = kit.settings.accounts[job.account]
        assert job.vendor_job_id is not None  # noqa: S101 - callers have seen to it; tells the type checker
        turn = await kit.store.take_turn(account.name, kind, account.limits, kit.now())
        if turn:
            wait = max((turn - kit.now()) / SECOND, 0.1)
            raise VendorBusy(f"{account.name} is at its limit of calls; try again in {wait:.0f} s.", retry_after=wait)
        answer = await call(kit, account, request_of(job.vendor_job_id, account.terms, job.model), TIMEOUT)
        return answer, evidence_of(kit, account, job.id, "status", answer)

    def _decide(self, job: Job | None, look: Look, door: Door) -> Change:
        rules = self._kit.rules
        outcome = look.outcome
        if job is None:
            return Change()
        if isinstance(outcome, Report):
            change = settle(job, outcome, door, rules)
            calm = rules.alarm.cleared(Notice("account.stopped", job.account, door.now), f"{job.account} answers again")
            change = replace(change, cleared=(*change.cleared, calm))
        elif isinstance(outcome, Missing):
            change = Change()
        else:
            change = Change(verdict="unreadable" if isinstance(outcome, Unclear) else "accepted")
        if isinstance(outcome, Refused):
            facts = {"account": job.account, "reason": f"{outcome.error.code or 'HTTP'} (HTTP {outcome.status})"}
            stopped = Notice("account.stopped", job.account, door.now)
            change = replace(change, raised=(rules.alarm.raised(stopped, facts),))
        return self._schedule(change.job or job, change, look, door.now)

    def _schedule(self, job: Job, change: Change, look: Look, now: int) -> Change:
        if job.is_settled:
            return change
        account = look.account
        if isinstance(look.outcome, Busy):
            wait = look.outcome.retry_after
        elif isinstance(look.outcome, Refused):
            wait = STOPPED_WAIT
        else:
            wait = pace_of(account.pace.poll_every, job.looks, self._kit.dice())
        job = replace(job, next_at=now + int(wait * SECOND), looks=job.looks + 1)
        return overdue_or_given_up(replace(change, job=job), job, account, now, self._kit)


def pace_of(every: float, looks: int, dice: float) -> float:
    """Seconds to the next look: slowing with their number, spread by ±10 %."""
    return min(every * BACK_OFF ** min(looks, 40), every * SLOWEST) * (0.9 + 0.2 * dice)


def overdue_or_given_up(change: Change, job: Job, account: Account, now: int, kit: Kit) -> Change:
    """After a fresh look that brought no verdict: raise job.overdue once, abandon at the end."""
    began = job.submitted_at or job.created_at
    age = span(now - began)
    facts = {"job": job.id, "account": job.account, "age": age, "vendor_job_id": job.vendor_job_id or "its history"}
    alarm = kit.rules.alarm
    if job.give_up_at is not None and now >= job.give_up_at and job.state in (JobState.RUNNING, JobState.UNKNOWN):
        given_up = replace(job, state=JobState.ABANDONED, next_at=None)
        raised = alarm.raised(Notice("job.abandoned", job.id, now, given_up), facts)
        return replace(change, job=given_up, raised=(*change.raised, raised))
    if job.overdue_at is None and now >= began + int(account.pace.overdue_after * SECOND):
        late = replace(job, overdue_at=now)
        raised = alarm.raised(Notice("job.overdue", job.id, now, late), facts)
        return replace(change, job=late, raised=(*change.raised, raised))
    return change


def _renewed(job: Job | None, videos: tuple[Video, ...]) -> Change:
    if job is None or job.state is not JobState.COMPLETED or not videos:
        return Change(verdict="duplicate")
    return Change(verdict="duplicate", job=replace(job, videos=videos))
