"""Vrex, as its page says: paid by the second, one unsigned callback sent once, URLs that live an hour.

What the page leaves open: a failed look has the same sentence in `error` as the callback; with `raw_key` both give the
object key; `null` for a field is refused, an unknown field ignored; a prompt that has one of the policy codes in it,
such as `HATE_SPEECH`, is blocked with that code.

https://getvrex.com/en/docs/videos
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from receiver.simulator.books import Account
from receiver.simulator.checks import callback_problem, choice_problem, image_problem, text_problem
from receiver.simulator.clock import iso
from receiver.simulator.jobs import Draft, Job, State
from receiver.simulator.limits import Limit
from receiver.simulator.side import Callback, Refusal, VendorSide, packed

PRICE_PER_SECOND = Decimal("0.017")
MAX_IMAGE = 4 * 2**20
DEFAULTS: Mapping[str, Any] = {
    "seconds": 8,
    "mode": "t2v",
    "size": "1280x720",
    "model": "veo-3.1-lite",
    "output_format": "url",
}
CHOICES: Mapping[str, tuple[Any, ...]] = {
    "mode": ("t2v", "i2v", "r2v"),
    "size": ("1280x720", "720x1280", "1920x1080"),
    "model": ("veo-3.1-lite",),
    "output_format": ("url", "raw_key"),
}
POLICY_CODES = ("MINOR_SAFETY", "ARTIST_IMPERSONATION", "HATE_SPEECH")
ERRORS: Mapping[int, tuple[str, str]] = {
    400: ("VALIDATION_ERROR", "The request is invalid."),
    401: ("UNAUTHORIZED", "Missing or invalid API key."),
    402: ("INSUFFICIENT_BALANCE_FOR_VIDEO", "Insufficient balance. Please top up your account."),
    403: ("FORBIDDEN", "This key may not do that."),
    404: ("NOT_FOUND", "Video not found."),
    429: ("RATE_LIMITED", "Too many requests. Please slow down."),
    500: ("INTERNAL_ERROR", "Failed to create the job."),
    502: ("ENGINE_ERROR", "The engine reported an error."),
    503: ("SERVICE_UNAVAILABLE", "The service is unavailable."),
}


class Vrex(VendorSide):
    """The vendor Vrex."""

    name = "vrex"
    base_path = "/api/v1"
    unit = "USD"
    opening = Decimal(1000)
    durations = (30.0, 120.0)
    url_life = 3600.0
    callback_waits = (0.0,)
    limits = (Limit(10, 60.0),)

    def routes(self) -> list[Route]:
        """Give `/videos`, `/videos/{id}` and `/usage`."""
        return [
            Route("/api/v1/videos", self.submitted, methods=["POST"]),
            Route("/api/v1/videos/{job_id}", self.looked_at, methods=["GET"]),
            Route("/api/v1/usage", self.usage, methods=["GET"]),
        ]

    def key_of(self, request: Request) -> str | None:
        """Read `Authorization: Bearer sk-…`."""
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        return key if scheme.lower() == "bearer" and key.startswith("sk-") and len(key) > len("sk-") else None

    def refusal(self, status: int, code: str | None = None, message: str | None = None) -> Refusal:
        """Say `{"error": {"code", "message"}}`."""
        usual_code, usual_message = ERRORS.get(status, ERRORS[500])
        return Refusal(status, {"error": {"code": code or usual_code, "message": message or usual_message}})

    def revoked(self) -> Refusal:
        """Say that the key was revoked."""
        return self.refusal(401, "KEY_REVOKED", "This API key has been revoked.")

    def poor(self, account: Account, draft: Draft) -> Refusal:
        """Say that the balance is too low."""
        return self.refusal(402)

    def new_id(self) -> str:
        """Make `vg_` and twelve hexadecimal digits."""
        return f"vg_{self.world.random.getrandbits(48):012x}"

    async def read(self, request: Request) -> Any:
        """Read JSON; anything else has a code of its own."""
        try:
            return await super().read(request)
        except Refusal:
            raise self.refusal(400, "INVALID_JSON", "The request body is not valid JSON.") from None

    async def submitted(self, request: Request) -> Response:
        """Answer `POST /videos`."""
        return await self.submit(request, self.checked, self.accepted)

    async def looked_at(self, request: Request) -> Response:
        """Answer `GET /videos/{id}`."""
        return await self.look(request, lambda job: JSONResponse(self.status(job)))

    async def usage(self, request: Request) -> Response:
        """Answer `GET /usage`: the balance, which costs nothing to read."""

        async def work(account: Account) -> Response:
            mine = sum(1 for job in self.world.jobs if job.vendor == self.name and job.key == account.key)
            micro = int(account.balance * 1_000_000)
            body = {"balance_usd": float(account.balance), "bonus_usd": 0, "balance_micro_usd": micro}
            used = {"chars_this_month": 0, "generations_total": mine, "generations_this_month": mine}
            return JSONResponse(body | {"bonus_micro_usd": 0, "usage": used})

        return await self.guarded(request, work)

    def checked(self, body: Any) -> Draft:
        """Check an order against the page's table."""
        if not isinstance(body, dict):
            raise self.refusal(400, message="The request body must be an object.")
        fields = {**DEFAULTS, **body}
        for name, problem in self._problems(fields).items():
            if problem:
                raise self.refusal(400, message=f"{name} {problem}")
        for code in POLICY_CODES:
            if code in fields["prompt"]:
                raise self.refusal(400, code, "The prompt was blocked by the acceptable-use policy.")
        if fields["mode"] == "r2v":
            fields["seconds"] = 8
        seconds = int(fields["seconds"])
        return Draft(fields["prompt"], PRICE_PER_SECOND * seconds, seconds, fields, body.get("webhook_url"))

    def _problems(self, fields: dict[str, Any]) -> dict[str, str | None]:
        problems: dict[str, str | None] = {"prompt": text_problem(fields.get("prompt"), 2000)}
        problems |= {name: choice_problem(fields[name], choices) for name, choices in CHOICES.items()}
        if fields["mode"] != "r2v":
            problems["seconds"] = choice_problem(fields["seconds"], (4, 6, 8))
        if "webhook_url" in fields:
            problems["webhook_url"] = callback_problem(fields["webhook_url"])
        problems["start_image"] = _start_image_problem(fields)
        problems["ref_images"] = _ref_images_problem(fields)
        return problems

    def accepted(self, job: Job, account: Account) -> Response:
        """Answer 202."""
        waiting = sum(1 for other in self.world.jobs if other.vendor == self.name and other.state == "queued")
        body = {"id": job.id, "status": "queued", "estimated_cost_usd": float(job.draft.cost)}
        return JSONResponse(body | {"queue_position": waiting, "poll_url": f"/api/v1/videos/{job.id}"}, 202)

    def status(self, job: Job) -> dict[str, Any]:
        """Answer a look; each one renews the URL."""
        state = job.shown(self.world.clock.now())
        fields, is_done = job.draft.fields, state == "completed"
        over = state in {"completed", "failed"} and job.ended_at is not None
        return {
            "id": job.id,
            "status": state,
            "seconds": fields["seconds"],
            "actual_seconds": fields["seconds"] if is_done else None,
            "mode": fields["mode"],
            "size": fields["size"],
            "model": fields["model"],
            "video_url": self._video_url(job) if is_done else None,
            "cost_usd": float(job.draft.cost),
            "actual_cost_usd": float(job.draft.cost) if is_done else None,
            "error": _sentence(job) if state == "failed" else None,
            "created_at": iso(job.created_at),
            "completed_at": iso(job.ended_at) if over and job.ended_at is not None else None,
        }

    def callback(self, job: Job, state: State) -> Callback:
        """Write `video.completed` or `video.failed`."""
        event = "video.failed" if state == "failed" else "video.completed"
        body: dict[str, Any] = {"event": event, "video_gen_id": job.id}
        if state == "failed":
            body["error"] = _sentence(job)
        else:
            body |= {"video_url": self._video_url(job), "duration_sec": job.draft.fields["seconds"]}
            body["actual_cost_usd"] = float(job.draft.cost)
        body["timestamp"] = iso(job.ended_at or self.world.clock.now())
        return Callback(event, packed(body), {"content-type": "application/json"})

    def _video_url(self, job: Job) -> str:
        if job.draft.fields["output_format"] == "raw_key":
            return f"video-gen/{job.id}.mp4"
        return self.world.file_urls(job)[0]


def _sentence(job: Job) -> str:
    return job.failure or f"NonRetryable: Engine reported failure for jobId={job.id}"


def _start_image_problem(fields: dict[str, Any]) -> str | None:
    if fields["mode"] == "i2v":
        return image_problem(fields["start_image"], MAX_IMAGE) if "start_image" in fields else "is required for i2v"
    return "is only allowed with mode i2v" if "start_image" in fields else None


def _ref_images_problem(fields: dict[str, Any]) -> str | None:
    if fields["mode"] != "r2v":
        return "is only allowed with mode r2v" if "ref_images" in fields else None
    images = fields.get("ref_images")
    if not isinstance(images, list) or not 1 <= len(images) <= 3:
        return "must have 1 to 3 items with mode r2v"
    return next((problem for image in images if (problem := image_problem(image, MAX_IMAGE))), None)
