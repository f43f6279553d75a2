"""Submit: the only place that spends money.

The job is written before the vendor is called, under a lease that is held while the call runs; the call runs in a
task that the caller's disconnect does not cancel. Nothing is ever sent twice: a repeated idempotency key gets the
first job, a lost answer makes the job `unknown`.
"""

import asyncio
import hashlib
import math
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from receiver.admission import Admission
from receiver.calls import call, evidence_of
from receiver.gatekeeper import keep
from receiver.kit import Kit
from receiver.limits import busy, kept_for_looks
from receiver.outlook import Outlook, Outlooks
from receiver.pace import first_look, pace_of
from receiver.placing import NotSent, Placing, PlacingOutcome, after_submission
from receiver.settings import Account
from receiver.settle import SECOND
from receiver.store.accounts import Demand
from receiver.store.protocol import Applied, Evidence, Placed
from schemas.answers import Busy, Refused, Unclear, read_submission
from schemas.errors import (
    ClipbellError,
    IdempotencyMismatch,
    InvalidOrder,
    Problem,
    RequestRefused,
    StoreUnavailable,
    Taken,
    Unanswered,
    Unfit,
    Unsent,
    VendorBalance,
    VendorBusy,
    VendorRefused,
    VendorUnreachable,
)
from schemas.event import at
from schemas.job import Job, JobState
from schemas.order import Order, order_from_json, root_of, salvaged
from schemas.units import say_span
from schemas.values import replace
from schemas.vendor import Submission

#: How long a job is ours without a sign of life, and how often we give one.
LEASE, HEARTBEAT = 12 * SECOND, 4.0
#: How long an order waits for its turn under a limit of ours, in seconds.
LONGEST_TURN = 10.0
#: Characters of a data URL that a job still shows whole.
LONGEST_PARAM = 1000
COMMIT_TRIES = 5


@dataclass(frozen=True, slots=True)
class Receipt:
    """The job of an order; `is_new` False: the first job under the same idempotency key."""

    job: Job
    is_new: bool


@dataclass(frozen=True, slots=True)
class Going:
    """A queued order on its way to its vendor, or when to ask again; neither: somebody else let it go."""

    task: asyncio.Task[Job] | None
    again: int = 0


class Submitter:
    """Places orders. One for each event loop."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self._admission = Admission(kit)
        self._outlooks = Outlooks(kit)
        self._in_flight: dict[str, asyncio.Task[Job]] = {}

    async def order(self, order: Order) -> Receipt:
        """Place an order, now or in the queue.

        Raises: RequestRefused in all its forms, StoreUnavailable.
        """
        kit = self._kit
        account = self.account(order.vendor)
        job_id = kit.mint("job_")
        callback_url = kit.callback_url(account, job_id)
        submission = account.vendor.submission(order, account.terms, callback_url)
        body = order.canonical()
        job = _job_of(order, account, submission, job_id, hashlib.sha256(body).hexdigest(), kit.now())
        job = replace(job, callback=callback_url is not None)
        if order.idempotency_key is not None:
            first = await kit.store.job_by_key(order.idempotency_key)
            if first is not None:
                return await self._repeated(job, first)
        if order.queue:
            self._admission.check(job)
            placed = await kit.store.place(replace(job, state=JobState.QUEUED), body)
        else:
            placed = await self._reserved(job, body, account)
        if not placed.is_new:
            return await self._repeated(job, placed.job)
        if order.queue:
            return Receipt(placed.job, is_new=True)
        return Receipt(await asyncio.shield(self._start(placed.job, account, submission)), is_new=True)

    def read(self, data: Any) -> Order:
        """Read an order out of parsed JSON.

        Raises: InvalidOrder with every problem, also those that its vendor would have with the fields that are sound.
        """
        try:
            return order_from_json(data)
        except InvalidOrder as error:
            raise InvalidOrder([*error.problems, *self._more(data, error.problems)]) from error

    def _more(self, data: Any, problems: Sequence[Problem]) -> Sequence[Problem]:
        order = salvaged(data, problems)
        if order is None:
            return ()
        try:
            account = self.account(order.vendor)
            account.vendor.submission(order, account.terms, None)
        except InvalidOrder as error:
            known = {root_of(problem) for problem in problems}
            # what is amiss only because the images could not be read is no problem
            doubtful = {"params"} | {root_of(p) for p in error.problems} - data.keys() if "images" in known else set()
            return [p for p in error.problems if root_of(p) not in known | doubtful]
        return ()

    def check(self, order: Order) -> Job:
        """The job that an order would be, if it is one that could be placed; nothing is kept and nobody called.

        Raises: InvalidOrder with every problem, BudgetReached where no budget has ever room for it.
        """
        kit = self._kit
        account = self.account(order.vendor)
        submission = account.vendor.submission(order, account.terms, kit.callback_url(account, kit.mint("job_")))
        job = _job_of(order, account, submission, "", order.fingerprint(), kit.now())
        self._admission.check(job)
        return job

    def account(self, name: str) -> Account:
        """The account of an order.

        Raises: InvalidOrder naming those that exist.
        """
        accounts = self._kit.settings.accounts
        if name not in accounts:
            known = ", ".join(sorted(accounts)) or "none; add a section [vendors.NAME]"
            raise InvalidOrder([Problem("vendor", f"is not a configured account; configured: {known}")])
        return accounts[name]

    async def let_go(self, job: Job) -> Going:
        """Send an order that waited in the queue, unless somebody else did; the outcome stands on the job.

        Raises: InvalidOrder where it cannot be placed any more, BudgetReached, StoreUnavailable.
        """
        kit = self._kit
        account = self.account(job.account)
        order = await self._order_of(job)
        submission = account.vendor.submission(order, account.terms, kit.callback_url(account, job.id))
        await self._admission.look(job)
        polled = (await self._outlooks.of(account)).polled
        demand = Demand(account.name, account.limits, account.max_open, kept_for_looks(account.limits, polled))
        begun = await self._admission.begin(job, demand, kit.now() + LEASE)
        if begun.job is None:
            return Going(None, begun.again)
        return Going(self._start(begun.job, account, submission, queued=True))

    async def order_again(self, job: Job, key: str | None = None) -> Receipt:
        """Order the same again, as a new job, under an idempotency key of its own.

        Raises: as `order`.
        """
        order = await self._order_of(job)
        if job.prompt is None:
            raise InvalidOrder([Problem("job", f"what {job.id} was ordered with is not known here; place a new order")])
        return await self.order(order.model_copy(update={"idempotency_key": key, "queue": False, "batch": None}))

    async def drain(self, seconds: float) -> None:
        """At the end: wait for the orders that are under way."""
        if self._in_flight:
            await asyncio.wait(self._in_flight.values(), timeout=seconds)

    async def _order_of(self, job: Job) -> Order:
        body = await self._kit.store.body(job.order_sha256) if job.order_sha256 else None
        if body is None:
            raise InvalidOrder([Problem("job", f"the order of {job.id} is not kept here; place a new one")])
        return Order.model_validate_json(body)

    async def _repeated(self, job: Job, first: Job) -> Receipt:
        if first.order_sha256 != job.order_sha256:
            raise IdempotencyMismatch(
                f"The idempotency key belongs to {first.id}, which is another order; use a new key for a new order."
            )
        task = self._in_flight.get(first.id)
        return Receipt(await asyncio.shield(task) if task else first, is_new=False)

    async def _reserved(self, job: Job, body: bytes, account: Account) -> Placed:
        """Keep a job that goes to its vendor now: there is money for it, it is its turn, and there is a place."""
        try:
            await self._admission.look(job)
            await self._turn(account)
        except RequestRefused:
            # the same order may just have got the last of it
            first = await self._kit.store.job_by_key(job.idempotency_key) if job.idempotency_key else None
            if first is None:
                raise
            return Placed(first, is_new=False)
        job = replace(job, next_at=self._kit.now() + LEASE)
        return await self._admission.place(job, body, account.max_open)

    async def _turn(self, account: Account) -> None:
        kit = self._kit
        until = kit.now() + int(LONGEST_TURN * SECOND)
        while turn := await self._ask_for_turn(account):
            if turn > until:
                raise busy(account.name, turn, kit.now(), await kit.store.gates())
            await asyncio.sleep(max((turn - kit.now()) / SECOND, 0.01))

    async def _ask_for_turn(self, account: Account) -> int:
        kit = self._kit
        return await kit.store.take_turn(account.name, "order", account.limits, kit.now(), max_open=account.max_open)

    def _start(self, job: Job, account: Account, submission: Submission, *, queued: bool = False) -> asyncio.Task[Job]:
        task = asyncio.create_task(self._send(job, account, submission, queued))
        self._in_flight[job.id] = task
        task.add_done_callback(lambda _: self._in_flight.pop(job.id, None))
        task.add_done_callback(_seen)
        return task

    async def _send(self, job: Job, account: Account, submission: Submission, queued: bool) -> Job:
        async with self._held(job):
            outlook = await self._outlook(account)
            outcome, evidence = await self._call(job, account, submission)
            placing = Placing(
                account,
                self._kit.rules,
                self._kit.now(),
                evidence.id if evidence else None,
                queued=queued,
                first_look=_first_look(job, account, outlook),
            )
            applied = await self._commit(job, outcome, placing, evidence)
            with suppress(StoreUnavailable):
                await keep(self._kit, account, outcome, outlook.gates, to_order=True)
        refusal = None if queued else _refusal(outcome, account, applied)
        if refusal is not None:
            raise refusal
        return applied.job or job

    async def _outlook(self, account: Account) -> Outlook:
        try:
            return await self._outlooks.of(account)
        except StoreUnavailable:
            return Outlook()  # it only makes things go better

    async def _call(self, job: Job, account: Account, submission: Submission) -> tuple[PlacingOutcome, Evidence | None]:
        try:
            answer = await call(self._kit, account, submission.request, account.submit_timeout)
        except Unsent as error:
            return NotSent(str(error), unfit=isinstance(error, Unfit)), None
        except Unanswered as error:
            return Unclear(str(error)), None
        evidence = evidence_of(self._kit, account, job.id, "submit", answer)
        return read_submission(account.vendor, answer, _moment(self._kit)), evidence

    async def _commit(self, job: Job, outcome: PlacingOutcome, placing: Placing, evidence: Evidence | None) -> Applied:
        try:
            return await self._committed(job, outcome, placing, evidence)
        except Taken:
            # the vendor has taken something, and nobody but the vendor knows what
            lost = Unclear("it was answered with the id of another job")
            return await self._committed(job, lost, placing, evidence)

    async def _committed(
        self, job: Job, outcome: PlacingOutcome, placing: Placing, evidence: Evidence | None
    ) -> Applied:
        for left in reversed(range(COMMIT_TRIES)):
            try:
                return await self._kit.store.apply(
                    job.id, lambda row: after_submission(row, outcome, placing), evidence
                )
            except StoreUnavailable:
                if not left:
                    raise
                await asyncio.sleep(1)
        raise AssertionError  # the loop returns or raises

    @asynccontextmanager
    async def _held(self, job: Job) -> AsyncIterator[None]:
        async def beat() -> None:
            while True:
                await asyncio.sleep(HEARTBEAT)
                await self._kit.store.extend_jobs({job.id: job.fence}, self._kit.now() + LEASE)

        heart = asyncio.create_task(beat())
        heart.add_done_callback(_seen)
        try:
            yield
        finally:
            heart.cancel()


def _brief(value: Any) -> Any:
    """The vendor's own fields as they stand on the job: an image within them is only named; the order keeps it."""
    if isinstance(value, dict):
        return {name: _brief(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_brief(inner) for inner in value]
    is_image = isinstance(value, str) and value[:5].lower() == "data:" and len(value) > LONGEST_PARAM
    return f"{value[:40]}… ({len(value)} characters)" if is_image else value


def _job_of(order: Order, account: Account, submission: Submission, job_id: str, sha256: str, now: int) -> Job:
    return Job(
        id=job_id,
        vendor=account.vendor.name,
        account=account.name,
        state=JobState.SUBMITTING,
        created_at=now,
        prompt=order.prompt,
        model=submission.model,
        params=_brief(order.params),
        tags=tuple(order.tags),
        metadata=order.metadata,
        batch=order.batch,
        estimate=submission.estimate,
        quote=submission.estimate,
        seconds=submission.seconds,
        picture=submission.picture,
        idempotency_key=order.idempotency_key,
        order_sha256=sha256,
    )


def _first_look(job: Job, account: Account, outlook: Outlook) -> float:
    pace = pace_of(account.vendor, account.pace, job.model)
    return first_look(pace, outlook.lesson(job.model), by_callback=job.callback, early=outlook.early)


def _refusal(outcome: PlacingOutcome, account: Account, applied: Applied) -> ClipbellError | None:
    """What the caller is told instead of a job; None: it gets the job."""
    title = account.vendor.title
    if applied.job is not None and applied.job.state is not JobState.REJECTED:
        return None
    if isinstance(outcome, NotSent) and outcome.unfit:
        return InvalidOrder([Problem("images", outcome.reason)])
    if isinstance(outcome, NotSent):
        return VendorUnreachable(f"The order was not sent to {title}: {outcome.reason}; try again.")
    if isinstance(outcome, Busy):
        code, words = outcome.error.code, account.vendor.plain_words.get(outcome.error.code)
        said = f"{_said(code, outcome.error.message)}{f': {words}' if words else ''}"
        again = f"try again in {say_span(math.ceil(outcome.retry_after))}, or let it wait in the queue"
        return VendorBusy(f"{title} is busy{said}; nothing was ordered; {again}.", retry_after=outcome.retry_after)
    if isinstance(outcome, Refused):
        return _no(outcome, title, account.vendor.plain_words, applied.job.id if applied.job else None)
    return None


def _no(refused: Refused, title: str, plain_words: Mapping[str, str], job_id: str | None) -> RequestRefused:
    code, message = refused.error.code, refused.error.message
    words = plain_words.get(code)
    text = f"{title} refused the order{_said(code, message)}{f'; {words}' if words else ''}."
    kind = VendorBalance if refused.balance else VendorRefused
    refusal = kind(text, vendor_status=refused.status, vendor_code=code or None, vendor_message=message or None)
    refusal.job_id = job_id
    return refusal


def _said(code: str, message: str) -> str:
    words = ": ".join(part for part in (code, message.rstrip(".")) if part)
    return f" ({words})" if words else ""


def _seen(task: "asyncio.Task[object]") -> None:
    if not task.cancelled():
        task.exception()  # whoever awaits it is told; where nobody does (a client that left), it is no news


def _moment(kit: Kit) -> datetime:
    return at(kit.now())
