"""History: finds an order whose answer was lost in what its vendor lists, where a vendor lists anything.

Nothing is ever sent again. Which entry it is, if any, is decided in `matching.py`; until then the job stays unknown,
and a person may say what he knows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from receiver.calls import call, evidence_of
from receiver.gatekeeper import keep
from receiver.kit import Kit
from receiver.limits import SECOND, busy
from receiver.looker import TIMEOUT
from receiver.looking import Ending, overdue_or_given_up
from receiver.matching import BEFORE, Ambiguous, Match, Nothing, began, chosen, may_be
from receiver.outlook import Outlook, Outlooks
from receiver.pace import next_look, pace_of, shared_look
from receiver.settings import Account
from receiver.settle import Door, settle
from receiver.store.protocol import Change, Evidence, Query
from schemas.answers import NoNews, read_history
from schemas.errors import NetError, Taken
from schemas.event import Failure, Source, at, micros
from schemas.job import Job, JobState
from schemas.values import replace
from schemas.vendor import HistoryEntry, HistoryPage

#: Entries of a page, and how many pages are turned back at most.
PAGE, PAGES = 100, 10
#: Lost orders of an account that are held against one another.
RIVALS = 200


@dataclass(frozen=True, slots=True)
class Search:
    """What a search found: entries that may be the order, and the page on which the last of them stands."""

    entries: tuple[HistoryEntry, ...]
    evidence: Evidence | None
    #: Whether the vendor was reached.
    answered: bool


class Historian:
    """Searches histories. One for each event loop."""

    def __init__(self, kit: Kit, outlooks: Outlooks) -> None:
        self._kit = kit
        self._outlooks = outlooks

    async def look(self, job: Job) -> None:
        """Search for a job of unknown fate, and settle by what is found; else set the next search.

        Raises: VendorBusy where the account allows no call now.
        """
        kit = self._kit
        account = kit.settings.accounts[job.account]
        outlook = await self._outlooks.of(account)
        search = await self._search(job, account, outlook)
        match = await self._match(job, account, search.entries)
        try:
            await self._apply(job, match, search, outlook)
        except Taken:
            # another job was quicker to take it: what is left is for the next search
            await self._apply(job, Nothing(), replace(search, evidence=None), outlook)

    async def _search(self, job: Job, account: Account, outlook: Outlook) -> Search:
        found: list[HistoryEntry] = []
        kept: Evidence | None = None
        answered = False
        for number in range(PAGES):
            page, evidence = await self._page(job, account, outlook, number)
            answered = answered or evidence is not None
            if not isinstance(page, HistoryPage):
                break
            mine = [entry for entry in page.entries if may_be(entry, job, account.submit_timeout)]
            found += mine
            kept = evidence if mine else kept
            if not page.more or _is_older(page, began(job) - BEFORE):
                break
        return Search(tuple(found), kept, answered)

    async def _page(
        self, job: Job, account: Account, outlook: Outlook, number: int
    ) -> tuple[HistoryPage | NoNews | None, Evidence | None]:
        kit, request_of = self._kit, account.vendor.history_request
        assert request_of is not None  # noqa: S101 - the keeper has seen to it; tells the type checker
        turn = await kit.store.take_turn(account.name, "look", account.limits, kit.now())
        if turn:
            raise busy(account.name, turn, kit.now(), outlook.gates)
        try:
            answer = await call(kit, account, request_of(PAGE, number * PAGE), TIMEOUT)
        except NetError:
            return None, None
        page = read_history(account.vendor, answer, account.terms, at(kit.now()))
        if not isinstance(page, HistoryPage):
            await keep(kit, account, page, outlook.gates, to_order=False)
        return page, evidence_of(kit, account, job.id, "history", answer)

    async def _match(self, job: Job, account: Account, entries: Sequence[HistoryEntry]) -> Match:
        free = [entry for entry in entries if await self._is_free(account, entry)]
        if not free:
            return Nothing()
        unknown = Query({"account": account.name, "state": JobState.UNKNOWN.value}, RIVALS)
        lost = await self._kit.store.jobs(unknown)
        rivals = [each for each in lost if any(may_be(entry, each, account.submit_timeout) for entry in free)]
        return chosen(job, free, rivals)

    async def _is_free(self, account: Account, entry: HistoryEntry) -> bool:
        vendor_job_id = entry.report.vendor_job_id
        assert vendor_job_id is not None  # noqa: S101 - `may_be` has seen to it; tells the type checker
        return await self._kit.store.job_by_vendor_id(account.name, vendor_job_id) is None

    async def _apply(self, job: Job, match: Match, search: Search, outlook: Outlook) -> None:
        kit, account, evidence = self._kit, self._kit.settings.accounts[job.account], search.evidence
        now = kit.now()
        pace, lesson = pace_of(account.vendor, account.pace, job.model), outlook.lesson(job.model)
        wait = shared_look(next_look(pace, (now - began(job)) / SECOND, lesson, kit.dice()), outlook.share)
        door = Door(Source.HISTORY, evidence.id if evidence else "", now)
        ending = Ending(account, now, kit.rules, answered=search.answered)

        def decide(row: Job | None) -> Change:
            if row is None or row.state is not JobState.UNKNOWN:
                return Change()  # a callback or a person was quicker
            if isinstance(match, HistoryEntry):
                change = settle(row, match.report, door, kit.rules)
                found = change.job or row
                return change if found.is_settled else replace(change, job=replace(found, next_at=now, failure=None))
            waiting = replace(row, next_at=now + int(wait * SECOND), looks=row.looks + 1, failure=_doubt(match))
            return overdue_or_given_up(Change(job=waiting), waiting, ending)

        await kit.store.apply(job.id, decide, evidence)


def _doubt(match: Match) -> Failure | None:
    if not isinstance(match, Ambiguous):
        return None
    ids = ", ".join(match.ids)
    text = f"the vendor's history has several jobs that may be this one ({ids}); say which with clipbell job --resolve"
    return Failure("ambiguous", text)


def _is_older(page: HistoryPage, moment: int) -> bool:
    times = [micros(entry.created_at) for entry in page.entries if entry.created_at is not None]
    return bool(times) and min(times) < moment
