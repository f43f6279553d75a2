"""UlazAI, as its pages say: two generations of one API, credits taken at the start, no callbacks.

The video page's own endpoint and the newer "Video Studio" are both here. What the pages leave open: HTTP 200 for an
order; file URLs live a day; Video Studio takes every slug and asks as much as for `veo3_fast`; the shape of a page of
the history; `ulazai_upper_case` chooses between the two spellings that the pages have for a status.

https://ulazai.com/docs/generate/video
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from receiver.simulator.books import Account
from receiver.simulator.checks import choice_problem, split, text_problem
from receiver.simulator.clock import iso
from receiver.simulator.jobs import Draft, Job
from receiver.simulator.limits import Limit, Standing
from receiver.simulator.side import Refusal, VendorSide

CREDITS = {"veo3_fast": Decimal(240), "veo3": Decimal(500)}
#: the pages name a few (veo31_fast, kling_3_0, wan_2_6) and say that there are more
SLUG = re.compile(r"[a-z0-9][a-z0-9_.-]*")
RATIOS = ("16:9", "9:16")
MAX_PROMPT = 1000
MAX_STUDIO_PROMPT = 5000
UPPER = {"queued": "GENERATING", "processing": "GENERATING", "completed": "COMPLETED", "failed": "FAILED"}
ERRORS: Mapping[int, str] = {
    400: "Invalid request parameters",
    401: "Invalid or missing API key",
    402: "Insufficient credits",
    403: "Permission denied",
    404: "Generation not found",
    429: "Rate limit exceeded. Try again later.",
}


class Ulazai(VendorSide):
    """The vendor UlazAI."""

    name = "ulazai"
    durations = (45.0, 60.0)
    url_life = 86_400.0
    limits = (Limit(24, 3600.0),)
    limits_orders_only = True

    def routes(self) -> list[Route]:
        """Give the routes of both generations."""
        return [
            Route("/api/v1/generate/video/", self.submitted, methods=["POST"]),
            Route("/api/v1/generate/history/", self.history, methods=["GET"]),
            Route("/api/v1/generate/{job_id}/", self.looked_at, methods=["GET"]),
            Route("/api/v1/video-studio/generate/", self.studio_submitted, methods=["POST"]),
            Route("/api/v1/video-studio/status/{job_id}/", self.studio_looked_at, methods=["GET"]),
        ]

    def key_of(self, request: Request) -> str | None:
        """Read `Bearer KEY`, `Token KEY` or the bare key."""
        words = request.headers.get("authorization", "").split()
        if len(words) > 1 and words[0].lower() in {"bearer", "token"}:
            words = words[1:]
        return words[0] if len(words) == 1 else None

    def refusal(self, status: int, code: str | None = None, message: str | None = None) -> Refusal:
        """Say `{"success": false, "error"}`: a sentence, with no code anywhere."""
        return Refusal(status, {"success": False, "error": message or code or ERRORS.get(status, "Server error")})

    def poor(self, account: Account, draft: Draft) -> Refusal:
        """Say how many credits are needed and how many there are."""
        needed, balance = int(draft.cost), int(account.balance)
        body = {"success": False, "error": f"Insufficient credits. Need {needed}, have {balance}"}
        body |= {"credits_needed": needed, "credits_balance": balance, "video_model": draft.fields["video_model"]}
        return Refusal(402, body | {"generation_type": "video"})

    def limit_headers(self, standing: Standing) -> dict[str, str]:
        """Give none but `Retry-After`: no page names others."""
        return {} if standing.retry_after is None else {self.retry_header: str(standing.retry_after)}

    def new_id(self) -> str:
        """Make a UUID."""
        return self.world.uuid()

    def times(self, draft: Draft) -> tuple[float, float]:
        """Give 45 to 60 seconds, or 60 to 120 for veo3."""
        return (60.0, 120.0) if draft.fields["video_model"] == "veo3" else self.durations

    async def submitted(self, request: Request) -> Response:
        """Answer `POST /api/v1/generate/video/`."""
        return await self.submit(request, self.checked, self.accepted)

    async def looked_at(self, request: Request) -> Response:
        """Answer `GET /api/v1/generate/{id}/`."""
        return await self.look(request, lambda job: JSONResponse(self.status(job)))

    async def studio_submitted(self, request: Request) -> Response:
        """Answer `POST /api/v1/video-studio/generate/`."""
        return await self.submit(request, self.studio_checked, self.studio_accepted)

    async def studio_looked_at(self, request: Request) -> Response:
        """Answer `GET /api/v1/video-studio/status/{id}/`."""
        return await self.look(request, lambda job: JSONResponse({"success": True, "job": self.studio_job(job)}))

    async def history(self, request: Request) -> Response:
        """Answer `GET /api/v1/generate/history/?limit&offset`, newest first."""

        async def work(account: Account) -> Response:
            mine = [job for job in self.world.jobs if (job.vendor, job.key) == (self.name, account.key)]
            wanted = {name: request.query_params.get(name, "") for name in ("limit", "offset")}
            limit, offset = (int(text) if text.isdecimal() else None for text in wanted.values())
            start = offset or 0
            page = mine[::-1][start : start + (20 if limit is None else min(limit, 100))]
            generations = [self.status(job) for job in page]
            return JSONResponse({"success": True, "total": len(mine), "generations": generations})

        return await self.guarded(request, work)

    def _refuse_invalid(self, problems: Mapping[str, str | None]) -> None:
        details = {name: problem for name, problem in problems.items() if problem}
        if details:
            name, problem = next(iter(details.items()))
            sentence = "Prompt is required" if name == "prompt" and "required" in problem else f"{name}: {problem}"
            raise Refusal(400, {"success": False, "error": sentence, "details": details})

    def checked(self, body: Any) -> Draft:
        """Check an order of the video page."""
        if not isinstance(body, dict):
            raise self.refusal(400)
        fields = {"video_model": "veo3_fast", "aspect_ratio": "16:9", "source_image_urls": [], **body}
        problems = {"prompt": _prompt_problem(fields, MAX_PROMPT)}
        problems["video_model"] = choice_problem(fields["video_model"], CREDITS)
        problems["aspect_ratio"] = choice_problem(fields["aspect_ratio"], RATIOS)
        problems["source_image_urls"] = _urls_problem(fields["source_image_urls"])
        self._refuse_invalid(problems)
        return Draft(fields["prompt"], CREDITS[fields["video_model"]], 8, fields)

    def studio_checked(self, body: Any) -> Draft:
        """Check an order of the Video Studio."""
        if not isinstance(body, dict):
            raise self.refusal(400)
        fields = {"aspect_ratio": "16:9", "duration_seconds": 8, "input_image_urls": [], **body}
        slug = fields.get("model_slug")
        is_slug = isinstance(slug, str) and SLUG.fullmatch(slug) is not None
        problems = {"model_slug": None if is_slug else "must be the slug of a model"}
        problems["prompt"] = _prompt_problem(fields, MAX_STUDIO_PROMPT)
        seconds = fields["duration_seconds"]
        is_number = isinstance(seconds, int) and not isinstance(seconds, bool) and seconds > 0
        problems["duration_seconds"] = None if is_number else "A valid positive integer is required"
        problems["input_image_urls"] = _urls_problem(fields["input_image_urls"])
        self._refuse_invalid(problems)
        fields["video_model"] = fields["model_slug"]
        return Draft(fields["prompt"], CREDITS["veo3_fast"], seconds, fields)

    def accepted(self, job: Job, account: Account) -> Response:
        """Answer an order of the video page."""
        fields, images = job.draft.fields, len(job.draft.fields["source_image_urls"])
        is_premium = fields["video_model"] == "veo3"
        data: dict[str, Any] = {"generation_id": job.id, "status": "processing", "generation_type": "video"}
        premium_time = "90-120 seconds" if images else "60-90 seconds"
        data |= {"video_model": fields["video_model"]}
        data |= {"estimated_time": premium_time if is_premium else "45-60 seconds"}
        data |= {"credits_used": int(job.draft.cost), "credits_remaining": int(account.balance)}
        data["mode"] = "image-to-video" if images else "text-to-video"
        if images:
            data["source_images_count"] = images
        what = "Video" if not is_premium else "Premium image-to-video" if images else "Premium video"
        data["message"] = f"{what} generation started successfully"
        return JSONResponse({"success": True, "data": data})

    def studio_accepted(self, job: Job, account: Account) -> Response:
        """Answer an order of the Video Studio."""
        remaining = int(account.balance)
        return JSONResponse({"success": True, "job_ids": [job.id], "credits_remaining": remaining})

    def status(self, job: Job) -> dict[str, Any]:
        """Describe a generation: flat, without the wrapper that the order's answer has."""
        now = self.world.clock.now()
        state, fields = job.shown(now), job.draft.fields
        word = UPPER[state] if self.world.settings.ulazai_upper_case else state.replace("queued", "processing")
        status: dict[str, Any] = {"id": job.id, "generation_type": "video", "video_model": fields["video_model"]}
        status |= {"status": word, "progress": self._progress(job), "created_at": iso(job.created_at)}
        status |= {"updated_at": iso(now), "credits_used": int(job.draft.cost)}
        status["parameters"] = {"prompt": job.draft.prompt, "model": fields["video_model"]}
        ended = iso(job.ended_at or now)
        if state == "completed":
            [url] = self.world.file_urls(job)
            download = f"ulazai.com/api/v1/generate/{job.id}/download/"
            status |= {"completed_at": ended, "video_url": url, "download_url": download}
        elif state == "failed":
            error = {"code": job.failure_code or "CONTENT_FILTER", "message": job.failure or "Generation failed"}
            status |= {"failed_at": ended, "credits_used": 0, "error": error}
            status["credits_refunded"] = int(job.draft.cost)
        return status

    def _progress(self, job: Job) -> str:
        if job.state == "completed":
            return "1.0"
        if job.state == "failed":
            return "0.0"
        span = job.ends_at - job.created_at
        return f"{min(0.99, (self.world.clock.now() - job.created_at) / span if span else 0):.2f}"

    def studio_job(self, job: Job) -> dict[str, Any]:
        """Describe a job of the Video Studio; a failure is still a success of the call."""
        state, fields = job.shown(self.world.clock.now()), job.draft.fields
        if state == "failed":
            message = job.failure or "Generation failed"
            return {"job_id": job.id, "status": state, "error_message": message, "credits_refunded": True}
        mode = "image_to_video" if fields.get("input_image_urls") else "text_to_video"
        shown: dict[str, Any] = {"job_id": job.id, "model_slug": fields["video_model"], "mode": mode}
        shown |= {"status": "pending" if state == "queued" else state}
        shown["result_urls"] = self.world.file_urls(job) if state == "completed" else []
        shown["credits_charged"] = int(job.draft.cost)
        meta = {"effective_duration_seconds": job.draft.seconds, "quality_mode": fields.get("quality_mode")}
        shown |= {"provider_meta": meta, "created_at": iso(job.created_at)}
        shown["completed_at"] = iso(job.ended_at) if state == "completed" and job.ended_at is not None else None
        return shown


def _prompt_problem(fields: dict[str, Any], most: int) -> str | None:
    if fields.get("prompt") in (None, ""):
        return "This field is required"
    return text_problem(fields["prompt"], most)


def _urls_problem(urls: Any) -> str | None:
    if not isinstance(urls, list):
        return "must be an array of URLs"
    parts = [split(url) for url in urls]
    return None if all(part and part.scheme in {"http", "https"} for part in parts) else "must be an array of URLs"
