"""The shapes that the API takes and answers, as JSON Schema; `openapi.py` says which belongs where."""

from collections.abc import Mapping
from typing import Any

from receiver.store.auditing import KINDS
from receiver.taking import KNOWN_FIELDS
from receiver.web import filters
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


_ORDER = Order.model_json_schema()
_KNOWN = {name: _ORDER["properties"][name] for name in sorted(KNOWN_FIELDS - {"vendor"})}
_VENDOR = {"type": "string", "minLength": 1, "description": "An account's name"}
_VENDORS_ID = {"type": "string", "pattern": r"^[A-Za-z0-9_.-]{1,128}$"}
_CODES = (
    *("bad_request", "unauthorized", "not_found", "conflict", "idempotency_mismatch", "too_large", "invalid_order"),
    *("invalid_request", "budget_reached", "vendor_refused", "vendor_balance", "vendor_busy", "vendor_unreachable"),
    *("store_unavailable", "method_not_allowed", "internal_error", "request_timeout", "uri_too_long"),
    *("headers_too_large", "too_many_requests"),
)


def some(required: tuple[str, ...] = (), /, **fields: Schema) -> Schema:
    """An object with these fields at most, the required ones at least."""
    return {"type": "object", "properties": fields, "required": list(required), "additionalProperties": False}


def taken_by(filter_: filters.Taken) -> Schema:
    """What a filter takes."""
    if isinstance(filter_, range):
        return {"type": "integer", "minimum": filter_[0], "maximum": filter_[-1]}
    return one_of(*filter_) if filter_ else TEXT


def _or_none(schema: Schema) -> Schema:
    more = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    return {**schema, "type": [schema["type"], "null"], **more}


_JOB: dict[str, Schema] = {
    "id": TEXT,
    "vendor": TEXT,
    "account": TEXT,
    "origin": one_of(*(filters.JOBS["origin"] or ())),
    "state": one_of(*filters.JOB_STATES),
    "vendor_job_id": MAYBE_TEXT,
    "prompt": MAYBE_TEXT,
    "model": MAYBE_TEXT,
    "params": OBJECT,
    "tags": WORDS,
    "metadata": OBJECT,
    "batch": MAYBE_TEXT,
    "estimate": maybe(ref("Money")),
    "cost": maybe(ref("Money")),
    "videos": {"type": "array", "items": ref("Video")},
    "failure": maybe(ref("Failure")),
    "overdue_at": MAYBE_TIME,
    "callback": {"type": "boolean"},
    "settled_by": maybe(one_of(*(filters.JOBS["settled_by"] or ()))),
    "created_at": TIME,
    "submitted_at": MAYBE_TIME,
    "settled_at": MAYBE_TIME,
    "event_ids": WORDS,
}
SCHEMAS: Mapping[str, Schema] = {
    "Order": _ORDER,
    "Adoption": some(("vendor", "vendor_job_id"), vendor=_VENDOR, vendor_job_id=_VENDORS_ID, **_KNOWN),
    "Expectation": some(("vendor",), vendor=_VENDOR, **_KNOWN),
    "Again": some((), idempotency_key={"type": ["string", "null"], "minLength": 1, "maxLength": 255}),
    "Resolution": {
        "oneOf": [
            some(("resolution", "vendor_job_id"), resolution=one_of("sent"), vendor_job_id=_VENDORS_ID),
            some(("resolution",), resolution=one_of("not-sent"), vendor_job_id={"type": "null"}),
        ]
    },
    "Replay": some(handler=MAYBE_TEXT, again={"type": ["boolean", "null"]}),
    "Retry": some((), **{name: _or_none(taken_by(words)) for name, words in filters.RETRIES.items()}),
    "Wait": shape(code=TEXT, text=TEXT, until=MAYBE_TIME),
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
    "Money": shape(amount={"type": "string", "pattern": r"^-?\d+(\.\d+)?$"}, unit=one_of("USD", "credits")),
    "Video": shape(url=TEXT, mime_type=MAYBE_TEXT, expires_at=MAYBE_TIME),
    "Failure": shape(
        code=TEXT,
        message=TEXT,
        refunded={"type": ["boolean", "null"]},
        refund_basis=maybe(one_of("vendor_figure", "vendor_policy")),
    ),
    "Job": shape(**_JOB),
    "ExpectedJob": shape(**_JOB, callback_url=TEXT),
    "Event": shape(
        id=TEXT,
        version=WHOLE,
        type=one_of(*(filters.EVENTS["type"] or ())),
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
        basis=one_of(*filters.BASES),
        evidence_id=MAYBE_TEXT,
    ),
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
            "code": one_of(*_CODES),
            "errors": {"type": "array", "items": shape(field=TEXT, problem=TEXT)},
            "vendor_status": WHOLE,
            "vendor_code": MAYBE_TEXT,
            "vendor_message": MAYBE_TEXT,
            "job_id": MAYBE_TEXT,
            "retry_after": {"type": "number"},
        },
        "required": ["type", "title", "status", "detail", "code"],
    },
    "Handler": OBJECT,
    "Vendor": OBJECT,
    "Tested": shape(
        handler=TEXT,
        ok={"type": "boolean"},
        sample=ref("Event"),
        results={
            "type": "array",
            "items": shape(
                target=TEXT,
                outcome=one_of("done", "later", "gave_up"),
                reason=MAYBE_TEXT,
                answer=MAYBE_TEXT,
                saved=WORDS,
            ),
        },
    ),
    "Replayed": shape(deliveries=WORDS),
    "Retried": shape(retried=WHOLE, deliveries=WORDS),
    "Revoked": shape(job_id=TEXT, revoked={"type": "boolean"}),
    "Sum": shape(
        key=MAYBE_TEXT,
        unit=MAYBE_TEXT,
        vendor=MAYBE_TEXT,
        charged=TEXT,
        refunded=TEXT,
        total=TEXT,
        open_estimate=TEXT,
        unknown_lines=WHOLE,
        jobs=WHOLE,
    ),
    "Alive": shape(status=one_of("ok")),
    "Ready": some(
        ("status",),
        status=one_of("ready", "unavailable"),
        problems=WORDS,
        counts={"type": "object", "additionalProperties": WHOLE},
    ),
    "Description": OBJECT,
}
