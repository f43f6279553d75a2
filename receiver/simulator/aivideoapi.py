"""aivideoapi.ai, as its pages say: paid by the mode, three attempts at a callback, URLs that live for ever.

What the pages leave open: images must be http or https URLs; images together with `TEXT_2_VIDEO` are refused; three
images without a type are references; any `extend_task_id` is taken; the third attempt comes ten minutes after the
second; an account's jobs are unknown to other keys.

https://aivideoapi.ai/docs
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from receiver.simulator.books import Account
from receiver.simulator.checks import callback_problem, choice_problem, split, text_problem
from receiver.simulator.jobs import Draft, Job, State
from receiver.simulator.side import Callback, Refusal, VendorSide, packed

PRICES = {"fast": Decimal(40), "quality": Decimal(300)}
RATIOS = ("16:9", "9:16", "Auto")
TEXT, FRAMES, REFERENCE = "TEXT_2_VIDEO", "FIRST_AND_LAST_FRAMES_2_VIDEO", "REFERENCE_2_VIDEO"
#: generation type -> the fewest and the most images
IMAGES: Mapping[str, tuple[int, int]] = {TEXT: (0, 0), FRAMES: (1, 2), REFERENCE: (1, 3)}
SEEDS = range(10_000, 100_000)
ERRORS: Mapping[int, tuple[str, str, str]] = {
    400: ("invalid_request", "invalid_request_error", "The request is invalid."),
    401: ("invalid_api_key", "authentication_error", "API key is invalid, disabled, or deleted."),
    402: ("insufficient_credits", "billing_error", "Your credit balance is too low. Please top up."),
    403: ("ip_not_allowed", "permission_error", "Request IP is not in the key's allowlist."),
    404: ("task_not_found", "invalid_request_error", "Task ID does not exist."),
    429: ("rate_limit_exceeded", "rate_limit_error", "Too many requests, please slow down."),
    500: ("internal_error", "api_error", "Unexpected server error."),
    503: ("upstream_error", "upstream_error", "Upstream AI provider returned an error."),
}
TYPES = {"model_not_found": "invalid_request_error", "spend_limit_exceeded": "billing_error"}


class Aivideoapi(VendorSide):
    """The vendor aivideoapi.ai."""

    name = "aivideoapi"
    durations = (60.0, 180.0)
    callback_waits = (0.0, 180.0, 600.0)

    def routes(self) -> list[Route]:
        """Give the routes of its pages."""
        return [
            Route("/v1/videos/generations", self.submitted, methods=["POST"]),
            Route("/v1/tasks/{job_id}", self.looked_at, methods=["GET"]),
            Route("/v1/credits", self.credits, methods=["GET"]),
        ]

    def key_of(self, request: Request) -> str | None:
        """Read `Authorization: Bearer sk-…`."""
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        return key if scheme.lower() == "bearer" and key.startswith("sk-") and len(key) > len("sk-") else None

    def refusal(self, status: int, code: str | None = None, message: str | None = None) -> Refusal:
        """Say `{"error": {"code", "message", "type"}}`."""
        usual_code, usual_type, usual_message = ERRORS.get(status, ERRORS[500])
        kind = TYPES.get(code or "", usual_type)
        error = {"code": code or usual_code, "message": message or usual_message, "type": kind}
        return Refusal(status, {"error": error})

    def poor(self, account: Account, draft: Draft) -> Refusal:
        """Say that the credits are too few."""
        return self.refusal(402)

    def new_id(self) -> str:
        """Make a UUID."""
        return self.world.uuid()

    def prompt_in(self, content: Any) -> str:
        """Find the prompt inside `input`."""
        return super().prompt_in(content.get("input") if isinstance(content, dict) else None)

    async def submitted(self, request: Request) -> Response:
        """Answer `POST /v1/videos/generations`."""
        return await self.submit(request, self.checked, self.accepted)

    async def looked_at(self, request: Request) -> Response:
        """Answer `GET /v1/tasks/{taskId}`."""
        return await self.look(request, lambda job: JSONResponse(self.task(job, job.shown(self.world.clock.now()))))

    async def credits(self, request: Request) -> Response:
        """Answer `GET /v1/credits`."""

        async def work(account: Account) -> Response:
            used = account.total("charge") - account.total("refund")
            data = {"balance": int(account.balance), "total_purchased": int(account.started_with)}
            return JSONResponse({"code": 200, "msg": "success", "data": data | {"total_consumed": int(used)}})

        return await self.guarded(request, work)

    def checked(self, body: Any) -> Draft:
        """Check an order against the page's tables."""
        if not isinstance(body, dict):
            raise self.refusal(400, message="The request body must be an object.")
        if not isinstance(body.get("model"), str) or not body["model"]:
            raise self.refusal(400, message="'model' is required.")
        if body["model"] not in ("veo-3", "veo-3-extend"):
            raise self.refusal(404, "model_not_found", f"Model '{body['model']}' does not exist or is inactive.")
        given = body.get("input")
        if not isinstance(given, dict):
            raise self.refusal(400, message="'input' is required.")
        fields = {"mode": "fast", "aspect_ratio": "16:9", **given}
        fields["generation_type"] = given.get("generation_type", _detected(given.get("image_urls")))
        for name, problem in _problems(body, fields).items():
            if problem:
                raise self.refusal(400, message=f"'{name}' {problem}.")
        cost = PRICES[fields["mode"]]
        return Draft(fields["prompt"], cost, 8, {"model": body["model"], **fields}, body.get("callback_url"))

    def accepted(self, job: Job, account: Account) -> Response:
        """Answer 200 with the task's id."""
        return JSONResponse({"code": 200, "msg": "success", "data": {"taskId": job.id}})

    def task(self, job: Job, state: State) -> dict[str, Any]:
        """Describe a task; a look and a callback have the same."""
        task: dict[str, Any] = {"id": job.id, "status": "pending" if state == "queued" else state}
        task |= {"model": job.draft.fields["model"], "created_at": int(job.created_at)}
        if state == "completed":
            task["completed_at"] = int(job.ended_at or self.world.clock.now())
            task["output"] = {"urls": self.world.file_urls(job), "metadata": {"resolution": "720p"}}
        elif state == "failed":
            message = job.failure or "Video generation failed"
            task["error"] = {"code": job.failure_code or "upstream_error", "message": message}
        else:
            task["progress"] = None
        return task

    def callback(self, job: Job, state: State) -> Callback:
        """Write `task.completed` or `task.failed`: the task, and three headers."""
        event = "task.failed" if state == "failed" else "task.completed"
        headers = {"content-type": "application/json", "X-Event": event, "X-Task-Id": job.id}
        headers["X-Timestamp"] = str(int(self.world.clock.now()))
        return Callback(event, packed(self.task(job, state)), headers)


def _detected(images: Any) -> str:
    if not isinstance(images, list) or not images:
        return TEXT
    return FRAMES if len(images) <= IMAGES[FRAMES][1] else REFERENCE


def _problems(body: dict[str, Any], fields: dict[str, Any]) -> dict[str, str | None]:
    problems: dict[str, str | None] = {"input.prompt": text_problem(fields.get("prompt"))}
    problems["input.mode"] = choice_problem(fields["mode"], PRICES)
    problems["input.aspect_ratio"] = choice_problem(fields["aspect_ratio"], RATIOS)
    problems["input.generation_type"] = choice_problem(fields["generation_type"], IMAGES)
    problems["input.image_urls"] = None if problems["input.generation_type"] else _images_problem(fields)
    if "seeds" in fields:
        is_seed = isinstance(fields["seeds"], int) and fields["seeds"] in SEEDS
        problems["input.seeds"] = None if is_seed else "must be an integer from 10000 to 99999"
    if "watermark" in fields:
        problems["input.watermark"] = None if isinstance(fields["watermark"], str) else "must be a string"
    if body["model"] == "veo-3-extend":
        problems["input.extend_task_id"] = text_problem(fields.get("extend_task_id"))
    if "callback_url" in body:
        problems["callback_url"] = callback_problem(body["callback_url"])
    return problems


def _images_problem(fields: dict[str, Any]) -> str | None:
    images, kind = fields.get("image_urls", []), fields["generation_type"]
    if not isinstance(images, list):
        return "must be an array of URLs"
    fewest, most = IMAGES[kind]
    if not fewest <= len(images) <= most:
        return f"must have {fewest} to {most} items for {kind}"
    if kind == REFERENCE and fields["mode"] != "fast":
        return f"with {kind} needs mode=fast"
    parts = [split(image) for image in images]
    return None if all(part and part.scheme in {"http", "https"} for part in parts) else "must be an array of URLs"
