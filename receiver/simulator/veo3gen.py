"""veo3gen.co, as its pages say: several clips per order, a history, no callbacks; images come as a form.

What the pages leave open: audio is on unless said otherwise; `sampleCount` is 1 to 4; the types of the other fields
are checked, not their values; a failed status has a code in `error` and a sentence in `message`; an eleventh job at a
time is a 429. What the call for a first and a last frame wants is on no page: here it takes a form with any two images.

https://www.veo3gen.co/docs/endpoints
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from receiver.simulator.books import Account
from receiver.simulator.clock import iso
from receiver.simulator.jobs import Draft, Job
from receiver.simulator.limits import Limit, Standing
from receiver.simulator.multipart import Part, form
from receiver.simulator.side import Refusal, VendorSide
from receiver.simulator.veo3gen_tables import DEFAULT_MODEL, MODELS, TYPES, typed

MAX_SAMPLES = 4
MAX_IMAGE = 20 * 2**20
MAX_HISTORY = 100
#: what a JPEG and a PNG begin with
IMAGE_STARTS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")
ERRORS: Mapping[int, tuple[str, str]] = {
    400: ("VALIDATION_ERROR", "The request is invalid"),
    401: ("INVALID_API_KEY", "Invalid or missing API key"),
    402: ("INSUFFICIENT_CREDITS", "You do not have enough credits"),
    404: ("TASK_NOT_FOUND", "Invalid or expired task ID"),
    413: ("FILE_TOO_LARGE", "The image is larger than 20MB"),
    429: ("RATE_LIMIT_EXCEEDED", "Too many requests"),
    500: ("INTERNAL_ERROR", "Something went wrong"),
    503: ("SERVICE_UNAVAILABLE", "The service is unavailable"),
}
WORDS = {"queued": "pending", "processing": "processing", "completed": "completed", "failed": "failed"}


class Veo3gen(VendorSide):
    """The vendor veo3gen.co."""

    name = "veo3gen"
    durations = (60.0, 120.0)
    url_life = 86_400.0
    limits = (Limit(60, 60.0), Limit(1000, 86_400.0))
    max_open = 10
    retry_header = "X-RateLimit-Retry-After"

    def routes(self) -> list[Route]:
        """Give the endpoints of its page."""
        return [
            Route("/api/veo/text-to-video", self.text_submitted, methods=["POST"]),
            Route("/api/veo/image-to-video", self.image_submitted, methods=["POST"]),
            Route("/api/veo/first-last-frame", self.frames_submitted, methods=["POST"]),
            Route("/api/veo/status/{job_id}", self.looked_at, methods=["GET"]),
            Route("/api/veo/download/{job_id}", self.download, methods=["GET"]),
            Route("/api/veo/history", self.history, methods=["GET"]),
            Route("/api/veo/models", self.models, methods=["GET"]),
        ]

    def key_of(self, request: Request) -> str | None:
        """Read `X-API-Key: veo3_…`."""
        key = request.headers.get("x-api-key", "")
        return key if key.startswith("veo3_") and len(key) > len("veo3_") else None

    def refusal(self, status: int, code: str | None = None, message: str | None = None) -> Refusal:
        """Say `{"success": false, "error": code, "message"}`; a 429 has its own shape."""
        usual_code, usual_message = ERRORS.get(status, ERRORS[500])
        error = {"code": code or usual_code, "message": message or usual_message}
        if status == 429:
            return Refusal(status, {"error": error | {"details": {}}})
        return Refusal(status, {"success": False, "error": error["code"], "message": error["message"]})

    def throttled(self, standing: Standing) -> Refusal:
        """Tell the limit in the body too."""
        details = {"limit": standing.limit, "remaining": standing.remaining, "reset": int(standing.reset_at)}
        details["retry_after"] = standing.retry_after or 0
        code, message = ERRORS[429]
        return Refusal(429, {"error": {"code": code, "message": message, "details": details}})

    def limit_headers(self, standing: Standing) -> dict[str, str]:
        """Add when the window moves."""
        return super().limit_headers(standing) | {"X-RateLimit-Reset": str(int(standing.reset_at))}

    def poor(self, account: Account, draft: Draft) -> Refusal:
        """Say how many credits are needed and how many there are."""
        refusal = self.refusal(402)
        return Refusal(402, {**refusal.body, "required": int(draft.cost), "available": int(account.balance)})

    def new_id(self) -> str:
        """Make `veo_`, the time in milliseconds, `_` and nine characters."""
        letters = "".join(self.world.random.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=9))
        return f"veo_{int(self.world.clock.now() * 1000)}_{letters}"

    async def text_submitted(self, request: Request) -> Response:
        """Answer `POST /api/veo/text-to-video`."""
        return await self.submit(request, self.checked, self.accepted)

    async def image_submitted(self, request: Request) -> Response:
        """Answer `POST /api/veo/image-to-video`."""
        return await self.submit(request, self.checked, self.accepted, self.read_form)

    async def frames_submitted(self, request: Request) -> Response:
        """Answer `POST /api/veo/first-last-frame`."""
        return await self.submit(request, self.frames_checked, self.accepted, self.read_frames)

    async def looked_at(self, request: Request) -> Response:
        """Answer `GET /api/veo/status/{taskId}`."""
        return await self.look(request, lambda job: JSONResponse(self.status(job)))

    async def download(self, request: Request) -> Response:
        """Answer `GET /api/veo/download/{taskId}`."""
        return await self.look(request, self.downloaded)

    async def read_form(self, request: Request) -> Any:
        """Read a form into the fields that a JSON order would have, and the image."""
        parts = await self._parts(request)
        fields: dict[str, Any] = {name: typed(name, part) for name, part in parts.items() if name != "image"}
        return fields | {"type": "image-to-video", "imageInfo": self._image_info(parts.get("image"))}

    async def read_frames(self, request: Request) -> Any:
        """Read a form with two images."""
        parts = await self._parts(request)
        images = [part for part in parts.values() if part.filename is not None]
        if len(images) != 2:
            raise self.refusal(400, "MISSING_IMAGE", "Two images are required: the first and the last frame")
        fields: dict[str, Any] = {name: typed(name, part) for name, part in parts.items() if part.filename is None}
        info = [self._image_info(image) for image in images]
        return fields | {"type": "first-last-frame", "imageInfo": info}

    async def _parts(self, request: Request) -> dict[str, Part]:
        parts = form(request.headers.get("content-type", ""), await request.body())
        if parts is None:
            raise self.refusal(400, message="multipart/form-data is expected")
        return parts

    def _image_info(self, image: Part | None) -> dict[str, Any]:
        if image is None or not image.content:
            raise self.refusal(400, "MISSING_IMAGE", "An image file is required")
        if image.mime_type not in ("image/jpeg", "image/png") or not image.content.startswith(IMAGE_STARTS):
            raise self.refusal(400, "INVALID_IMAGE_TYPE", "Only JPEG and PNG images are supported")
        if len(image.content) > MAX_IMAGE:
            raise self.refusal(413)
        return {"originalName": image.filename, "size": len(image.content), "mimeType": image.mime_type}

    def frames_checked(self, body: Any) -> Draft:
        """Check an order with two frames."""
        draft = self.checked(body)
        if not MODELS[draft.fields["model"]].takes_frames:
            raise self.refusal(400, "INVALID_MODEL", "The model does not support first and last frame")
        return draft

    def checked(self, body: Any) -> Draft:
        """Check an order."""
        if not isinstance(body, dict):
            raise self.refusal(400)
        fields = {"model": DEFAULT_MODEL, "sampleCount": 1, "durationSeconds": 8, "generateAudio": True, **body}
        prompt = fields.get("prompt")
        if not isinstance(prompt, str) or not prompt.strip():
            raise self.refusal(400, "INVALID_PROMPT", "Prompt is required and must be a non-empty string")
        if not isinstance(fields["model"], str) or fields["model"] not in MODELS:
            raise self.refusal(400, "INVALID_MODEL", "The model is not supported")
        for name, kind in TYPES.items():
            if name in fields and type(fields[name]) is not kind:
                refused = self.refusal(400, message=f"{name} must be of type {kind.__name__}")
                raise Refusal(400, {**refused.body, "field": name, "value": fields[name]})
        if not 1 <= fields["sampleCount"] <= MAX_SAMPLES or fields["durationSeconds"] < 1:
            raise self.refusal(400, message="sampleCount must be 1 to 4, durationSeconds positive")
        model = MODELS[fields["model"]]
        cost = Decimal(model.credits if fields["generateAudio"] else model.silent) * fields["sampleCount"]
        return Draft(prompt, cost, fields["durationSeconds"], fields, clips=fields["sampleCount"])

    def accepted(self, job: Job, account: Account) -> Response:
        """Answer 202."""
        body: dict[str, Any] = {"success": True, "message": "Video generation started", "taskId": job.id}
        body |= {"status": "pending", "estimatedWaitTime": "60-120 seconds"}
        image = job.draft.fields.get("imageInfo")
        body["creditsCost" if image else "creditsUsed"] = int(job.draft.cost)
        body |= {"remainingCredits": int(account.balance), "statusUrl": f"/api/veo/status/{job.id}"}
        body["downloadUrl"] = f"/api/veo/download/{job.id}"
        return JSONResponse(body | ({"imageInfo": image} if image else {}), 202)

    def summary(self, job: Job) -> dict[str, Any]:
        """Give what a status and a line of the history have in common."""
        state, fields = job.shown(self.world.clock.now()), job.draft.fields
        summary: dict[str, Any] = {"taskId": job.id, "status": WORDS[state]}
        summary["type"] = fields.get("type", "text-to-video")
        summary |= {"model": fields["model"], "prompt": job.draft.prompt, "creditsCost": int(job.draft.cost)}
        summary["createdAt"] = iso(job.created_at)
        if state == "completed" and job.ended_at is not None:
            summary |= {"completedAt": iso(job.ended_at), "processingTime": round(job.ended_at - job.created_at)}
        return summary

    def status(self, job: Job) -> dict[str, Any]:
        """Describe a task."""
        status = {"success": True, **self.summary(job)}
        if status["status"] == "completed":
            status["videos"] = self._videos(job)
        elif status["status"] == "failed":
            status["error"] = job.failure_code or "GENERATION_FAILED"
            status["message"] = job.failure or "Video generation failed. Credits have been refunded."
        return status

    def _videos(self, job: Job) -> list[dict[str, str]]:
        life = self.url_life if self.world.settings.url_life is None else self.world.settings.url_life
        expires = iso(self.world.clock.now() + (life or 0))
        return [{"url": url, "mimeType": "video/mp4", "expiresAt": expires} for url in self.world.file_urls(job)]

    def downloaded(self, job: Job) -> Response:
        """Give fresh URLs of a finished task."""
        state = job.shown(self.world.clock.now())
        if state == "failed":
            raise self.refusal(404, "NO_VIDEOS", "No videos found for this task")
        if state != "completed":
            raise self.refusal(400, "VIDEO_NOT_READY", "Video generation is not completed yet")
        videos = self._videos(job)
        return JSONResponse({"success": True, "taskId": job.id, "videos": videos, "totalVideos": len(videos)})

    async def history(self, request: Request) -> Response:
        """Answer `GET /api/veo/history?limit&skip&status`, newest first."""

        async def work(account: Account) -> Response:
            wanted = request.query_params
            limit, skip = self._whole(wanted.get("limit", "20")), self._whole(wanted.get("skip", "0"))
            mine = [self.summary(job) for job in self.world.jobs if (job.vendor, job.key) == (self.name, account.key)]
            found = [one for one in reversed(mine) if wanted.get("status") in (None, one["status"])]
            page = found[skip : skip + min(limit, MAX_HISTORY)]
            videos = [one | {"videoCount": self._count(one["taskId"])} for one in page]
            shown = {"total": len(found), "limit": min(limit, MAX_HISTORY), "skip": skip}
            shown["hasMore"] = skip + len(page) < len(found)
            return JSONResponse({"success": True, "videos": videos, "pagination": shown})

        return await self.guarded(request, work)

    def _count(self, job_id: str) -> int:
        job = self.world.jobs.get(self.name, job_id)
        return job.draft.clips if job and job.state == "completed" else 0

    def _whole(self, text: str) -> int:
        if not text.isascii() or not text.isdigit():
            raise self.refusal(400, message="limit and skip must be whole numbers")
        return int(text)

    async def models(self, request: Request) -> Response:
        """Answer `GET /api/veo/models`."""

        async def work(account: Account) -> Response:
            models = [model.shown(name) for name, model in MODELS.items()]
            return JSONResponse({"success": True, "models": models, "defaultModel": DEFAULT_MODEL})

        return await self.guarded(request, work)
