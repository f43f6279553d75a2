"""`GET /openapi.json`: what the API takes and answers, as OpenAPI 3.1. Needs the token like the rest of it.

The routes are a table here; a test holds it against the routes that are served, so that neither goes without the
other. `GET /` is here, too: it says to whoever opens the address in a browser where to go on.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from receiver.web import filters
from receiver.web.filters import Filters
from receiver.web.openapi_shapes import MAYBE_TEXT, SCHEMAS, TEXT, Schema, ref, shape, taken_by

WELCOME = """\
Clipbell is running here. `clipbell jobs` and `clipbell watch` show what it does.
Programs use the API under /v1, with the header Authorization: Bearer <api_token>; /openapi.json describes it.
"""


@dataclass(frozen=True, slots=True)
class Operation:
    """One route: what it does, takes and answers. `items`: the answer is a page of them; `refusals`: statuses."""

    method: str
    path: str
    summary: str
    answer: str = ""
    items: bool = False
    filters: Filters = field(default_factory=dict)
    body: str | None = None
    status: int = 200
    refusals: tuple[int, ...] = ()


def listing(path: str, summary: str, answer: str, words: Filters) -> Operation:
    """A list, newest first, by pages."""
    return Operation("get", path, summary, answer, items=True, filters=words)


def order(path: str, summary: str, body: str | None = None) -> Operation:
    """A route that may spend money."""
    return Operation("post", path, summary, "Job", body=body, status=202, refusals=(400, 402, 409, 429, 502))


OPERATIONS = (
    order("/v1/jobs", "Place an order", "Order"),
    listing("/v1/jobs", "List jobs", "Job", filters.JOBS),
    Operation("post", "/v1/jobs/check", "Check an order without placing it", "Checked", body="Order"),
    Operation("get", "/v1/batches/{id}", "How the orders of a batch stand", "Batch"),
    Operation("post", "/v1/jobs/adopt", "Take over a job ordered elsewhere", "Job", body="Adoption", status=202),
    Operation(
        "post",
        "/v1/jobs/expect",
        "Get a one-time callback URL",
        "ExpectedJob",
        body="Expectation",
        status=202,
        refusals=(409,),
    ),
    Operation("get", "/v1/jobs/{id}", "Show a job", "Job"),
    Operation("get", "/v1/jobs/{id}/waits", "Why a queued order has not gone out yet", "Wait"),
    Operation("post", "/v1/jobs/{id}/refresh", "Ask the vendor now", "Job", refusals=(409, 429, 502)),
    order("/v1/jobs/{id}/again", "Order the same again", "Again"),
    Operation("post", "/v1/jobs/{id}/resolve", "Settle an unknown job", "Job", body="Resolution", refusals=(409,)),
    Operation("post", "/v1/jobs/{id}/revoke-link", "Let no living link to a job's clips open any more", "Revoked"),
    listing("/v1/events", "List events", "Event", filters.EVENTS),
    Operation("get", "/v1/events/{id}", "Show an event", "Event"),
    Operation("post", "/v1/events/{id}/replay", "Deliver an event again", "Replayed", body="Replay", status=202),
    listing("/v1/deliveries", "List deliveries", "Delivery", filters.DELIVERIES),
    Operation("post", "/v1/deliveries/{id}/retry", "Try a delivery again", "Delivery", status=202, refusals=(409,)),
    Operation(
        "post", "/v1/deliveries/retry", "Try every delivery of a filter again", "Retried", body="Retry", status=202
    ),
    listing("/v1/evidence", "List what was sent to us", "Evidence", filters.EVIDENCE),
    Operation("get", "/v1/evidence/{id}", "Show one piece of evidence", "Evidence"),
    Operation("get", "/v1/evidence/{id}/body", "Its bytes as they came"),
    listing("/v1/alerts", "List alerts that stand (all=true: all)", "Alert", filters.ALERTS),
    listing("/v1/clips", "List saved files", "Clip", filters.CLIPS),
    Operation("get", "/clips/{token}", "The living link of a clip: the saved file, or its vendor's address"),
    Operation("get", "/clips/{token}/poster.jpg", "The picture beside a saved clip"),
    Operation("get", "/v1/handlers", "List handlers with their health", "Handler", items=True),
    Operation("post", "/v1/handlers/{name}/test", "Send a sample through a handler", "Tested"),
    Operation("get", "/v1/vendors", "What is known of each vendor", "Vendor", items=True),
    listing("/v1/ledger", "List money lines", "LedgerLine", filters.LEDGER),
    Operation("get", "/v1/ledger/summary", "Sum the ledger", "Sum", filters=filters.SUMS),
    listing("/v1/ledger/findings", "List money that does not add up", "Finding", filters.FINDINGS),
    listing("/v1/ledger/findings/summary", "Count and sum it by kind", "FindingSum", filters.FINDINGS),
    Operation("get", "/v1/stream", "Follow what changes (server-sent events)"),
    Operation("get", "/healthz", "Whether the process answers", "Alive"),
    Operation("get", "/readyz", "Whether callbacks would be kept and work is done", "Ready"),
    Operation("get", "/metrics", "Figures for Prometheus"),
    Operation("get", "/openapi.json", "This description", "Description"),
    Operation("get", "/", "Where to go on"),
)
NOT_JSON = {
    "/clips/{token}": "video/mp4",
    "/clips/{token}/poster.jpg": "image/jpeg",
    "/v1/evidence/{id}/body": "application/octet-stream",
    "/v1/stream": "text/event-stream",
    "/metrics": "text/plain",
    "/": "text/plain",
}
OPEN = ("/", "/healthz", "/readyz", "/clips/{token}", "/clips/{token}/poster.jpg")
#: Bodies that may be left out.
NEEDLESS = ("Again", "Replay", "Retry")
#: Summed up in one answer, not page by page.
WHOLE_LISTS = ("/v1/ledger/summary", "/v1/jobs/{id}/waits")
_TEXT = {"text/plain": {"schema": TEXT}}
_PLAIN: Mapping[str, Mapping[int, str]] = {
    "/clips/{token}/poster.jpg": {404: "No such picture", 410: "The link was revoked"},
    "/clips/{token}": {404: "No such link", 410: "The link was revoked, or the clip is gone", 503: "Try again"},
}
_CALLBACK = {
    "summary": "Take a vendor's call; the address is its only credential, and worth one job",
    "security": [],
    "parameters": [{"name": name, "in": "path", "required": True, "schema": TEXT} for name in ("account", "token")],
    "requestBody": {"content": {"*/*": {}}},
    "responses": {
        "200": {
            "description": "Kept, whatever it is",
            "headers": {"Clipbell-Accepted": {"description": "The evidence's id", "schema": TEXT}},
            "content": _TEXT,
        },
        "404": {"description": "Not one of our addresses; nothing is stored", "content": _TEXT},
        "413": {"description": "More than 256 KiB", "content": _TEXT},
        "503": {"description": "Not kept; call again after Retry-After", "content": _TEXT},
    },
}


def document() -> dict[str, Any]:
    """The whole description."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method] = _described(operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Clipbell", "version": "1", "description": "Orders, callbacks, events and money of clips."},
        "paths": {**paths, "/callbacks/{account}/{token}": {"post": _CALLBACK}},
        "components": {
            "schemas": dict(SCHEMAS),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }


def _described(operation: Operation) -> dict[str, Any]:
    told: dict[str, Any] = {
        "summary": operation.summary,
        "parameters": _parameters(operation),
        "responses": {**_answers(operation), **_refusals(operation)},
    }
    if operation.body is not None:
        content = {"application/json": {"schema": ref(operation.body)}}
        told["requestBody"] = {"required": operation.body not in NEEDLESS, "content": content}
    if operation.path in OPEN:
        told["security"] = []
    return told


def _answers(operation: Operation) -> dict[str, Any]:
    content = {NOT_JSON.get(operation.path, "application/json"): {"schema": _shape_of(operation)}}
    found: dict[str, Any] = {str(operation.status): {"description": "Done", "content": content}}
    if operation.status == 202 and operation.answer == "Job":
        found["200"] = {"description": "The first job", "content": content}
    if operation.path == "/readyz":
        found["503"] = {"description": "Not ready", "content": content}
    if operation.path == "/clips/{token}":
        found["302"] = {"description": "At its vendor", "headers": {"Location": {"schema": TEXT}}}
    return found


def _shape_of(operation: Operation) -> Schema:
    if operation.items or operation.path in WHOLE_LISTS:
        return shape(items={"type": "array", "items": ref(operation.answer)}, next=MAYBE_TEXT)
    return ref(operation.answer) if operation.answer else TEXT


def _refusals(operation: Operation) -> dict[str, Any]:
    plain = _PLAIN.get(operation.path)
    if plain is not None:
        return {str(status): {"description": said, "content": _TEXT} for status, said in plain.items()}
    statuses = set(operation.refusals)
    if operation.path not in OPEN:
        statuses |= {401, 503}
    if "{" in operation.path:
        statuses.add(404)
    if operation.filters or operation.items or operation.method == "post" or operation.path in WHOLE_LISTS:
        statuses.add(422)
    if operation.body is not None:
        statuses.add(413)
    content = {"application/problem+json": {"schema": ref("Problem")}}
    named = {str(status): {"description": HTTPStatus(status).phrase, "content": content} for status in statuses}
    return {**dict(sorted(named.items())), "default": {"description": "A refusal", "content": content}}


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    parts = [part[1:-1] for part in operation.path.split("/") if part.startswith("{")]
    found = [{"name": part, "in": "path", "required": True, "schema": TEXT} for part in parts]
    found += [_in_query(name, taken_by(filter_)) for name, filter_ in operation.filters.items()]
    if operation.items:
        found.append(_in_query("cursor", _cursor(operation)))
        found.append(_in_query("limit", {"type": "integer", "minimum": 1, "maximum": 200, **_usual(operation)}))
    if operation.path in ("/v1/jobs", "/v1/jobs/{id}/again") and operation.method == "post":
        key = {"type": "string", "minLength": 1, "maxLength": 255}
        found.append({"name": "Idempotency-Key", "in": "header", "required": False, "schema": key})
    return found


def _in_query(name: str, schema: Schema) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema}


def _cursor(operation: Operation) -> Schema:
    # handlers and vendors go by their names
    return TEXT if not operation.filters else {"type": "string", "pattern": "^[a-z]{3}_[0-9a-z]{26}$"}


def _usual(operation: Operation) -> dict[str, int]:
    return {} if not operation.filters else {"default": 50}


class Description:
    """The routes."""

    def routes(self) -> list[Route]:
        """What is served."""
        return [Route("/openapi.json", self.show), Route("/", self.welcome)]

    async def show(self, request: Request) -> Response:
        """`GET /openapi.json`."""
        return JSONResponse(document())

    async def welcome(self, request: Request) -> Response:
        """`GET /`."""
        return PlainTextResponse(WELCOME)
