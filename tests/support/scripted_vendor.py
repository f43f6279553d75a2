"""A vendor that does what a test says, on a real socket in the test's own event loop; as vrex, aivideoapi and artnex.

Keeps its own books: which orders came, which of them it made, what it took. Shares nothing with clipbell's reading of
the vendors but their pages. Time does not pass here: jobs end when the test says so.
"""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

#: Outcomes of an order that leave no job at the vendor, so that the order may be sent again.
HARMLESS = frozenset({"refused", "busy"})
#: Outcomes with which the vendor has made the job, whatever its caller learns of it.
MAKES = frozenset({"accepted", "lost", "cut", "500_after", "no_id", "garbage", "held"})
PRICES = {"vrex": Decimal("0.136"), "aivideoapi": Decimal(40), "artnex": Decimal(2000)}
#: What a clip costs whose price is on no page.
SECRET_PRICE = Decimal(55)
OTHER = {"completed": "failed", "failed": "completed", "running": "failed"}


@dataclass
class Made:
    """A job that the vendor made. `net`: what it took for it, less what it gave back."""

    id: str
    vendor: str
    prompt: str
    callback_url: str | None
    price: Decimal
    net: Decimal
    truth: str = "running"
    #: Somebody told clipbell what is not so, and was to be believed.
    belied: bool = False


@dataclass(frozen=True)
class Posted:
    """An order that came, and how it was answered."""

    vendor: str
    prompt: str
    outcome: str


class ScriptedVendor:
    """Where it is, what came, what it does next."""

    def __init__(self) -> None:
        self.port = 0
        self.posts: list[Posted] = []
        self.made: list[Made] = []
        #: How the next order ends, and how looks are answered until told otherwise.
        self.next_order = "accepted"
        self.looks = "truth"
        self.tasks: set[asyncio.Task[Any]] = set()
        #: Set when an order came whose answer is held back.
        self.holding = asyncio.Event()
        self._held: list[asyncio.Future[str]] = []
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Hang up on everybody."""
        assert self._server is not None
        self._server.close()
        while self.holds:
            self.release("lost")
        if self.tasks:
            await asyncio.wait(self.tasks, timeout=2)

    def base_url(self, vendor: str) -> str:
        """What an account of this vendor is configured with."""
        return f"http://127.0.0.1:{self.port}/{vendor}"

    # --- what a test does ---

    @property
    def holds(self) -> bool:
        """Whether answers are held back."""
        return any(not each.done() for each in self._held)

    def release(self, outcome: str) -> None:
        """Answer the order that was held back longest."""
        next(each for each in self._held if not each.done()).set_result(outcome)

    def finish(self, made: Made, verdict: str) -> None:
        """Bring a job to its end, once; charge at completion, or give back what a failed one cost."""
        if made.truth != "running":
            return
        made.truth = verdict
        if verdict == "failed":
            made.net = Decimal(0)
        elif made.vendor == "artnex":
            made.net = made.price

    def callback(self, made: Made, state: str | None = None, **changes: Any) -> bytes:
        """The body of a callback about a job: the truth, unless another state is named."""
        state = state or made.truth
        body = _vrex_callback(made, state) if made.vendor == "vrex" else _task(made, state)
        return json.dumps({**body, **changes}).encode()

    # --- the wire ---

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        try:
            method, path, body = await _request(reader)
            answer = await self._order(path, body) if method == "POST" else self._look(path)
            writer.write(answer)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass  # the caller went away
        finally:
            self.tasks.discard(task)
            writer.close()

    async def _order(self, path: str, body: dict[str, Any]) -> bytes:
        vendor, outcome = path.split("/")[1], self.next_order
        prompt = body["prompt"] if vendor != "aivideoapi" else body["input"]["prompt"]
        self.posts.append(Posted(vendor, prompt, outcome))
        made = self._make(vendor, prompt, body) if outcome in MAKES else None
        if outcome == "held":
            held = asyncio.get_running_loop().create_future()
            self._held.append(held)
            self.holding.set()
            outcome = await held
        return _order_answer(outcome, made)

    def _make(self, vendor: str, prompt: str, body: dict[str, Any]) -> Made:
        price = SECRET_PRICE if body.get("model") == "veo-3-extend" else PRICES[vendor]
        callback_url = body.get("webhook_url") or body.get("callback_url")
        net = Decimal(0) if vendor == "artnex" else price
        made = Made(f"{vendor}_{len(self.made) + 1}", vendor, prompt, callback_url, price, net)
        self.made.append(made)
        return made

    def _look(self, path: str) -> bytes:
        made = next((each for each in self.made if each.id == path.rsplit("/", 1)[1]), None)
        if made is None or self.looks == "404":
            return _answer(404, {"error": {"code": "NOT_FOUND", "message": "No such job."}})
        spoiled = _SPOILED_LOOKS.get(self.looks)
        if spoiled is not None:
            return spoiled
        return _answer(200, _status(made, self.looks))


async def _request(reader: asyncio.StreamReader) -> tuple[str, str, dict[str, Any]]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    method, path, _ = head.split(" ", 2)
    length = next((int(line[15:]) for line in head.lower().split("\r\n") if line.startswith("content-length:")), 0)
    body = await reader.readexactly(length)
    return method, path, json.loads(body) if body else {}


def _answer(status: int, body: Any, **headers: str) -> bytes:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(content)}", "Content-Type: application/json"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + content


def _order_answer(outcome: str, made: Made | None) -> bytes:
    if outcome == "accepted" and made is not None:
        return _answer(202, _accepted(made))
    return _ORDER_ANSWERS[outcome]


def _accepted(made: Made) -> dict[str, Any]:
    if made.vendor == "vrex":
        return {"id": made.id, "status": "pending", "estimated_cost_usd": float(made.price)}
    if made.vendor == "artnex":
        return {"request_id": made.id, "status": "pending", "credits_used": int(made.price)}
    return {"code": 200, "msg": "success", "data": {"taskId": made.id}}


_CUT = b"HTTP/1.1 202 Said\r\nContent-Length: 900\r\n\r\n{"
_ORDER_ANSWERS = {
    "refused": _answer(400, {"error": {"code": "HATE_SPEECH", "message": "Prompt blocked."}}),
    "busy": _answer(429, {"error": {"code": "RATE_LIMITED", "message": "Slow down."}}, Retry_After="80"),
    "lost": b"",
    "lost_before": b"",
    "cut": _CUT,
    "500_after": _answer(500, {"error": {"code": "INTERNAL_ERROR", "message": "Oh."}}),
    "no_id": _answer(202, {}),
    "garbage": _answer(200, b"<html>It works!"),
}
_SPOILED_LOOKS = {
    "429": _answer(429, {"error": {"code": "RATE_LIMITED", "message": "Slow down."}}, Retry_After="80"),
    "500": _answer(500, b"oh"),
    "401": _answer(401, {"error": {"code": "invalid_api_key", "message": "No."}}),
    "cut": _CUT,
    "garbage": _answer(200, b"[[[["),
}


def _status(made: Made, looks: str) -> dict[str, Any]:
    state = {"lag": "processing", "unknown_word": "dreaming"}.get(looks, made.truth)
    if made.vendor == "vrex":
        figure = {"actual_cost_usd": float(made.price)} if state == "completed" else {}
        return {"id": made.id, "status": _word(state), "video_url": _url(made, state), "error": _why(state), **figure}
    if made.vendor == "artnex":
        word = {"failed": "error"}.get(state, _word(state))
        figure = {"credits_used": int(made.price)} if state == "completed" else {}
        return {"request_id": made.id, "status": word, "video_url": _url(made, state), **figure}
    return _task(made, state)


def _task(made: Made, state: str) -> dict[str, Any]:
    urls = [_url(made, state)] if state == "completed" else []
    return {"id": made.id, "status": _word(state), "output": {"urls": urls}, "error": _why(state)}


def _vrex_callback(made: Made, state: str) -> dict[str, Any]:
    event = f"video.{state}" if state in OTHER and state != "running" else _word(state)
    body = {"event": event, "video_gen_id": made.id, "video_url": _url(made, state), "error": _why(state)}
    return body | ({"actual_cost_usd": float(made.price)} if state == "completed" else {})


def _word(state: str) -> str:
    return "processing" if state == "running" else state


def _url(made: Made, state: str) -> str | None:
    return f"https://files.example.com/{made.id}.mp4" if state == "completed" else None


def _why(state: str) -> str | None:
    return "The model said no" if state == "failed" else None


def orders_sent_twice(posts: list[Posted]) -> Iterator[str]:
    """Prompts of orders that came again although the vendor may have had them."""
    open_to_doubt: set[tuple[str, str]] = set()
    for post in posts:
        if (post.vendor, post.prompt) in open_to_doubt:
            yield post.prompt
        if post.outcome not in HARMLESS:
            open_to_doubt.add((post.vendor, post.prompt))
