"""Watch: whether what we register with vendors reaches us. If not, looks do the work sooner, and a person is told.

Two signs: verdicts of one account that were found by looks although a callback was registered, and `public_url`, which
we call ourselves. Both are read from what is there anyhow, so that a callback's own path costs nothing more.
"""

import asyncio
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import structlog

from handlers.protocol import Http
from receiver.alerts import Notice
from receiver.kit import Kit
from receiver.limits import SECOND
from receiver.outlook import MISSING, PUBLIC_URL
from receiver.store.accounts import Past
from receiver.store.protocol import Query
from receiver.tokens import Seal
from schemas.errors import BadToken, NetError, StoreUnavailable
from schemas.event import Source

#: So many verdicts in a row that only looks have found.
IN_A_ROW = 3
#: A callback may be this much later than the look that was quicker.
GRACE = 5 * SECOND
#: Seconds between two glances at the jobs; how many of the newest settled ones are glanced at.
EVERY, NEWEST = 2.0, 500
#: Seconds from one call of ours to the next while they get through; and while they do not, after so many failures.
FIRST, WELL, ILL = 0.5, 300.0, (1.0, 2.0, 5.0, 10.0, 30.0)
#: So many failures in a row are told.
TELLING = 3
TIMEOUT = 10.0
NONCE, PROOF = "clipbell-nonce", "clipbell-proof"
_NONCE = re.compile(r"[A-Za-z0-9_-]{16,64}")
log = structlog.get_logger("clipbell.watch")


# --- callbacks that do not come ----------------------------------------------------------------------------


def do_not_come(past: Iterable[Past], last_callback: int | None, now: int) -> bool:
    """Whether an account's callbacks keep not coming, by its settled jobs and by when the latest of any came."""
    told = [each for each in past if each.callback and each.settled_at <= now - GRACE]
    last = sorted(told, key=lambda each: each.settled_at)[-IN_A_ROW:]
    if len(last) < IN_A_ROW or any(each.settled_by not in (Source.POLL, Source.HISTORY) for each in last):
        return False
    return last_callback is None or last_callback < last[0].settled_at


def come_again(standing: Mapping[str, int], callbacks: Mapping[str, int]) -> list[str]:
    """Accounts with a standing alert (raised when) of which a callback came since."""
    return sorted(name for name, raised in standing.items() if callbacks.get(name, 0) > raised)


# --- calling ourselves -------------------------------------------------------------------------------------


def seal_of(keys: Sequence[object]) -> Seal:
    """What proves that an answer comes from a process of this installation, whichever."""
    return Seal(keys, "instance.v1")  # type: ignore[arg-type] # keys as the settings have them


def proof(seal: Seal, nonce: str | None) -> str | None:
    """The answer to a caller's nonce; None where he gave none that is one."""
    return seal.seal(nonce) if nonce is not None and _NONCE.fullmatch(nonce) else None


async def leads_elsewhere(net: Http, public_url: str, seal: Seal) -> str | None:
    """Call ourselves by an address; answer why that does not lead here, None: it does."""
    nonce = secrets.token_urlsafe(24)
    try:
        answer = await net.call("GET", f"{public_url}/healthz", headers={NONCE: nonce}, timeout=TIMEOUT, max_bytes=4096)
    except NetError as error:
        return f"public_url cannot be reached from here: {error}"
    with suppress(BadToken):
        if seal.open(answer.headers.get(PROOF, "")) == nonce:
            return None
    return f"public_url leads to another server, which answered HTTP {answer.status}"


def wait_after(failures: int) -> float:
    """Seconds to the next call of ours, after so many failures in a row."""
    return ILL[min(failures, len(ILL)) - 1] if failures else WELL


@dataclass
class _Line:
    """How calls of ours fare, and whether there was one yet."""

    failures: int = 0
    is_known: bool = False


class Watch:
    """Watches. One for each process that works."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self._seal = seal_of(kit.settings.secret_keys)
        self._line = _Line()
        self._callbacks: dict[str, int] = {}
        self._seen = ""

    async def run(self) -> None:
        """Watch until cancelled."""
        await asyncio.gather(self._watch_callbacks(), self._watch_line())

    async def glance(self) -> None:
        """Raise and clear what the jobs and callbacks of the last while say. Raises: StoreUnavailable."""
        kit = self._kit
        now = kit.now()
        for account, (id_, at) in (await kit.store.latest_callbacks(self._seen)).items():
            self._callbacks[account] = max(at, self._callbacks.get(account, 0))
            self._seen = max(self._seen, id_)
        past = await kit.store.recent_past(NEWEST)
        standing = await self._standing()
        for name in kit.settings.accounts:
            mine = [each for each in past if each.account == name]
            if name not in standing and do_not_come(mine, self._callbacks.get(name), now):
                await self._raise(name, f"the last results of {name} were found by looking, no callback came", name)
        for name in come_again(standing, self._callbacks):
            await self._clear(name, f"Callbacks of {name} come in again")
        for name in standing.keys() - kit.settings.accounts.keys():
            await self._clear(name, f"{name} is not configured any more")

    async def call_ourselves(self) -> str | None:
        """Call `public_url`; answer why that does not lead here, None: it does."""
        return await leads_elsewhere(self._kit.net, self._kit.settings.public_url or "", self._seal)

    async def _watch_callbacks(self) -> None:
        while True:
            with suppress(StoreUnavailable):
                await self.glance()
            await asyncio.sleep(EVERY)

    async def _watch_line(self) -> None:
        if self._kit.settings.public_url is None:
            with suppress(StoreUnavailable):
                await self._clear(PUBLIC_URL, "public_url is not set any more")
            return
        while True:
            await asyncio.sleep(wait_after(self._line.failures) if self._line.is_known else FIRST)
            with suppress(StoreUnavailable):
                await self.try_line()

    async def try_line(self) -> None:
        """Call ourselves once, and tell of it where it fails again or works again. Raises: StoreUnavailable."""
        line = self._line
        reason = await self.call_ourselves()
        if reason is None:
            # after a start it is not known what an earlier process has told
            if line.failures or not line.is_known:
                await self._clear(PUBLIC_URL, "public_url leads here again")
            line.failures, line.is_known = 0, True
            return
        line.failures, line.is_known = line.failures + 1, True
        log.warning("our own call did not get through", reason=reason, failures=line.failures)
        if line.failures >= TELLING:
            await self._raise(PUBLIC_URL, reason, None)

    async def _standing(self) -> dict[str, int]:
        alerts = await self._kit.store.alerts(Query({"code": MISSING, "standing": True}, 200))
        return {alert["subject"]: alert["raised_at"] for alert in alerts if alert["subject"] != PUBLIC_URL}

    async def _raise(self, subject: str, reason: str, account: str | None) -> None:
        kit = self._kit
        now = kit.now()
        if await kit.store.alert(kit.rules.alarm.raised(Notice(MISSING, subject, now), {"reason": reason})):
            await kit.store.hasten_jobs(account, now, expecting=True)

    async def _clear(self, subject: str, text: str) -> None:
        kit = self._kit
        await kit.store.alert(kit.rules.alarm.cleared(Notice(MISSING, subject, kit.now()), text))
