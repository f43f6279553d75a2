"""Outlook: what this installation knows of an account beside its configuration, as doers need it. Reads only.

Open jobs, used calls, closed gates, whether callbacks come in, how long clips take. It is read from the store, so all
processes know the same, and kept for a few seconds: longer where the reading took long.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from receiver.kit import Kit
from receiver.pace import Learned, Share, learned
from receiver.settings import Account
from receiver.store.accounts import Gate, Past, Standing
from receiver.store.protocol import Query
from schemas.job import JobState

#: Seconds for which what was read holds; what is learned of clips holds for longer.
FRESH, LESSONS_FRESH = 2.0, 60.0
#: Reading takes at most this part of the time.
EFFORT = 0.02
#: The newest clips of all accounts that are learned from.
NEWEST = 2000
MISSING = "callbacks.missing"
#: The subject of the alert that says that nobody reaches us at all.
PUBLIC_URL = "public_url"


@dataclass(frozen=True, slots=True)
class Outlook:
    """One account as it stands."""

    share: Share = field(default_factory=Share)
    gates: tuple[Gate, ...] = ()
    #: Callbacks do not come in: looks have to do their work.
    early: bool = False
    #: Open jobs that only looks can settle.
    polled: int = 0
    lessons: Mapping[str | None, Learned] = field(default_factory=dict)

    def lesson(self, model: str | None) -> Learned | None:
        """How long clips of a model take."""
        return self.lessons.get(model)


@dataclass(frozen=True, slots=True)
class _Survey:
    standings: Sequence[Standing]
    gates: Sequence[Gate]
    missing: frozenset[str]


class Outlooks:
    """The outlooks of all accounts. One for each event loop."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self._survey: _Survey | None = None
        self._survey_until = 0.0
        self._lessons: Mapping[tuple[str, str | None], Learned] = {}
        self._lessons_until = 0.0
        self._used: dict[str, tuple[float, Sequence[int]]] = {}
        #: Of many who want to know at the same moment one reads.
        self._reading = asyncio.Lock()

    def forget(self) -> None:
        """Read anew the next time: something was just changed."""
        self._survey_until = 0.0

    async def of(self, account: Account) -> Outlook:
        """What is known of an account.

        Raises: StoreUnavailable.
        """
        async with self._reading:
            survey = await self._surveyed()
            await self._learn()
            used = await self._used_of(account)
        name, early = account.name, bool({account.name, PUBLIC_URL} & survey.missing)
        open_ = [each for each in survey.standings if each.account == name and each.state != JobState.QUEUED.value]
        polled = sum(each.number for each in open_ if early or not each.callback)
        return Outlook(
            share=Share(account.limits, used, max(polled, 1)),
            gates=tuple(gate for gate in survey.gates if gate.account == name),
            early=early,
            polled=polled,
            lessons={model: lesson for (whose, model), lesson in self._lessons.items() if whose == name},
        )

    async def _surveyed(self) -> _Survey:
        began = _monotonic()
        if self._survey is not None and began < self._survey_until:
            return self._survey
        store = self._kit.store
        standing = Query({"code": MISSING, "standing": True}, limit=200)
        standings, gates, alerts = await asyncio.gather(store.standings(), store.gates(), store.alerts(standing))
        self._survey = _Survey(standings, gates, frozenset(alert["subject"] for alert in alerts))
        self._survey_until = _fresh_until(began, FRESH)
        return self._survey

    async def _learn(self) -> None:
        began = _monotonic()
        if began < self._lessons_until:
            return
        self._lessons = lessons_of(await self._kit.store.recent_past(NEWEST))
        self._lessons_until = _fresh_until(began, LESSONS_FRESH)

    async def _used_of(self, account: Account) -> Sequence[int]:
        if not account.limits:
            return ()
        began = _monotonic()
        until, used = self._used.get(account.name, (0.0, ()))
        if began >= until or len(used) != len(account.limits):
            used = await self._kit.store.used_turns(account.name, account.limits, self._kit.now())
            self._used[account.name] = (_fresh_until(began, FRESH), used)
        return used


def lessons_of(past: Sequence[Past]) -> Mapping[tuple[str, str | None], Learned]:
    """What the completed clips of each account and model teach."""
    took: dict[tuple[str, str | None], list[float]] = defaultdict(list)
    for each in past:
        if each.state == JobState.COMPLETED.value and each.submitted_at is not None:
            took[each.account, each.model].append((each.settled_at - each.submitted_at) / 1_000_000)
    return {key: lesson for key, seconds in took.items() if (lesson := learned(seconds)) is not None}


def _fresh_until(began: float, seconds: float) -> float:
    now = _monotonic()
    return now + max(seconds, (now - began) / EFFORT)


def _monotonic() -> float:
    return asyncio.get_running_loop().time()
