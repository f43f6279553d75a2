"""`GET /clips/{token}`: a clip for whoever has its link: the saved file, else the vendor's URL, renewed at the click.

Needs no other credential than the link; a link can be revoked job by job. Says nothing of a clip but the clip.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from receiver.kit import Kit
from receiver.links import Links
from receiver.looker import Looker
from receiver.settle import SECOND
from receiver.store.protocol import Clip, Query
from receiver.web.files import ServedFile, open_far, open_file, opened
from schemas.errors import BadToken, ClipbellError, NotFound
from schemas.event import Video, micros
from schemas.job import Job

#: A URL that lives for so long still is good enough for a click.
REST = 60 * SECOND
#: Of one job, so many seconds between two renewals at its vendor.
RENEW_EVERY = 60.0
#: Threads that read files, and threads that read from buckets.
READERS, FAR_READERS = 4, 8
Videos = tuple[Video, ...]


class LivingLinks:
    """The routes, and what they need."""

    def __init__(self, kit: Kit, looker: Looker) -> None:
        self._kit = kit
        self._looker = looker
        self._links = Links(kit.settings)
        self._pool = ThreadPoolExecutor(READERS, "clipbell-files")
        #: Apart, since a bucket may be slow to answer.
        self._far_pool = ThreadPoolExecutor(FAR_READERS, "clipbell-buckets")
        #: The latest renewals by job: when they began, and what comes of them.
        self._renewals: dict[str, tuple[float, asyncio.Task[Videos | None]]] = {}

    def routes(self) -> list[Route]:
        """What is served."""
        return [
            Route("/clips/{token}", self.open, methods=["GET"]),
            Route("/clips/{token}/poster.jpg", self.poster, methods=["GET"]),
            Route("/v1/jobs/{id}/revoke-link", self.revoke, methods=["POST"]),
        ]

    async def revoke(self, request: Request) -> Response:
        """`POST /v1/jobs/{id}/revoke-link`: no link to this job's clips opens any more."""
        job_id = request.path_params["id"]
        if await self._kit.store.job(job_id) is None:
            raise NotFound("There is no job of this id; list them with GET /v1/jobs (clipbell jobs).")
        await self._kit.store.revoke_link(job_id, self._kit.now())
        return JSONResponse({"job_id": job_id, "revoked": True})

    async def open(self, request: Request) -> Response:
        """`GET /clips/{token}`."""
        meant = await self._meant(request)
        if isinstance(meant, Response):
            return meant
        job_id, number = meant
        is_away = False
        for clip in await self._saved(job_id, number):
            kind = "webm" if clip.mime_type == "video/webm" else "mp4"
            try:
                answer = await self._served(request, clip, clip.path, f"{job_id}-{number}.{kind}", f"video/{kind}")
            except OSError:
                is_away = True
                continue
            if answer is not None:
                return answer
        answer = await self._at_the_vendor(job_id, number)
        if is_away and answer.status_code == 410:
            later = "The bucket that keeps this clip cannot be reached just now; try again in a minute."
            return _page(503, later, {"retry-after": "60"})
        return answer

    async def poster(self, request: Request) -> Response:
        """`GET /clips/{token}/poster.jpg`: the picture beside a saved clip."""
        meant = await self._meant(request)
        if isinstance(meant, Response):
            return meant
        job_id, number = meant
        for clip in await self._saved(job_id, number):
            with suppress(OSError):
                answer = await self._served(request, clip, clip.poster or "", f"{job_id}-{number}.jpg", "image/jpeg")
                if answer is not None:
                    return answer
        return _page(404, "There is no picture of this clip.")

    async def _meant(self, request: Request) -> tuple[str, int] | Response:
        """The job and the number that a link is for, or why it opens nothing."""
        try:
            job_id, number = self._links.read(request.path_params["token"])
        except BadToken:
            return _page(404, "There is no clip at this address.")
        if await self._kit.store.is_link_revoked(job_id):
            return _page(410, "This link was revoked.")
        return job_id, number

    async def _saved(self, job_id: str, number: int) -> list[Clip]:
        clips = await self._kit.store.clips(Query({"job_id": job_id}, 200))
        # what is on this machine goes first
        return sorted((clip for clip in clips if clip.number == number), key=lambda clip: "://" in clip.path)

    async def _served(self, request: Request, clip: Clip, place: str, name: str, mime_type: str) -> Response | None:
        """A saved file; None where it is not there any more. Raises: OSError where nobody knows."""
        is_far = "://" in place
        pool = self._far_pool if is_far else self._pool
        opening = partial(open_far, place) if is_far else partial(open_file, place, clip.sha256[:16])
        file = await opened(pool, opening)
        return None if file is None else ServedFile(file, pool, request, name, mime_type)

    async def _at_the_vendor(self, job_id: str, number: int) -> Response:
        gone = "This clip is gone: it is not saved here, and its vendor does not keep it any more."
        job = await self._kit.store.job(job_id)
        known = _video(job.videos if job else (), number)
        if job is None or known is None:
            return _page(410, gone)
        now = self._kit.now()
        if known.expires_at is not None and micros(known.expires_at) - now >= REST:
            return _to(known)
        fresh = await self._renewed(job)
        found = _video(fresh or (), number)
        if found is not None:
            return _to(found)
        if known.expires_at is None or micros(known.expires_at) > now:
            return _to(known)
        if fresh is None:
            later = "The vendor cannot be asked for this clip just now; try again in a minute."
            return _page(503, later, {"retry-after": "60"})
        return _page(410, gone)

    async def _renewed(self, job: Job) -> Videos | None:
        """The job's videos with fresh URLs, from now or from less than a minute ago; None: the vendor did not say."""
        now = asyncio.get_running_loop().time()
        self._renewals = {
            job_id: (began, task) for job_id, (began, task) in self._renewals.items() if now - began < RENEW_EVERY
        }
        if job.id not in self._renewals:
            self._renewals[job.id] = (now, asyncio.create_task(self._renew(job.id)))
        # whoever clicks at the same time gets the same; one who goes away takes it from nobody
        return await asyncio.shield(self._renewals[job.id][1])

    async def _renew(self, job_id: str) -> Videos | None:
        try:
            return await self._looker.fresh_videos(job_id)
        except ClipbellError:
            return None


def _video(videos: Videos, number: int) -> Video | None:
    """The video of a number, if it can be opened."""
    if number > len(videos) or not videos[number - 1].is_url:
        return None
    return videos[number - 1]


def _to(video: Video) -> Response:
    return RedirectResponse(video.url, 302, {"cache-control": "no-store"})


def _page(status: int, text: str, headers: dict[str, str] | None = None) -> Response:
    return PlainTextResponse(f"{text}\n", status, {"content-security-policy": "default-src 'none'", **(headers or {})})
