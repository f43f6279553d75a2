"""Callbacks: the path from a vendor's call to our 2xx, which is given after the commit and not before.

The token is checked before a byte of the body is awaited; a wrong one gets a constant 404 and leaves no trace. With a
valid one everything is kept, whatever it is, and answered 200.
"""

import asyncio
import hashlib
from collections.abc import Callable

import structlog
from msgspec import Struct
from starlette.types import Receive, Scope, Send

from receiver.calls import KEPT_HEADERS, LONGEST_HEADER
from receiver.kit import Kit
from receiver.settle import Door, doubt, settle
from receiver.store.protocol import Applied, Change, Decide, Evidence
from receiver.web.body import Disconnected, read_body
from receiver.web.hatch import Headers, Reply
from schemas.errors import BadToken, StoreUnavailable, Taken, TooLarge, Unreadable
from schemas.event import Source
from schemas.job import Job
from schemas.reading import Reading
from schemas.report import Report

log = structlog.get_logger("clipbell.web")
MAX_BODY = 256 * 1024
_KEPT_HEADERS = {name.encode(): name for name in KEPT_HEADERS}
PREFIX = "/callbacks/"
#: Vendors hang up after 5 to 10 s; better a 503 in time than a commit that nobody hears of.
COMMIT_WITHIN = 4.0
#: The answer to a wrong token, whatever is wrong with it.
NO_TOKEN = b"Not Found\n"
_PLAIN: Headers = ((b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store"))
_UNAVAILABLE = Reply(503, (*_PLAIN, (b"retry-after", b"5")), b"Not stored; please call again\n")
_BROKEN = Reply(500, _PLAIN, b"This is a mistake of clipbell; its log says more\n")


class Called(Struct, frozen=True):
    """Whom a callback is for, by its token."""

    account: str
    job_id: str


class Callbacks:
    """What stands behind `POST /callbacks/{account}/{token}`: an ASGI application, and a hatch for the usual call."""

    prefix = PREFIX.encode()
    most = MAX_BODY
    patience = COMMIT_WITHIN
    late = _UNAVAILABLE

    def __init__(self, kit: Kit, *, count: Callable[[str], None] = lambda _: None) -> None:
        """`count` is told how each callback ended: a verdict, `unauthentic`, `too_large`, `unavailable`."""
        self._kit = kit
        self._count = count
        #: Second thoughts about callbacks that could not be kept as they were.
        self._under_way: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        # as it came: a token has one spelling, so one that had to be unquoted is not ours
        called = self.admit(scope.get("raw_path", scope["path"].encode()))
        if called is None:
            self._count("unauthentic")
            await _send(send, Reply(404, _PLAIN, NO_TOKEN))
        elif scope["method"] != "POST":
            await _send(send, Reply(405, (*_PLAIN, (b"allow", b"POST")), b"Only POST is taken here\n"))
        else:
            await self._read(called, scope, receive, send)

    async def _read(self, called: Called, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await read_body(receive, scope["headers"], MAX_BODY)
        except TooLarge:
            self._count("too_large")
            await self._ask_soon(called.job_id)
            await _send(send, Reply(413, _PLAIN, b"The body is larger than 256 KiB\n"))
        except Disconnected:
            return
        else:
            outcome, reply = await self._taken(called, *self._judged(called, scope["headers"], body))
            self._count(outcome)
            await _send(send, reply)

    # --- the hatch ---

    def note_late(self) -> None:
        """Count a commit that has not come in time."""
        self._count("unavailable")

    def admit(self, path: bytes) -> Called | None:
        """The account and the job that a path is good for; None: its token is none of ours."""
        account, _, token = path.decode("latin-1").removeprefix(PREFIX).partition("/")
        try:
            return Called(account, self._kit.tokens.read(account, token))
        except BadToken:
            return None

    def take(self, guest: Called, headers: Headers, body: bytes, reply: Callable[[Reply], bool]) -> None:
        """Keep a callback; reply after the commit."""
        evidence, decide = self._judged(guest, headers, body)

        def answer(outcome: str, said: Reply) -> None:
            if reply(said):
                self._count(outcome)

        def committed(future: asyncio.Future[Applied]) -> None:
            error = None if future.cancelled() else future.exception()
            if isinstance(error, StoreUnavailable):
                answer("unavailable", self.late)
            elif error is not None:
                # second thoughts, under the same id of the evidence
                task = asyncio.create_task(self._think_again(guest, evidence, decide, answer))
                self._under_way.add(task)
                task.add_done_callback(self._under_way.discard)
            elif not future.cancelled():
                answer(*self._answer(guest, evidence, future.result()))

        try:
            asyncio.ensure_future(self._kit.store.apply(guest.job_id, decide, evidence)).add_done_callback(committed)
        except StoreUnavailable:
            answer("unavailable", self.late)

    async def _think_again(
        self, called: Called, evidence: Evidence, decide: Decide, answer: Callable[[str, Reply], None]
    ) -> None:
        try:
            answer(*await self._taken(called, evidence, decide))
        finally:
            # the first reply counts: this one is for a mistake of ours, so that nobody waits for it
            answer("broken", _BROKEN)

    # --- what both do ---

    def _judged(self, called: Called, headers: Headers, body: bytes) -> tuple[Evidence, Decide]:
        """What is kept of a callback, and what it asks for once the job's row is locked."""
        self._kit.share.note_callback()
        evidence = self._evidence(called, headers, body)
        door = Door(Source.CALLBACK, evidence.id, evidence.at)
        rules = self._kit.rules
        try:
            report = self._report(called.account, body)
        except Unreadable:
            return evidence, lambda job: doubt(job, "unreadable", door.now)
        except Exception as error:  # noqa: BLE001 - a mistake in a vendor's file must not cost us what was sent
            log.warning("callback not understood", account=called.account, error=type(error).__name__)
            return evidence, lambda job: doubt(job, "unreadable", door.now)
        return evidence, lambda job: settle(job, report, door, rules)

    async def _taken(self, called: Called, evidence: Evidence, decide: Decide) -> tuple[str, Reply]:
        try:
            async with asyncio.timeout(COMMIT_WITHIN):
                applied = await self._applied(called.job_id, evidence, decide)
        except (StoreUnavailable, TimeoutError):
            return "unavailable", self.late
        return self._answer(called, evidence, applied)

    async def _applied(self, job_id: str, evidence: Evidence, decide: Decide) -> Applied:
        try:
            return await self._kit.store.apply(job_id, decide, evidence)
        except Taken:
            # the vendor's id in the body belongs to another job of ours already
            return await self._kit.store.apply(job_id, lambda job: doubt(job, "mismatch", evidence.at), evidence)

    def _answer(self, called: Called, evidence: Evidence, applied: Applied) -> tuple[str, Reply]:
        known = self._kit.settings.accounts.get(called.account)
        status, words = known.vendor.callback_answer if known else (200, b"")
        reply = Reply(status, (*_PLAIN, (b"clipbell-accepted", evidence.id.encode())), words)
        return applied.change.verdict, reply

    def _report(self, account: str, body: bytes) -> Report:
        known = self._kit.settings.accounts.get(account)
        if known is None or known.vendor.report_from_callback is None:
            raise Unreadable("", "comes for an account that has no callbacks")
        return known.vendor.report_from_callback(Reading.parse(body), known.terms)

    def _evidence(self, called: Called, headers: Headers, body: bytes) -> Evidence:
        return Evidence(
            id=self._kit.mint("evd_"),
            at=self._kit.now(),
            job_id=called.job_id,
            account=called.account,
            kind="callback",
            body=body,
            sha256=hashlib.sha256(body).hexdigest(),
            headers=kept_headers(headers),
        )

    async def _ask_soon(self, job_id: str) -> None:
        def decide(job: Job | None) -> Change:
            return doubt(job, "unreadable", self._kit.now())

        try:
            await self._kit.store.apply(job_id, decide)
        except StoreUnavailable:
            self._count("unavailable")


def kept_headers(headers: Headers) -> dict[str, str]:
    """The headers of a callback that are kept, cut to a sane length."""
    return {
        _KEPT_HEADERS[name]: value[:LONGEST_HEADER].decode("latin-1")
        for name, value in headers
        if name in _KEPT_HEADERS
    }


async def _send(send: Send, reply: Reply) -> None:
    headers = [*reply.headers, (b"content-length", b"%d" % len(reply.body))]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})
