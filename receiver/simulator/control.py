"""The routes under `/control`: what the simulated vendors know and did, and what shall go wrong with them.

No authentication: the simulator listens on this machine only and holds nothing of worth.
"""

import json
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from receiver.simulator.clock import iso
from receiver.simulator.faults import KINDS, BadFault
from receiver.simulator.garbage import STYLES
from receiver.simulator.jobs import Job
from receiver.simulator.world import World

MOST_CALLBACKS = 1000


class BadWish(ValueError):
    """What was asked of the control routes cannot be; the text says why."""


class Control:
    """The control routes of one world."""

    def __init__(self, world: World) -> None:
        self.world = world

    def routes(self) -> list[Route]:
        """Give the routes."""
        return [
            Route("/control", self.overview, methods=["GET"]),
            Route("/control/faults", self.faults, methods=["GET", "POST", "DELETE"]),
            Route("/control/faults/{fault_id}", self.one_fault, methods=["DELETE"]),
            Route("/control/jobs", self.jobs, methods=["GET"]),
            Route("/control/jobs/{job_id}", self.job, methods=["GET"]),
            Route("/control/jobs/{job_id}/finish", self.finish, methods=["POST"]),
            Route("/control/requests", self.requests, methods=["GET"]),
            Route("/control/books", self.books, methods=["GET"]),
            Route("/control/accounts", self.accounts, methods=["POST"]),
            Route("/control/callback", self.callback, methods=["POST"]),
            Route("/control/clock", self.clock, methods=["GET", "POST"]),
            Route("/control/reset", self.reset, methods=["POST"]),
        ]

    async def overview(self, request: Request) -> Response:
        """Tell the base URLs and every kind of fault with its parameters."""
        origin = str(request.base_url).rstrip("/")
        urls = {name: f"{origin}/{name}{side.base_path}" for name, side in self.world.sides.items()}
        kinds = {kind: dict(parameters) for kind, parameters in KINDS.items()}
        return JSONResponse({"base_urls": urls, "faults": kinds, "garbage_styles": list(STYLES)})

    async def faults(self, request: Request) -> Response:
        """List the faults in force, add one or several, or remove them all."""
        if request.method == "GET":
            return JSONResponse({"faults": [fault.shown() for fault in self.world.faults.active]})
        if request.method == "DELETE":
            return JSONResponse({"removed": self.world.faults.remove()})
        wanted = await _body(request, (dict, list))
        try:
            added = [self._add(one) for one in (wanted if isinstance(wanted, list) else [wanted])]
        except BadFault as problem:
            raise BadWish(str(problem)) from None
        return JSONResponse(added if isinstance(wanted, list) else added[0], 201)

    def _add(self, wanted: Any) -> dict[str, Any]:
        if not isinstance(wanted, dict):
            raise BadWish("a fault must be an object")
        if wanted.get("style", "not_json") not in STYLES:
            raise BadWish(f"style must be one of: {', '.join(STYLES)}")
        return self.world.faults.add(wanted).shown()

    async def one_fault(self, request: Request) -> Response:
        """Remove one fault."""
        return JSONResponse({"removed": self.world.faults.remove(request.path_params["fault_id"])})

    async def jobs(self, request: Request) -> Response:
        """List every job, oldest first, and count the accepted submissions."""
        self.world.timetable.run_due()
        wanted = dict(request.query_params)
        tests: list[Callable[[Job], bool]] = [
            lambda job: wanted.get("vendor", job.vendor) == job.vendor,
            lambda job: wanted.get("state", job.state) == job.state,
            lambda job: wanted.get("prompt", "") in job.draft.prompt,
        ]
        found = [self.world.jobs.shown(job) for job in self.world.jobs if all(test(job) for test in tests)]
        return JSONResponse({"jobs": found, "total": len(found), "submissions": self.world.jobs.counts()})

    def _job(self, job_id: Any) -> Job:
        job = self.world.jobs.find(str(job_id))
        if job is None:
            raise BadWish(f"there is no job {job_id!r}")
        return job

    async def job(self, request: Request) -> Response:
        """Show one job."""
        self.world.timetable.run_due()
        return JSONResponse(self.world.jobs.shown(self._job(request.path_params["job_id"])))

    async def finish(self, request: Request) -> Response:
        """Bring a job to its verdict now."""
        job, wanted = self._job(request.path_params["job_id"]), await _body(request, (dict,))
        verdict = wanted.get("state", "completed")
        if verdict not in ("completed", "failed"):
            raise BadWish("state must be completed or failed")
        job.failure_code, job.failure = wanted.get("code"), wanted.get("message")
        self.world.finish(job, verdict)
        return JSONResponse(self.world.jobs.shown(job))

    async def requests(self, request: Request) -> Response:
        """List the calls that the vendors had, oldest first."""
        vendor = request.query_params.get("vendor")
        calls = [call for call in self.world.log.calls if vendor in (None, call["vendor"])]
        return JSONResponse({"requests": calls, "total": len(calls)})

    async def books(self, request: Request) -> Response:
        """Show every account."""
        self.world.timetable.run_due()
        return JSONResponse(self.world.books.shown())

    async def accounts(self, request: Request) -> Response:
        """Set the balance of an account, or have its key refused from now on."""
        wanted = await _body(request, (dict,))
        if wanted.get("vendor") not in self.world.sides or not isinstance(wanted.get("key"), str):
            raise BadWish("an account needs a vendor and a key")
        account = self.world.books.account(wanted["vendor"], wanted["key"])
        try:
            account.balance = Decimal(str(wanted.get("balance", account.balance)))
        except InvalidOperation:
            raise BadWish("balance must be a decimal number, as a string") from None
        account.bad = bool(wanted.get("bad", account.bad))
        return JSONResponse(account.shown() | {"bad": account.bad})

    async def callback(self, request: Request) -> Response:
        """Send a job's callback again, several times at once; also with another verdict or another body."""
        wanted = await _body(request, (dict,))
        job, times = self._job(wanted.get("job")), wanted.get("times", 1)
        if not isinstance(times, int) or not 1 <= times <= MOST_CALLBACKS:
            raise BadWish(f"times must be a whole number from 1 to {MOST_CALLBACKS}")
        side = self.world.sides[job.vendor]
        if not side.callback_waits or job.draft.callback_url is None:
            raise BadWish("this job has no callback URL")
        state = wanted.get("state", job.state if job.is_over else "completed")
        sent = await self.world.callbacks.again(side, job, state, times, wanted.get("body"))
        return JSONResponse({"callbacks": sent})

    async def clock(self, request: Request) -> Response:
        """Tell the time, or move it forward."""
        if request.method == "POST":
            seconds = (await _body(request, (dict,))).get("advance")
            if not isinstance(seconds, (int, float)) or seconds < 0:
                raise BadWish("advance must be a number of seconds, not negative")
            self.world.timetable.advance(seconds)
        clock = self.world.clock
        return JSONResponse({"now": iso(clock.now()), "advanced": clock.advanced})

    async def reset(self, request: Request) -> Response:
        """Begin anew: no job, no account, no fault, the true time."""
        await self.world.callbacks.stop()
        self.world.forget()
        return JSONResponse({"reset": True})


async def _body(request: Request, kinds: tuple[type, ...]) -> Any:
    content = await request.body()
    try:
        body = json.loads(content or b"{}")
    except ValueError:
        raise BadWish("the body must be JSON") from None
    if not isinstance(body, kinds):
        raise BadWish("the body must be a JSON object")
    return body
