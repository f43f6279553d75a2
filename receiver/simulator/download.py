"""Serves the clips as object stores do: ETag, ranges, signed URLs that expire, errors in XML; and faults on demand."""

from email.utils import formatdate
from xml.sax.saxutils import escape

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from receiver.simulator.faults import Fault
from receiver.simulator.files import clip, etag
from receiver.simulator.jobs import Job
from receiver.simulator.ranges import Unsatisfiable, byte_range
from receiver.simulator.spoiled import spoil
from receiver.simulator.world import World

CODES = {403: "AccessDenied", 404: "NoSuchKey", 416: "InvalidRange", 429: "SlowDown", 503: "SlowDown"}


def refused(status: int, message: str) -> Response:
    """Say no as an object store does."""
    code = CODES.get(status, "InternalError")
    error = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n{error}'
    return Response(body, status, media_type="application/xml")


def routes(world: World) -> list[Route]:
    """Give the route of the files."""

    async def file(request: Request) -> Response:
        world.timetable.run_due()
        job, number = _wanted(world, request)
        fault = world.faults.take("download", request.path_params["vendor"], job.draft.prompt if job else "")
        if fault and fault.status:
            made = fault.parameters
            answer = refused(fault.status, made["message"] or "The request was refused.")
            if made["retry_after"] is not None:
                answer.headers["Retry-After"] = str(made["retry_after"])
            return answer
        if job is None:
            return refused(404, "The specified key does not exist.")
        if problem := _signature_problem(world, request, job):
            return refused(403, problem)
        job.downloads += 1
        return await _served(world, request, job, number, fault)

    return [Route("/files/{vendor}/{job_id}/{number:int}.mp4", file, methods=["GET", "HEAD"])]


def _wanted(world: World, request: Request) -> tuple[Job | None, int]:
    job = world.jobs.get(request.path_params["vendor"], request.path_params["job_id"])
    number = int(request.path_params["number"])
    if job is None or job.state != "completed" or not 1 <= number <= job.draft.clips:
        return None, number
    return job, number


def _signature_problem(world: World, request: Request, job: Job) -> str | None:
    if world.sides[job.vendor].url_life is None:
        return None
    expires, signature = request.query_params.get("expires", ""), request.query_params.get("sig", "")
    return world.signer.problem(request.url.path, expires, signature)


async def _served(world: World, request: Request, job: Job, number: int, fault: Fault | None) -> Response:
    match fault.what if fault else "":
        case "html":
            return Response(fault.parameters["body"] if fault else "", media_type="text/html")
        case "redirect":
            return RedirectResponse(fault.parameters["to"] if fault else "/", 302)
        case "changed":
            content = clip(job, number, job.downloads)
        case "truncated_container":
            content = clip(job, number)
            content = content[: int(len(content) * (fault.number("fraction") if fault else 1))]
        case _:
            content = clip(job, number)
    return await spoil(fault, _answer(request, job, content), request, world.lines)


def _answer(request: Request, job: Job, content: bytes) -> Response:
    tag = etag(content)
    headers = {"ETag": tag, "Accept-Ranges": "bytes", "Last-Modified": formatdate(job.ended_at, usegmt=True)}
    valid = request.headers.get("if-range") in (None, tag, headers["Last-Modified"])
    try:
        chosen = byte_range(request.headers.get("range"), len(content)) if valid else None
    except Unsatisfiable:
        answer = refused(416, "The requested range is not satisfiable")
        answer.headers["Content-Range"] = f"bytes */{len(content)}"
        return answer
    status = 200
    if chosen is not None:
        start, stop = chosen
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(content)}"
        content, status = content[start:stop], 206
    return Response(content, status, headers, media_type="video/mp4")
