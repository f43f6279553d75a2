"""`GET /openapi.json`: what the API takes and answers, as OpenAPI 3.1. Needs the token like the rest of it.

The routes are a table here; a test holds it against the routes that are served, so that neither goes without the
other.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from receiver.store.auditing import KINDS
from receiver.web import filters
from receiver.web.filters import Filters
from schemas.order import Order

Schema = Mapping[str, Any]

TEXT: Schema = {"type": "string"}
MAYBE_TEXT: Schema = {"type": ["string", "null"]}
TIME: Schema = {"type": "string", "format": "date-time"}
MAYBE_TIME: Schema = {"type": ["string", "null"], "format": "date-time"}
WHOLE: Schema = {"type": "integer"}
OBJECT: Schema = {"type": "object"}
WORDS: Schema = {"type": "array", "items": TEXT}


def one_of(*words: str) -> Schema:
    """A string out of a few."""
    return {"type": "string", "enum": list(words)}


def ref(name: str) -> Schema:
    """A schema by its name."""
    return {"$ref": f"#/components/schemas/{name}"}


def maybe(schema: Schema) -> Schema:
    """A schema, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def shape(**fields: Schema) -> Schema:
    """An object with just these fields, all of them there."""
    return {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}


SCHEMAS: Mapping[str, Schema] = {
    "Order": Order.model_json_schema(),
    "Money": shape(amount={"type": "string", "pattern": r"^-?\d+(\.\d+)?$"}, unit=one_of("USD", "credits")),
    "Video": shape(url=TEXT, mime_type=MAYBE_TEXT, expires_at=MAYBE_TIME),
    "Failure": shape(
        code=TEXT,
        message=TEXT,
        refunded={"type": ["boolean", "null"]},
        refund_basis=maybe(one_of("vendor_figure", "vendor_policy")),
    ),
    "Job": shape(
        id=TEXT,
        vendor=TEXT,
        account=TEXT,
        origin=one_of("ordered", "adopted", "expected"),
        state=one_of(*filters.JOB_STATES),
        vendor_job_id=MAYBE_TEXT,
        prompt=MAYBE_TEXT,
        model=MAYBE_TEXT,
        params=OBJECT,
        tags=WORDS,
        metadata=OBJECT,
        batch=MAYBE_TEXT,
        estimate=maybe(ref("Money")),
        cost=maybe(ref("Money")),
        videos={"type": "array", "items": ref("Video")},
        failure=maybe(ref("Failure")),
        overdue_at=MAYBE_TIME,
        callback={"type": "boolean"},
        settled_by=maybe(one_of("callback", "poll", "history", "person")),
        created_at=TIME,
        submitted_at=MAYBE_TIME,
        settled_at=MAYBE_TIME,
        event_ids=WORDS,
    ),
    "Wait": shape(code=TEXT, text=TEXT, until=MAYBE_TIME),
    "Event": shape(
        id=TEXT,
        version=WHOLE,
        type=one_of("video.completed", "video.failed", "clip.saved", "alert.raised", "alert.cleared"),
        vendor=MAYBE_TEXT,
        account=MAYBE_TEXT,
        job_id=MAYBE_TEXT,
        vendor_job_id=MAYBE_TEXT,
        occurred_at=TIME,
        received_at=TIME,
        source=one_of("callback", "poll", "history", "person", "clipbell"),
        trust=one_of("token", "confirmed", "polled", "own"),
        prompt=MAYBE_TEXT,
        model=MAYBE_TEXT,
        duration_seconds={"type": ["number", "null"]},
        resolution=MAYBE_TEXT,
        videos={"type": "array", "items": ref("Video")},
        cost=maybe(ref("Money")),
        failure=maybe(ref("Failure")),
        tags=WORDS,
        metadata=OBJECT,
        batch=MAYBE_TEXT,
        detail={"type": ["object", "null"]},
        raw=OBJECT,
    ),
    "Delivery": shape(
        id=TEXT,
        event_id=TEXT,
        job_id=MAYBE_TEXT,
        handler=TEXT,
        target=TEXT,
        state=one_of(*filters.DELIVERY_STATES),
        attempts={
            "type": "array",
            "items": shape(at=TIME, outcome=TEXT, reason=MAYBE_TEXT, answer=MAYBE_TEXT),
        },
        next_at=MAYBE_TIME,
        created_at=TIME,
    ),
    "LedgerLine": shape(
        id=TEXT,
        at=TIME,
        job_id=TEXT,
        vendor=TEXT,
        account=TEXT,
        kind=one_of(*filters.LINE_KINDS),
        amount=maybe(ref("Money")),
        basis=one_of("vendor_figure", "price_list"),
        evidence_id=MAYBE_TEXT,
    ),
    "Finding": shape(
        id=TEXT,
        kind=one_of(*KINDS),
        at=TIME,
        job_id=TEXT,
        vendor=TEXT,
        account=TEXT,
        vendor_job_id=MAYBE_TEXT,
        prompt=MAYBE_TEXT,
        amount=maybe(ref("Money")),
        other_job_id=MAYBE_TEXT,
        text=TEXT,
        next_step=TEXT,
    ),
    "FindingSum": shape(kind=one_of(*KINDS), vendor=MAYBE_TEXT, count=WHOLE, amount=maybe(ref("Money"))),
    "Evidence": shape(
        id=TEXT,
        at=TIME,
        job_id=MAYBE_TEXT,
        account=TEXT,
        kind=one_of(*filters.EVIDENCE_KINDS),
        verdict=one_of(*filters.VERDICTS),
        status={"type": ["integer", "null"]},
        headers=OBJECT,
        size=WHOLE,
        sha256=TEXT,
    ),
    "Alert": shape(
        id=TEXT,
        code=TEXT,
        subject=TEXT,
        job_id=MAYBE_TEXT,
        text=TEXT,
        next_step=TEXT,
        raised_at=TIME,
        cleared_at=MAYBE_TIME,
    ),
    "Clip": shape(
        id=TEXT,
        job_id=TEXT,
        number=WHOLE,
        handler=TEXT,
        path=TEXT,
        bytes=WHOLE,
        sha256=TEXT,
        mime_type=TEXT,
        poster=MAYBE_TEXT,
        at=TIME,
    ),
    "Batch": shape(
        batch=TEXT,
        jobs=WHOLE,
        states={"type": "object", "additionalProperties": WHOLE},
        done={"type": "boolean"},
        stuck=WHOLE,
        retaken=WHOLE,
        failures={
            "type": "array",
            "items": shape(state=one_of(*filters.JOB_STATES), code=MAYBE_TEXT, message=MAYBE_TEXT, count=WHOLE),
        },
        costs={"type": "array", "items": shape(account=TEXT, unit=TEXT, total=TEXT, open_estimate=TEXT)},
        began_at=TIME,
        settled_at=MAYBE_TIME,
    ),
    "Checked": shape(
        vendor=TEXT,
        account=TEXT,
        model=MAYBE_TEXT,
        seconds={"type": ["integer", "null"]},
        estimate=maybe(ref("Money")),
    ),
    "Problem": {
        "type": "object",
        "properties": {
            "type": TEXT,
            "title": TEXT,
            "status": WHOLE,
            "detail": TEXT,
            "code": TEXT,
            "errors": {"type": "array", "items": shape(field=TEXT, problem=TEXT)},
        },
        "required": ["type", "title", "status", "detail", "code"],
    },
    "Any": OBJECT,
}


@dataclass(frozen=True, slots=True)
class Operation:
    """One route: what it does, takes and answers. `items`: the answer is a page of them."""

    method: str
    path: str
    summary: str
    answer: str = "Any"
    items: bool = False
    filters: Filters = field(default_factory=dict)
    body: Schema | None = None
    status: int = 200


def listing(path: str, summary: str, answer: str, by: Filters) -> Operation:
    """A list, newest first, by pages."""
    return Operation("get", path, summary, answer, items=True, filters=by)


RESOLUTION = {
    "type": "object",
    "properties": {"resolution": one_of("sent", "not-sent"), "vendor_job_id": TEXT},
    "required": ["resolution"],
}
ADOPTION = {
    "type": "object",
    "properties": {"vendor": TEXT, "vendor_job_id": TEXT},
    "required": ["vendor", "vendor_job_id"],
}
EXPECTATION = {"type": "object", "properties": {"vendor": TEXT}, "required": ["vendor"]}
REPLAY = {"type": "object", "properties": {"handler": TEXT, "again": {"type": "boolean"}}}
OPERATIONS = (
    Operation("post", "/v1/jobs", "Place an order", "Job", body=ref("Order"), status=202),
    listing("/v1/jobs", "List jobs", "Job", filters.JOBS),
    Operation("post", "/v1/jobs/check", "Check an order without placing it", "Checked", body=ref("Order")),
    Operation("get", "/v1/batches/{id}", "How the orders of a batch stand", "Batch"),
    Operation("post", "/v1/jobs/adopt", "Take over a job ordered elsewhere", "Job", body=ADOPTION, status=202),
    Operation("post", "/v1/jobs/expect", "Get a one-time callback URL", "Any", body=EXPECTATION, status=202),
    Operation("get", "/v1/jobs/{id}", "Show a job", "Job"),
    Operation("get", "/v1/jobs/{id}/waits", "Why a queued order has not gone out yet", "Wait", items=True),
    Operation("post", "/v1/jobs/{id}/refresh", "Ask the vendor now", "Job"),
    Operation("post", "/v1/jobs/{id}/again", "Order the same again", "Job", status=202),
    Operation("post", "/v1/jobs/{id}/resolve", "Settle an unknown job", "Job", body=RESOLUTION),
    Operation("post", "/v1/jobs/{id}/revoke-link", "Let no living link to a job's clips open any more"),
    listing("/v1/events", "List events", "Event", filters.EVENTS),
    Operation("get", "/v1/events/{id}", "Show an event", "Event"),
    Operation("post", "/v1/events/{id}/replay", "Deliver an event again", body=REPLAY, status=202),
    listing("/v1/deliveries", "List deliveries", "Delivery", filters.DELIVERIES),
    Operation("post", "/v1/deliveries/{id}/retry", "Try a delivery again", "Delivery", status=202),
    Operation("post", "/v1/deliveries/retry", "Try every delivery of a filter again", body=OBJECT, status=202),
    listing("/v1/evidence", "List what was sent to us", "Evidence", filters.EVIDENCE),
    Operation("get", "/v1/evidence/{id}", "Show one piece of evidence", "Evidence"),
    Operation("get", "/v1/evidence/{id}/body", "Its bytes as they came"),
    listing("/v1/alerts", "List alerts that stand (all=true: all)", "Alert", filters.ALERTS),
    listing("/v1/clips", "List saved files", "Clip", filters.CLIPS),
    Operation("get", "/clips/{token}", "The living link of a clip: the saved file, or its vendor's address"),
    Operation("get", "/clips/{token}/poster.jpg", "The picture beside a saved clip"),
    Operation("get", "/v1/handlers", "List handlers with their health"),
    Operation("post", "/v1/handlers/{name}/test", "Send a sample through a handler"),
    Operation("get", "/v1/vendors", "What is known of each vendor"),
    listing("/v1/ledger", "List money lines", "LedgerLine", filters.LEDGER),
    Operation("get", "/v1/ledger/summary", "Sum the ledger", filters=filters.SUMS),
    listing("/v1/ledger/findings", "List money that does not add up", "Finding", filters.FINDINGS),
    listing("/v1/ledger/findings/summary", "Count and sum it by kind", "FindingSum", filters.FINDINGS),
    Operation("get", "/v1/stream", "Follow what changes (server-sent events)"),
    Operation("get", "/healthz", "Whether the process answers"),
    Operation("get", "/readyz", "Whether callbacks would be kept and work is done"),
    Operation("get", "/metrics", "Figures for Prometheus"),
    Operation("get", "/openapi.json", "This description"),
)
NOT_JSON = {
    "/clips/{token}": "video/mp4",
    "/clips/{token}/poster.jpg": "image/jpeg",
    "/v1/evidence/{id}/body": "application/octet-stream",
    "/v1/stream": "text/event-stream",
    "/metrics": "text/plain",
}


def document() -> dict[str, Any]:
    """The whole description."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method] = _described(operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Clipbell", "version": "1", "description": "Orders, callbacks, events and money of clips."},
        "paths": paths,
        "components": {
            "schemas": dict(SCHEMAS),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }


def _described(operation: Operation) -> dict[str, Any]:
    problem = {"description": "A refusal", "content": {"application/problem+json": {"schema": ref("Problem")}}}
    answer = _page(operation.answer) if operation.items else ref(operation.answer)
    kind = NOT_JSON.get(operation.path, "application/json")
    told: dict[str, Any] = {
        "summary": operation.summary,
        "parameters": _parameters(operation),
        "responses": {
            str(operation.status): {"description": "Done", "content": {kind: {"schema": answer}}},
            "default": problem,
        },
    }
    if operation.status == 202 and operation.answer == "Job":
        told["responses"]["200"] = {"description": "The first job", "content": {kind: {"schema": answer}}}
    if operation.body is not None:
        told["requestBody"] = {"content": {"application/json": {"schema": operation.body}}}
    if operation.path in ("/healthz", "/readyz") or operation.path.startswith("/clips/"):
        told["security"] = []
    return told


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    parts = [part[1:-1] for part in operation.path.split("/") if part.startswith("{")]
    found = [{"name": part, "in": "path", "required": True, "schema": TEXT} for part in parts]
    for name, words in operation.filters.items():
        found.append({"name": name, "in": "query", "required": False, "schema": one_of(*words) if words else TEXT})
    if operation.items:
        limit = {"type": "integer", "minimum": 1, "maximum": 200, "default": 50}
        found.append({"name": "limit", "in": "query", "required": False, "schema": limit})
        found.append({"name": "cursor", "in": "query", "required": False, "schema": TEXT})
    if operation.path == "/v1/jobs" and operation.method == "post":
        found.append({"name": "Idempotency-Key", "in": "header", "required": False, "schema": TEXT})
    return found


def _page(name: str) -> Schema:
    return shape(items={"type": "array", "items": ref(name)}, next=MAYBE_TEXT)


class Description:
    """The route."""

    def routes(self) -> list[Route]:
        """What is served."""
        return [Route("/openapi.json", self.show)]

    async def show(self, request: Request) -> Response:
        """`GET /openapi.json`."""
        return JSONResponse(document())
