"""Callbacks: the path from a vendor's call to our 2xx, which is given after the commit and not before.

The token is checked before a byte of the body is awaited; a wrong one gets a constant 404 and leaves no trace. With a
valid one everything is kept, whatever it is, and answered 200.
"""

import asyncio
import hashlib
from collections.abc import Callable

from starlette.types import Receive, Scope, Send

from receiver.calls import kept_headers
from receiver.kit import Kit
from receiver.settle import Door, doubt, settle
from receiver.store.protocol import Applied, Change, Evidence
from receiver.web.body import Disconnected, read_body
from schemas.errors import BadToken, StoreUnavailable, Taken, TooLarge, Unreadable
from schemas.event import Source
from schemas.job import Job
from schemas.reading import Reading
from schemas.report import Report

MAX_BODY = 256 * 1024
PREFIX = "/callbacks/"
#: Vendors hang up after 5 to 10 s; better a 503 in time than a commit that nobody hears of.
COMMIT_WITHIN = 4.0
RETRY_AFTER = b"5"
#: The answer to a wrong token, whatever is wrong with it.
NO_TOKEN = b"Not Found\n"


class Callbacks:
    """The ASGI application behind `POST /callbacks/{account}/{token}`."""

    def __init__(self, kit: Kit, *, count: Callable[[str], None] = lambda _: None) -> None:
        """`count` is told how each callback ended: a verdict, `unauthentic`, `too_large`, `unavailable`."""
        self._kit = kit
        self._count = count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        # as it came: a token has one spelling, so one that had to be unquoted is not ours
        path = scope.get("raw_path", scope["path"].encode()).decode("latin-1")
        account, _, token = path.removeprefix(PREFIX).partition("/")
        try:
            job_id = self._kit.tokens.read(account, token)
        except BadToken:
            self._count("unauthentic")
            await _answer(send, 404, NO_TOKEN)
            return
        if scope["method"] != "POST":
            await _answer(send, 405, b"Only POST is taken here\n", (b"allow", b"POST"))
            return
        try:
            body = await read_body(receive, scope["headers"], MAX_BODY)
            await self._take(scope, send, account, job_id, body)
        except TooLarge:
            self._count("too_large")
            await self._ask_soon(job_id)
            await _answer(send, 413, b"The body is larger than 256 KiB\n")
        except Disconnected:
            return
        except (StoreUnavailable, TimeoutError):
            self._count("unavailable")
            await _answer(send, 503, b"Not stored; please call again\n", (b"retry-after", RETRY_AFTER))

    async def _take(self, scope: Scope, send: Send, account: str, job_id: str, body: bytes) -> None:
        evidence = self._evidence(scope, account, job_id, body)
        async with asyncio.timeout(COMMIT_WITHIN):
            applied = await self._apply(account, job_id, evidence)
        self._count(applied.change.verdict)
        known = self._kit.settings.accounts.get(account)
        status, words = known.vendor.callback_answer if known else (200, b"")
        await _answer(send, status, words, (b"clipbell-accepted", evidence.id.encode()))

    async def _apply(self, account: str, job_id: str, evidence: Evidence) -> Applied:
        door = Door(Source.CALLBACK, evidence.id, evidence.at)
        try:
            report = self._report(account, evidence.body)
        except Unreadable:
            return await self._kit.store.apply(job_id, lambda job: doubt(job, "unreadable", door.now), evidence)
        rules = self._kit.rules
        try:
            return await self._kit.store.apply(job_id, lambda job: settle(job, report, door, rules), evidence)
        except Taken:
            # the vendor's id in the body belongs to another job of ours already
            return await self._kit.store.apply(job_id, lambda job: doubt(job, "mismatch", door.now), evidence)

    def _report(self, account: str, body: bytes) -> Report:
        known = self._kit.settings.accounts.get(account)
        if known is None or known.vendor.report_from_callback is None:
            raise Unreadable("", "comes for an account that has no callbacks")
        return known.vendor.report_from_callback(Reading.parse(body), known.terms)

    def _evidence(self, scope: Scope, account: str, job_id: str, body: bytes) -> Evidence:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        return Evidence(
            id=self._kit.mint("evd_"),
            at=self._kit.now(),
            job_id=job_id,
            account=account,
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


async def _answer(send: Send, status: int, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    length = (b"content-length", str(len(body)).encode())
    fixed = [(b"content-type", b"text/plain; charset=utf-8"), length, (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": status, "headers": [*fixed, *headers]})
    await send({"type": "http.response.body", "body": body})
