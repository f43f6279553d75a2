"""What every simulated vendor shares: who is let in, how an order and a look go, how faults strike them.

A vendor's own module gives the words: its routes, shapes, prices and checks. It is written from the vendor's page
alone; nothing of clipbell's own reading of that page is used, so that each checks the other.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, ClassVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from receiver.simulator.books import Account
from receiver.simulator.faults import Fault
from receiver.simulator.jobs import Draft, Job, State
from receiver.simulator.limits import Limit, Standing
from receiver.simulator.spoiled import spoil

if TYPE_CHECKING:
    from receiver.simulator.world import World


class Refusal(Exception):
    """An answer that says no, in the vendor's shape."""

    def __init__(self, status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.body = body
        self.headers = dict(headers or {})

    def answer(self) -> Response:
        """Give it as an HTTP answer."""
        return JSONResponse(self.body, self.status, self.headers)


@dataclass(frozen=True)
class Callback:
    """What is sent to a callback URL."""

    event: str
    body: bytes
    headers: Mapping[str, str]


class VendorSide(ABC):
    """One vendor, as its callers meet it."""

    name: ClassVar[str]
    #: what a client's base URL has after the vendor's own prefix
    base_path: ClassVar[str] = ""
    unit: ClassVar[str] = "credits"
    opening: ClassVar[Decimal] = Decimal(1_000_000)
    durations: ClassVar[tuple[float, float]]
    #: seconds that a file URL lives; None: for ever
    url_life: ClassVar[float | None] = None
    #: the wait before each attempt at a callback; empty: this vendor has none
    callback_waits: ClassVar[tuple[float, ...]] = ()
    charges_at_end: ClassVar[bool] = False
    limits: ClassVar[tuple[Limit, ...]] = ()
    #: jobs that a key may have under way; None: any number
    max_open: ClassVar[int | None] = None
    #: whether only orders count against the limits
    limits_orders_only: ClassVar[bool] = False
    retry_header: ClassVar[str] = "Retry-After"

    def __init__(self, world: "World") -> None:
        self.world = world

    @abstractmethod
    def routes(self) -> list[Route]:
        """Give the vendor's routes, without its prefix."""

    @abstractmethod
    def key_of(self, request: Request) -> str | None:
        """Give the key of a request, or None if there is none of the right form."""

    @abstractmethod
    def refusal(self, status: int, code: str | None = None, message: str | None = None) -> Refusal:
        """Say no in the vendor's shape; without a code, with the one that the page has for this status."""

    @abstractmethod
    def poor(self, account: Account, draft: Draft) -> Refusal:
        """Say that the account cannot pay for an order."""

    @abstractmethod
    def new_id(self) -> str:
        """Make an id in the vendor's format."""

    def times(self, draft: Draft) -> tuple[float, float]:
        """Give the fewest and the most seconds that an order takes."""
        return self.durations

    def prompt_in(self, content: Any) -> str:
        """Find the prompt in a body of whatever shape, for faults that are meant for some prompts only."""
        prompt = content.get("prompt") if isinstance(content, dict) else None
        return prompt if isinstance(prompt, str) else ""

    def callback(self, job: Job, state: State) -> Callback:
        """Write the callback that says a job has reached `state`."""
        raise NotImplementedError(f"{self.name} has no callbacks")

    def limit_headers(self, standing: Standing) -> dict[str, str]:
        """Write the headers that tell a caller of the limit."""
        headers = {"X-RateLimit-Limit": str(standing.limit), "X-RateLimit-Remaining": str(standing.remaining)}
        if standing.retry_after is not None:
            headers[self.retry_header] = str(standing.retry_after)
        return headers

    async def read(self, request: Request) -> Any:
        """Read a JSON body; raises the vendor's refusal for anything else."""
        try:
            return json.loads(await request.body())
        except ValueError:
            raise self.refusal(400, message="The request body is not valid JSON.") from None

    async def guarded(self, request: Request, work: Callable[[Account], Awaitable[Response]]) -> Response:
        """Let the caller in or not, do the work, and put the limit's headers on whatever is answered."""
        headers: dict[str, str] = {}
        self.world.timetable.run_due()
        try:
            answer = await work(self._admitted(request, headers))
        except Refusal as refusal:
            answer = refusal.answer()
        answer.headers.update(headers)
        return answer

    def _admitted(self, request: Request, headers: dict[str, str]) -> Account:
        key = self.key_of(request)
        if key is None:
            raise self.refusal(401)
        request.state.key = key
        account = self.world.books.account(self.name, key)
        if account.bad:
            raise self.revoked()
        if self.limits and (request.method == "POST" or not self.limits_orders_only):
            standing = self.world.windows.count(self.limits, self.name, key, self.world.clock.now())
            if not self.world.settings.enforce_limits:
                standing = Standing(standing.limit, standing.remaining, standing.reset_at, None)
            headers.update(self.limit_headers(standing))
            if standing.retry_after is not None:
                raise self.throttled(standing)
        return account

    def throttled(self, standing: Standing) -> Refusal:
        """Refuse a call above the limit."""
        return self.refusal(429)

    def revoked(self) -> Refusal:
        """Refuse a key of the right form that is not, or no longer, valid."""
        return self.refusal(401)

    def struck(self, fault: Fault) -> Refusal:
        """Say no because a fault wants it so."""
        made = fault.parameters
        refusal = self.refusal(fault.status or int(made["status"]), made["code"], made["message"])
        wait = made.get("retry_after")
        if wait is not None:
            at = self.world.clock.now() + float(wait)
            refusal.headers[self.retry_header] = formatdate(at, usegmt=True) if made["as_date"] else str(wait)
        return refusal

    async def submit(
        self,
        request: Request,
        check: Callable[[Any], Draft],
        answer: Callable[[Job, Account], Response],
        read: Callable[[Request], Awaitable[Any]] | None = None,
    ) -> Response:
        """Take an order: read, check, charge, accept, answer; each step as faults have it."""

        async def work(account: Account) -> Response:
            content = await (read or self.read)(request)
            fault = self.world.faults.take("submit", self.name, self.prompt_in(content))
            if fault and fault.status:
                raise self.struck(fault)
            job = await self._accepted(check(content), account, str(request.base_url))
            if fault and fault.what == "500_after":
                raise self.struck(fault)
            return await spoil(fault, answer(job, account), request, self.world.lines)

        return await self.guarded(request, work)

    async def _accepted(self, draft: Draft, account: Account, origin: str) -> Job:
        if self.max_open is not None and self.world.settings.enforce_limits and self._open(account) >= self.max_open:
            raise self.refusal(429, message="Too many generations are under way.")
        if account.balance < draft.cost:
            raise self.poor(account, draft)
        job = self.world.accept(self, draft, account, origin)
        if self.world.faults.take("callback", self.name, draft.prompt, only="early"):
            self.world.finish(job, ring=False)
            await self.world.callbacks.ring_now(self, job)
        return job

    def _open(self, account: Account) -> int:
        return sum((job.vendor, job.key) == (self.name, account.key) and not job.is_over for job in self.world.jobs)

    async def look(self, request: Request, answer: Callable[[Job], Response]) -> Response:
        """Answer a question about one job of the caller's own."""

        async def work(account: Account) -> Response:
            job = self.world.jobs.get(self.name, request.path_params["job_id"])
            fault = self.world.faults.take("look", self.name, job.draft.prompt if job else "")
            if fault and fault.status:
                raise self.struck(fault)
            if job is None or job.key != account.key:
                raise self.refusal(404)
            job.looks += 1
            return await spoil(fault, answer(job), request, self.world.lines)

        return await self.guarded(request, work)


def packed(body: object) -> bytes:
    """Write JSON as the vendors send it."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
