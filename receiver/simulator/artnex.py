"""Artnex, as its page says: many models, credits taken when the job completes, no callbacks; failure is `error`.

What the pages leave open: the status answer lives at `/video/{id}` and at `/video/status/{id}`; it says `processing`
in between, and has `error` and `message` when the job failed; a model of the text table takes no image, one of the
image table no order without; a prompt too long, a ratio or a duration that no table has is 422.

https://docs.artnex.app/api/generate-video
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from receiver.simulator.books import Account
from receiver.simulator.checks import choice_problem, split
from receiver.simulator.jobs import Draft, Job
from receiver.simulator.limits import Limit
from receiver.simulator.side import Refusal, VendorSide


@dataclass(frozen=True)
class Model:
    """A row of the page's tables."""

    credits: int
    seconds: tuple[int, ...]
    takes_image: bool = False


MODELS: Mapping[str, Model] = {
    "veo3.1": Model(3000, (4, 6, 8)),
    "veo3-fast": Model(2000, (4, 6, 8)),
    "sora-2": Model(3500, (4, 8, 12)),
    "sora-2-pro": Model(6000, (4, 8, 12)),
    "kling-v2.5-turbo-pro": Model(1500, (5, 10)),
    "kling-v2.6-pro": Model(5500, (5, 10, 16)),
    "wan-2.5": Model(3500, (5, 10)),
    "seedance-v1.5-pro-t2v": Model(2600, tuple(range(4, 13))),
    "veo3.1-i2v": Model(3500, (4, 6, 8), takes_image=True),
    "veo3-fast-i2v": Model(2000, (4, 6, 8), takes_image=True),
    "kling-v2.5-turbo-pro-i2v": Model(1500, (5, 10), takes_image=True),
    "wan-2.5-i2v": Model(1500, tuple(range(5, 11)), takes_image=True),
    "seedance-v1.5-pro-i2v": Model(1500, tuple(range(4, 13)), takes_image=True),
}
TEXT, IMAGE = "text-to-video", "image-to-video"
RATIOS = ("16:9", "9:16", "1:1")
MAX_PROMPT = 4000
ERRORS: Mapping[int, tuple[str, str]] = {
    400: ("invalid_request", "The request is invalid."),
    401: ("invalid_api_key", "The API key is missing, malformed, or revoked."),
    402: ("insufficient_credits", "Your account does not have enough credits."),
    404: ("not_found", "The request was not found."),
    422: ("validation_error", "A parameter is invalid."),
    429: ("rate_limit_exceeded", "You have exceeded your plan's daily request quota."),
    500: ("internal_error", "Something went wrong."),
}
WORDS = {"queued": "pending", "processing": "processing", "completed": "completed", "failed": "error"}


class Artnex(VendorSide):
    """The vendor Artnex."""

    name = "artnex"
    base_path = "/v1"
    durations = (30.0, 240.0)
    url_life = 86_400.0
    charges_at_end = True
    limits = (Limit(100, 86_400.0),)

    def routes(self) -> list[Route]:
        """Give `/video` and both guesses of a status path."""
        return [
            Route("/v1/video", self.submitted, methods=["POST"]),
            Route("/v1/video/status/{job_id}", self.looked_at, methods=["GET"]),
            Route("/v1/video/{job_id}", self.looked_at, methods=["GET"]),
        ]

    def key_of(self, request: Request) -> str | None:
        """Read `Authorization: Bearer KEY`."""
        words = request.headers.get("authorization", "").split()
        return words[1] if [word.lower() for word in words[:1]] == ["bearer"] and len(words) > 1 else None

    def refusal(self, status: int, code: str | None = None, message: str | None = None) -> Refusal:
        """Say `{"success": false, "error": code, "message"}`."""
        usual_code, usual_message = ERRORS.get(status, ERRORS[500])
        return Refusal(status, {"success": False, "error": code or usual_code, "message": message or usual_message})

    def poor(self, account: Account, draft: Draft) -> Refusal:
        """Say that the credits are too few."""
        return self.refusal(402)

    def new_id(self) -> str:
        """Make `req_` and twelve hexadecimal digits."""
        return f"req_{self.world.random.getrandbits(48):012x}"

    async def submitted(self, request: Request) -> Response:
        """Answer `POST /video`."""
        return await self.submit(request, self.checked, self.accepted)

    async def looked_at(self, request: Request) -> Response:
        """Answer a look."""
        return await self.look(request, lambda job: JSONResponse(self.status(job)))

    def checked(self, body: Any) -> Draft:
        """Check an order against the page's tables."""
        if not isinstance(body, dict):
            raise self.refusal(400)
        fields = {"mode": TEXT, "aspect_ratio": "16:9", **body}
        prompt = fields.get("prompt")
        if not isinstance(prompt, str) or not prompt.strip():
            raise self.refusal(400, "missing_prompt", "The prompt field is absent or empty.")
        if len(prompt) > MAX_PROMPT:
            raise self.refusal(422, message=f"prompt must be at most {MAX_PROMPT} characters.")
        if choice_problem(fields.get("model"), MODELS):
            raise self.refusal(400, "invalid_model", "The model value is not a supported video model ID.")
        model = MODELS[fields["model"]]
        self._check_mode(fields, model)
        seconds = fields.setdefault("duration", model.seconds[0])
        problems = {"aspect_ratio": choice_problem(fields["aspect_ratio"], RATIOS)}
        problems["duration"] = choice_problem(seconds, model.seconds)
        for name, problem in problems.items():
            if problem:
                raise self.refusal(422, message=f"{name} {problem}")
        return Draft(prompt, Decimal(model.credits), seconds, fields)

    def _check_mode(self, fields: dict[str, Any], model: Model) -> None:
        mode = fields["mode"]
        if mode not in (TEXT, IMAGE):
            raise self.refusal(400, "invalid_mode", 'mode must be "text-to-video" or "image-to-video".')
        if mode == IMAGE and not _is_image(fields.get("image")):
            raise self.refusal(400, "missing_image", 'mode is "image-to-video" but no image was provided.')
        if model.takes_image != (mode == IMAGE):
            raise self.refusal(400, "invalid_model", f"{fields['model']} does not support {mode}.")

    def accepted(self, job: Job, account: Account) -> Response:
        """Answer an order; `credits_used` is what will be taken when it completes."""
        body = {"success": True, "request_id": job.id, "status": "pending", "credits_used": int(job.draft.cost)}
        return JSONResponse(body)

    def status(self, job: Job) -> dict[str, Any]:
        """Describe a job."""
        state = job.shown(self.world.clock.now())
        status: dict[str, Any] = {"success": state != "failed", "request_id": job.id, "status": WORDS[state]}
        if state == "completed":
            [status["video_url"]] = self.world.file_urls(job)
            status["credits_used"] = int(job.draft.cost)
        elif state == "failed":
            status["error"] = job.failure_code or "generation_failed"
            status["message"] = job.failure or "The video could not be generated."
        return status


def _is_image(image: Any) -> bool:
    if not isinstance(image, str) or not image:
        return False
    if (parts := split(image)) and parts.scheme == "https":
        return True
    content = image.partition("base64,")[2] if image.startswith("data:image/") else image
    try:
        return bool(base64.b64decode(content, validate=True))
    except (binascii.Error, ValueError):
        return False
