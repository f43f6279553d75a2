"""Look: ask a vendor about one job, keep the answer, settle by it. Also gets fresh URLs for its videos.

What an answer changes is decided in `looking.py`.
"""

from receiver.calls import call, evidence_of
from receiver.gatekeeper import keep
from receiver.kit import Kit
from receiver.limits import busy
from receiver.looking import Look, after_look, kind_of
from receiver.outlook import Outlook, Outlooks
from receiver.settings import Account
from receiver.settle import Door, with_ends
from receiver.store.protocol import Applied, Change, Evidence
from schemas.answers import Busy, LookOutcome, NoNews, Refused, Unclear, read_look, read_renewal
from schemas.errors import NetError, Unanswered
from schemas.event import Source, Video, at
from schemas.job import Job, JobState
from schemas.report import Report
from schemas.values import replace
from schemas.vendor import Answer, StatusRequest

#: Seconds that one look may take.
TIMEOUT = 10.0


class Looker:
    """Asks vendors. One for each event loop."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self.outlooks = Outlooks(kit)

    async def look(self, job: Job) -> Applied:
        """Ask the vendor about a job and settle by what it says; whatever it is, the next look is set.

        Raises: VendorBusy where a limit of ours, or a word of the vendor, does not allow the call now.
        """
        kit = self._kit
        account = kit.settings.accounts[job.account]
        outlook = await self.outlooks.of(account)
        outcome, evidence = await self._ask(job, account, outlook)
        answers_again = await self._keep_gates(account, outcome, outlook)
        look = Look(account, outcome, outlook, kit.dice(), answers_again, answered=evidence is not None)
        door = Door(Source.POLL, evidence.id if evidence else "", kit.now())
        return await kit.store.apply(job.id, lambda row: after_look(row, look, door, kit.rules), evidence)

    async def fresh_videos(self, job_id: str) -> tuple[Video, ...]:
        """A completed job's videos with URLs as of now; () where the vendor has none.

        Raises: NetError, VendorBusy.
        """
        job = await self._kit.store.job(job_id)
        if job is None or job.vendor_job_id is None or job.account not in self._kit.settings.accounts:
            return ()
        account = self._kit.settings.accounts[job.account]
        vendor, outlook = account.vendor, await self.outlooks.of(account)
        request_of = vendor.renew_request or vendor.status_request
        answer, evidence = await self._call(job, "renewal", request_of, outlook)
        now = self._kit.now()
        found = _renewal_of(account, answer, now)
        await self._keep_gates(account, found, outlook)
        if isinstance(found, Unclear | Refused | Busy):
            raise Unanswered("the vendor gave no fresh URL")
        videos = with_ends(found, vendor, at(now)) if isinstance(found, tuple) else ()
        await self._kit.store.apply(job.id, lambda row: _renewed(row, videos), evidence)
        return videos

    async def _ask(self, job: Job, account: Account, outlook: Outlook) -> tuple[LookOutcome, Evidence | None]:
        kind = kind_of(job, account, self._kit.now())
        try:
            answer, evidence = await self._call(job, kind, account.vendor.status_request, outlook)
        except NetError as error:
            return Unclear(str(error)), None
        return read_look(account.vendor, answer, account.terms, at(self._kit.now())), evidence

    async def _call(self, job: Job, kind: str, request_of: StatusRequest, outlook: Outlook) -> tuple[Answer, Evidence]:
        kit = self._kit
        account = kit.settings.accounts[job.account]
        assert job.vendor_job_id is not None  # noqa: S101 - callers have seen to it; tells the type checker
        turn = await kit.store.take_turn(account.name, kind, account.limits, kit.now())
        if turn:
            raise busy(account.name, turn, kit.now(), outlook.gates)
        answer = await call(kit, account, request_of(job.vendor_job_id, account.terms, job.model), TIMEOUT)
        return answer, evidence_of(kit, account, job.id, "status", answer)

    async def _keep_gates(self, account: Account, outcome: object, outlook: Outlook) -> bool:
        answers_again = await keep(self._kit, account, outcome, outlook.gates, to_order=False)
        if answers_again or isinstance(outcome, Busy | Refused):
            self.outlooks.forget()
        return answers_again


def _renewal_of(account: Account, answer: Answer, now: int) -> tuple[Video, ...] | NoNews:
    if account.vendor.renew_request is not None:
        return read_renewal(account.vendor, answer, at(now))
    found = read_look(account.vendor, answer, account.terms, at(now))
    return found.videos if isinstance(found, Report) else found


def _renewed(job: Job | None, videos: tuple[Video, ...]) -> Change:
    if job is None or job.state is not JobState.COMPLETED or not videos:
        return Change(verdict="duplicate")
    return Change(verdict="duplicate", job=replace(job, videos=videos))
