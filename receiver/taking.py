"""Jobs that others ordered (adopt, expect), and a person's word about one whose fate is unknown (resolve)."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from receiver.kit import Kit
from receiver.looker import Looker
from receiver.settings import Account
from receiver.settle import SECOND, mended
from receiver.store.protocol import Change, Evidence
from schemas.errors import Conflict, InvalidOrder, InvalidRequest, Problem, Taken, VendorBusy
from schemas.job import Job, JobState, Origin
from schemas.order import Order, order_from_json
from schemas.reading import is_job_id
from schemas.values import replace
from schemas.vendor import Pace

#: What one may know of an order that another program places.
KNOWN_FIELDS = frozenset({"vendor", "prompt", "seconds", "aspect_ratio", "model", "tags", "metadata", "batch"})
#: An id becomes part of a path at the vendor, so not any text will do.
WANTED_ID = "must be the id that the vendor gave to the job: at most 128 letters, digits, _ . -"


class Taker:
    """Takes over jobs. One for each event loop."""

    def __init__(self, kit: Kit, looker: Looker) -> None:
        self._kit = kit
        self._looker = looker

    async def adopt(self, data: Mapping[str, Any]) -> tuple[Job, bool]:
        """Take over a job by its vendor's id; the same id again answers the same job, and False.

        Raises: InvalidOrder.
        """
        given = data.get("vendor_job_id")
        vendor_job_id = given if isinstance(given, str) and is_job_id(given) else ""
        account, order = self._known(
            {name: value for name, value in data.items() if name != "vendor_job_id"},
            [] if vendor_job_id else [Problem("vendor_job_id", WANTED_ID)],
        )
        found = await self._kit.store.job_by_vendor_id(account.name, vendor_job_id)
        if found is not None:
            return found, False
        now = self._kit.now()
        job = replace(
            self._job(account, order, Origin.ADOPTED),
            vendor_job_id=vendor_job_id,
            next_at=now,
            give_up_at=now + int(account.pace.give_up_after * SECOND),
        )
        try:
            placed = await self._kit.store.place(job, order.canonical())
        except Taken:  # somebody adopted it at the same moment
            found = await self._kit.store.job_by_vendor_id(account.name, vendor_job_id)
            if found is None:
                raise
            return found, False
        return placed.job, True

    async def expect(self, data: Mapping[str, Any]) -> tuple[Job, str]:
        """Make a job that another program will order, and the one-time callback URL for it.

        Raises: InvalidOrder, Conflict where no callback could come.
        """
        account, order = self._known(data, [])
        now = self._kit.now()
        job = self._job(account, order, Origin.EXPECTED)
        url = self._kit.callback_url(account, job.id)
        if url is None:
            why = "public_url is not set" if account.vendor.report_from_callback else "this vendor has no callbacks"
            raise Conflict(f"No callback can come for {account.name}: {why}; order through clipbell, or adopt the job.")
        give_up_at = now + int(account.pace.give_up_after * SECOND)
        job = replace(job, callback=True, next_at=give_up_at, give_up_at=give_up_at)
        placed = await self._kit.store.place(job, order.canonical())
        return placed.job, url

    async def resolve(self, job: Job, data: Mapping[str, Any]) -> Job:
        """Settle by a person's word whether an order of unknown fate was sent.

        Raises: InvalidRequest, Conflict.
        """
        if problems := list(problems_with_word(data)):
            raise InvalidRequest(problems)
        vendor_job_id, sent = data.get("vendor_job_id"), data["resolution"] == "sent"
        evidence = self._word_of_a_person(job, data)

        def decide(row: Job | None) -> Change:
            if row is None or not is_in_doubt(row):
                return Change(verdict="contradiction", note=False)
            return self._resolved(row, vendor_job_id if sent else None)

        try:
            applied = await self._kit.store.apply(job.id, decide, evidence)
        except Taken as error:
            raise Conflict(f"{vendor_job_id} belongs to another job of {job.account} already.") from error
        if applied.job is None or applied.change.note is False:
            state = applied.job.state.value if applied.job else "gone"
            raise Conflict(f"{job.id} is {state}; only a job whose fate is unknown can be resolved.")
        return await self._look(applied.job) if sent else applied.job

    def _resolved(self, job: Job, vendor_job_id: str | None) -> Change:
        now = self._kit.now()
        cleared = mended(job, now, self._kit.rules, ended=vendor_job_id is None)
        if vendor_job_id is None:
            rejected = replace(job, state=JobState.REJECTED, next_at=None, idempotency_key=None)
            return Change(job=rejected, cleared=cleared)
        # from now on it is looked at, and that for as long as any other
        account = self._kit.settings.accounts.get(job.account)
        pace = account.pace if account else Pace()
        give_up_at = now + int(pace.give_up_after * SECOND)
        running = replace(
            job,
            state=JobState.RUNNING,
            vendor_job_id=vendor_job_id,
            next_at=now,
            give_up_at=give_up_at,
            failure=None,
        )
        return Change(job=running, cleared=cleared)

    async def _look(self, job: Job) -> Job:
        try:
            return (await self._looker.look(job)).job or job
        except VendorBusy:
            return job  # the keeper looks when it is its turn

    def _known(self, data: Mapping[str, Any], problems: Sequence[Problem]) -> tuple[Account, Order]:
        """The account and what is known of the order.

        Raises: InvalidOrder with these problems and every other.
        """
        unknown = [Problem(name, "is not a field here") for name in data if name not in KNOWN_FIELDS]
        found = [*problems, *unknown]
        order = None
        try:
            order = order_from_json({"prompt": "", **{name: data[name] for name in data if name in KNOWN_FIELDS}})
        except InvalidOrder as error:
            found += error.problems
        account = self._kit.settings.accounts.get(str(data.get("vendor")))
        if account is None and all(problem.field != "vendor" for problem in found):
            known = ", ".join(sorted(self._kit.settings.accounts)) or "none"
            found.append(Problem("vendor", f"is not a configured account; configured: {known}"))
        if found or order is None or account is None:
            raise InvalidOrder(found)
        return account, order

    def _job(self, account: Account, order: Order, origin: Origin) -> Job:
        return Job(
            id=self._kit.mint("job_"),
            vendor=account.vendor.name,
            account=account.name,
            state=JobState.RUNNING,
            created_at=self._kit.now(),
            origin=origin,
            prompt=order.prompt or None,
            model=order.model,
            tags=tuple(order.tags),
            metadata=order.metadata,
            batch=order.batch,
            seconds=order.seconds,
            order_sha256=order.fingerprint(),
        )

    def _word_of_a_person(self, job: Job, data: Mapping[str, Any]) -> Evidence:
        body = json.dumps(dict(data), sort_keys=True).encode()
        sha256 = hashlib.sha256(body).hexdigest()
        return Evidence(
            self._kit.mint("evd_"), self._kit.now(), job.id, job.account, kind="person", body=body, sha256=sha256
        )


def problems_with_word(data: Mapping[str, Any]) -> Iterator[Problem]:
    """What is wrong with a person's word: an id belongs to an order that was sent, and to no other."""
    word, vendor_job_id = data.get("resolution"), data.get("vendor_job_id")
    if word not in ("sent", "not-sent"):
        yield Problem("resolution", 'must be "sent" (with vendor_job_id) or "not-sent"')
    elif word == "sent" and not (isinstance(vendor_job_id, str) and is_job_id(vendor_job_id)):
        yield Problem("vendor_job_id", f"is needed with sent: {WANTED_ID}")
    elif word == "not-sent" and vendor_job_id is not None:
        yield Problem("vendor_job_id", "belongs to sent; leave it out, or say that the order was sent")


def is_in_doubt(job: Job) -> bool:
    """Whether nobody knows if the vendor has an order, also after it was given up: then a person may say."""
    return job.vendor_job_id is None and job.state in (JobState.UNKNOWN, JobState.ABANDONED)
