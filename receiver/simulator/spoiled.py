"""Answers that go wrong on the wire: late, cut, dripping, endless, garbage, or none at all."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from receiver.simulator.faults import Fault
from receiver.simulator.lines import Lines


class NoAnswer(Response):
    """Closes the connection without a word."""

    def __init__(self, lines: Lines) -> None:
        super().__init__()
        self.lines = lines

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hang up."""
        await self.lines.hang_up(scope)


class CutAnswer(Response):
    """Promises a whole body by its Content-Length, sends the beginning, closes the connection."""

    def __init__(self, whole: Response, fraction: float, lines: Lines) -> None:
        super().__init__(whole.body, whole.status_code)
        self.raw_headers = whole.raw_headers
        self.fraction = fraction
        self.lines = lines

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the beginning, hang up."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        part = bytes(self.body)[: int(len(self.body) * self.fraction)]
        await send({"type": "http.response.body", "body": part, "more_body": True})
        await self.lines.hang_up(scope)


class DrippingAnswer(Response):
    """Sends its body a few bytes at a time, for ever if it is endless."""

    def __init__(self, whole: Response, step: int, pause: float, lines: Lines, *, endless: bool = False) -> None:
        super().__init__(whole.body, whole.status_code)
        self.raw_headers = [pair for pair in whole.raw_headers if not (endless and pair[0] == b"content-length")]
        self.step, self.pause, self.lines, self.endless = max(1, step), pause, lines, endless

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send on until all is said or the caller has gone."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        body = bytes(self.body)
        at = 0
        while (self.endless or at < len(body)) and self.lines.is_open(scope):
            part = body[at : at + self.step] or b"\0" * self.step
            await send({"type": "http.response.body", "body": part, "more_body": True})
            at += self.step
            await self.lines.gone(scope, within=self.pause)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def spoil(fault: Fault | None, answer: Response, request: Request, lines: Lines) -> Response:
    """Turn a good answer into what the fault makes of it."""
    if fault is None:
        return answer
    if fault.what in ("slow_answer", "no_answer"):
        await lines.gone(request.scope, within=fault.number("seconds"))
    spoiled = answer
    match fault.what:
        case "no_answer":
            spoiled = NoAnswer(lines)
        case "garbage_answer":
            made = fault.parameters
            spoiled = Response(made["body"], answer.status_code, media_type=made["content_type"])
        case "no_id":
            spoiled = JSONResponse({}, answer.status_code)
        case "cut_answer" | "cut":
            spoiled = CutAnswer(answer, fault.number("fraction"), lines)
        case "drip" | "endless":
            step, pause = int(fault.number("bytes")), fault.number("seconds")
            spoiled = DrippingAnswer(answer, step, pause, lines, endless=fault.what == "endless")
    return spoiled
