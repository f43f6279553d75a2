"""The API's routes about jobs: order, list, show, refresh, again, resolve, adopt, expect."""

from collections.abc import Iterator, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from receiver.kit import Kit
from receiver.looker import Looker
from receiver.submit import Receipt, Submitter
from receiver.taking import Taker, is_in_doubt, problems_with_word
from receiver.waits import Waits
from receiver.web import filters
from receiver.web.reading import MAX_ORDER, WHOLE, cut, fields_of, hold_parameters, json_of, query_of, strays
from receiver.web.shapes import batch_json, time_json
from schemas.errors import Conflict, InvalidOrder, NotFound, Problem
from schemas.job import Job

KEY, MAX_KEY = "Idempotency-Key", 255


class Jobs:
    """The routes, and what they need."""

    def __init__(self, kit: Kit, submitter: Submitter, looker: Looker) -> None:
        self._kit = kit
        self._submitter = submitter
        self._looker = looker
        self._taker = Taker(kit, looker)
        self._waits = Waits(kit)

    def routes(self) -> list[Route]:
        """What is served."""
        return [
            Route("/v1/jobs", self.list, methods=["GET"]),
            Route("/v1/jobs", self.order, methods=["POST"]),
            Route("/v1/jobs/check", self.check, methods=["POST"]),
            Route("/v1/jobs/adopt", self.adopt, methods=["POST"]),
            Route("/v1/jobs/expect", self.expect, methods=["POST"]),
            Route("/v1/jobs/{id}", self.show, methods=["GET"]),
            Route("/v1/jobs/{id}/waits", self.waits, methods=["GET"]),
            Route("/v1/jobs/{id}/refresh", self.refresh, methods=["POST"]),
            Route("/v1/jobs/{id}/again", self.again, methods=["POST"]),
            Route("/v1/jobs/{id}/resolve", self.resolve, methods=["POST"]),
            Route("/v1/batches/{id}", self.batch, methods=["GET"]),
        ]

    async def order(self, request: Request) -> Response:
        """`POST /v1/jobs`."""
        data = await json_of(request, MAX_ORDER, InvalidOrder)
        key, wrong = _key_of(request)
        problems = [*strays(request), *(wrong or _disagreeing(key, data))]
        if key is not None and isinstance(data, dict) and not problems:
            data = {**data, "idempotency_key": key}
        try:
            order = self._submitter.read(data)
            if problems:
                self._submitter.check(order)
        except InvalidOrder as error:
            raise InvalidOrder([*problems, *error.problems]) from error
        if problems:
            raise InvalidOrder(problems)
        return await self._placed(await self._submitter.order(order))

    async def check(self, request: Request) -> Response:
        """`POST /v1/jobs/check`: what an order would be, or every reason why it would be refused; nothing is placed."""
        data = await json_of(request, MAX_ORDER, InvalidOrder)
        _hold_address(request)
        job = self._submitter.check(self._submitter.read(data))
        estimate = job.estimate.to_json() if job.estimate else None
        known = {"vendor": job.vendor, "account": job.account, "model": job.model, "seconds": job.seconds}
        return JSONResponse({**known, "estimate": estimate})

    async def batch(self, request: Request) -> Response:
        """`GET /v1/batches/{id}`: how the orders of a batch stand."""
        found = await self._kit.store.batch(request.path_params["id"])
        if found is None:
            raise NotFound("There is no order of this batch; see the field batch of GET /v1/jobs (clipbell jobs).")
        return JSONResponse(batch_json(found))

    async def list(self, request: Request) -> Response:
        """`GET /v1/jobs`."""
        query = query_of(request, filters.JOBS)
        found, last = cut(await self._kit.store.jobs(query), query)
        events = await self._kit.store.event_ids([job.id for job in found])
        items = [job.to_json(events.get(job.id, ())) for job in found]
        return JSONResponse({"items": items, "next": last.id if last else None})

    async def show(self, request: Request) -> Response:
        """`GET /v1/jobs/{id}`."""
        return await self._answer(await self._job(request))

    async def waits(self, request: Request) -> Response:
        """`GET /v1/jobs/{id}/waits`: why a queued order has not gone out yet."""
        hold_parameters(request, WHOLE)
        found = await self._waits.of(await self._job(request))
        items = [{"code": each.code, "text": each.text, "until": time_json(each.until)} for each in found]
        return JSONResponse({"items": items, "next": None})

    async def refresh(self, request: Request) -> Response:
        """`POST /v1/jobs/{id}/refresh`: ask the vendor now."""
        job = await self._job(request)
        if job.account not in self._kit.settings.accounts:
            raise Conflict(f"The account {job.account} is not configured any more; add [vendors.{job.account}].")
        if job.vendor_job_id is None:
            doubt = f"; settle it with: clipbell job {job.id} --resolve sent VENDOR_JOB_ID" if is_in_doubt(job) else ""
            raise Conflict(f"{job.id} has no id at its vendor yet, so there is nothing to ask for{doubt}.")
        applied = await self._looker.look(job)
        return await self._answer(applied.job or job)

    async def again(self, request: Request) -> Response:
        """`POST /v1/jobs/{id}/again`: order the same as a new job, under a key of its own, if any."""
        job = await self._job(request)
        key, wrong = _key_of(request)

        def more(given: Mapping[str, Any]) -> Iterator[Problem]:
            yield from wrong or _disagreeing(key, given)
            yield from _too_long("idempotency_key", given.get("idempotency_key"))

        given = await fields_of(request, {"idempotency_key": str}, more, InvalidOrder)
        return await self._placed(await self._submitter.order_again(job, given.get("idempotency_key", key)))

    async def resolve(self, request: Request) -> Response:
        """`POST /v1/jobs/{id}/resolve`: a person says whether the vendor has the order."""
        job = await self._job(request)
        data = await fields_of(request, {"resolution": str, "vendor_job_id": str}, problems_with_word)
        return await self._answer(await self._taker.resolve(job, data))

    async def adopt(self, request: Request) -> Response:
        """`POST /v1/jobs/adopt`: take over a job ordered elsewhere."""
        job, is_new = await self._taker.adopt(await _object(request))
        return await self._answer(job, 202 if is_new else 200)

    async def expect(self, request: Request) -> Response:
        """`POST /v1/jobs/expect`: a one-time callback URL for an order that another program will place."""
        job, url = await self._taker.expect(await _object(request))
        return JSONResponse({**job.to_json(), "callback_url": url}, 202)

    async def _placed(self, receipt: Receipt) -> Response:
        return await self._answer(receipt.job, 202 if receipt.is_new else 200)

    async def _answer(self, job: Job, status: int = 200) -> Response:
        events = await self._kit.store.event_ids([job.id])
        location = {"location": f"/v1/jobs/{job.id}"}
        return JSONResponse(job.to_json(events.get(job.id, ())), status, location)

    async def _job(self, request: Request) -> Job:
        job_id = request.path_params["id"]
        job = await self._kit.store.job(job_id)
        if job is None:
            raise NotFound("There is no job of this id; list them with GET /v1/jobs (clipbell jobs).")
        return job


def _key_of(request: Request) -> tuple[str | None, list[Problem]]:
    """The header Idempotency-Key as the same text that the field would be, and what is wrong with it."""
    given = request.headers.getlist(KEY)
    if len(given) > 1:
        return None, [Problem(KEY, "is given twice; give it once")]
    try:
        key = given[0].encode("latin-1").decode() if given else None
    except UnicodeDecodeError:
        return None, [Problem(KEY, "must be UTF-8")]
    return key, list(_too_long(KEY, key))


def _too_long(name: str, key: str | None) -> Iterator[Problem]:
    if key is not None and not 0 < len(key) <= MAX_KEY:
        yield Problem(name, f"must have 1 to {MAX_KEY} characters")


def _disagreeing(key: str | None, data: Any) -> Iterator[Problem]:
    if key is not None and isinstance(data, dict) and data.get("idempotency_key") not in (None, key):
        yield Problem("idempotency_key", f"differs from the header {KEY}; give one of them")


async def _object(request: Request) -> dict[str, Any]:
    data = await json_of(request, refusal=InvalidOrder)
    _hold_address(request)
    if not isinstance(data, dict):
        raise InvalidOrder([Problem("body", "must be a JSON object")])
    return data


def _hold_address(request: Request) -> None:
    if problems := strays(request):
        raise InvalidOrder(problems)
