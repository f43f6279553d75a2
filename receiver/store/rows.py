"""Rows: how jobs, events, deliveries and the rest turn into rows of the tables and back. Pure; no statement here."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import chain, compress
from operator import is_not
from typing import Any, TypeVar

from msgspec import DecodeError, Struct, convert, to_builtins
from msgspec.json import Decoder, Encoder
from msgspec.structs import astuple

from receiver.store.protocol import Attempt, Clip, Delivery, Evidence, Line, NewDelivery
from schemas.event import Event, Failure, Money, Source, Video, at, micros, rfc3339
from schemas.job import Claim, Job, JobState, Origin

Row = Sequence[Any]

Shape = TypeVar("Shape")
# a mapping that is no dict becomes one
_json = Encoder(enc_hook=dict).encode


def _encode(value: Any) -> str:
    try:
        return _json(value).decode()
    except UnicodeEncodeError:
        # slower, but it has a word for lone surrogates
        return json.dumps(to_builtins(value, enc_hook=dict), separators=(",", ":"))


def _reader(shape: type[Shape]) -> Callable[[str], Shape]:
    decode = Decoder(shape).decode

    def read(text: str) -> Shape:
        try:
            return decode(text)
        except DecodeError:
            return convert(json.loads(text), shape)  # lone surrogates again

    return read


def clean(text: str | None) -> str | None:
    """What both engines can keep as text: without NULs and lone surrogates, which only one or none of them takes."""
    if text is None or (text.isascii() and "\0" not in text):
        return text
    return text.replace("\0", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


# --- jobs ------------------------------------------------------------------------------------------------

#: What is kept under its own name, as it is.
_PLAIN = (
    "id vendor account created_at order_sha256 seconds submitted_at settled_at overdue_at give_up_at next_at looks "
    "tries fence sent_at"
).split()
#: What others worded; it may hold what an engine cannot keep.
_FOREIGN = ("vendor_job_id", "model", "batch", "idempotency_key")
_MONEY = ("estimate", "cost", "booked", "quote")
JOB_COLUMNS = (
    *_PLAIN,
    *_FOREIGN,
    *(f"{name}_{part}" for name in _MONEY for part in ("micros", "unit")),
    "state",
    "origin",
    "settled_by",
    "callback",
    "ordered",
    "outcome",
)
#: What is written of a new job: beside all that is read, what it is only looked up by.
NEW_JOB_COLUMNS = (*JOB_COLUMNS, "prompt_sha256")


def _money(name: str) -> Callable[[Job], tuple[int | None, str | None]]:
    def columns(job: Job) -> tuple[int | None, str | None]:
        money: Money | None = getattr(job, name)
        return (None, None) if money is None else (money.micros, money.unit)

    return columns


class _Ordered(Struct, omit_defaults=True):
    """What the column `ordered` holds."""

    prompt: str | None
    params: Mapping[str, Any]
    tags: tuple[str, ...]
    metadata: Mapping[str, Any]
    picture: str | None = None


class _Outcome(Struct):
    """What the column `outcome` holds."""

    videos: tuple[Video, ...]
    failure: Failure | None
    claim: Claim | None


_ordered_of, _outcome_of = _reader(_Ordered), _reader(_Outcome)
_event_of = _reader(Event)
_headers_of = _reader(dict[str, Any])


def _ordered(job: Job) -> tuple[str, str | None]:
    whole = _Ordered(job.prompt, job.params, job.tags, job.metadata, job.picture)
    return _encode(whole), _prompt_sha256(job)


def _prompt_sha256(job: Job) -> str | None:
    """What jobs of one prompt, account and model have in common, none of which ever changes; None without a prompt."""
    if not job.prompt:
        return None
    whole = "\0".join((job.account, clean(job.model) or "", job.prompt))
    # in UTF-16 it does not matter whether a pair of surrogates was joined
    return hashlib.sha256(whole.encode("utf-16-le", "surrogatepass")).hexdigest()


def _outcome(job: Job) -> tuple[str]:
    return (_encode(_Outcome(job.videos, job.failure, job.claim)),)


def _plain(name: str) -> Callable[[Job], tuple[Any]]:
    return lambda job: (getattr(job, name),)


def _foreign(name: str) -> Callable[[Job], tuple[str | None]]:
    return lambda job: (clean(getattr(job, name)),)


#: columns -> how a job says them; a field of the job may stand behind several, and several behind one
_Part = tuple[tuple[str, ...], Callable[[Job], tuple[Any, ...]]]
_ORDERED: _Part = (("ordered", "prompt_sha256"), _ordered)
_OUTCOME: _Part = (("outcome",), _outcome)
_PARTS: Mapping[str, _Part] = {
    **{name: ((name,), _plain(name)) for name in _PLAIN},
    **{name: ((name,), _foreign(name)) for name in _FOREIGN},
    **{name: ((f"{name}_micros", f"{name}_unit"), _money(name)) for name in _MONEY},
    "state": (("state",), lambda job: (job.state.value,)),
    "origin": (("origin",), lambda job: (job.origin.value,)),
    "settled_by": (("settled_by",), lambda job: (job.settled_by.value if job.settled_by else None,)),
    "callback": (("callback",), lambda job: (int(job.callback),)),
    **dict.fromkeys(("prompt", "params", "tags", "metadata", "picture"), _ORDERED),
    **dict.fromkeys(("videos", "failure", "claim"), _OUTCOME),
}


def job_row(job: Job) -> Row:
    """A row of `NEW_JOB_COLUMNS`."""
    columns: dict[str, Any] = {}
    for names, values in _WAYS:
        columns.update(zip(names, values(job), strict=True))
    return [columns[name] for name in NEW_JOB_COLUMNS]


_WAYS = tuple(dict(_PARTS.values()).items())


def changed_columns(old: Job, new: Job) -> tuple[tuple[str, ...], Row]:
    """The columns of a job that are to be written, given what its row holds, and their values."""
    was, is_ = astuple(old), astuple(new)
    # most fields are the very same object
    others = compress(_NUMBERS, map(is_not, was, is_))
    names, ways = _written(tuple([number for number in others if was[number] != is_[number]]))
    return names, tuple(chain.from_iterable([way(new) for way in ways]))


_ALL_PARTS = tuple([_PARTS[name] for name in Job.__struct_fields__])
_NUMBERS = range(len(_ALL_PARTS))


@lru_cache(512)
def _written(numbers: tuple[int, ...]) -> tuple[tuple[str, ...], tuple[Callable[[Job], tuple[Any, ...]], ...]]:
    """The columns of these fields, and how a job says them; changes are of few kinds."""
    parts = dict([_ALL_PARTS[number] for number in numbers])
    return tuple(chain.from_iterable(parts)), tuple(parts.values())


# looked up here in a fraction of the time that an enumeration's own call takes
_STATES = {each.value: each for each in JobState}
_ORIGINS = {each.value: each for each in Origin}
_SOURCES = {each.value: each for each in Source}


def job_of(row: Row) -> Job:
    """A job out of a row of `JOB_COLUMNS`."""
    (
        id_, vendor, account, created_at, order_sha256, seconds, submitted_at, settled_at, overdue_at, give_up_at,
        next_at, looks, tries, fence, sent_at, vendor_job_id, model, batch, idempotency_key, estimate, estimate_unit,
        cost, cost_unit, booked, booked_unit, quote, quote_unit, state, origin, settled_by, callback, ordered, outcome,
    ) = row  # fmt: skip
    order, found = _ordered_of(ordered), _outcome_of(outcome)
    return Job(
        id=id_,
        vendor=vendor,
        account=account,
        state=_STATES[state],
        created_at=created_at,
        origin=_ORIGINS[origin],
        vendor_job_id=vendor_job_id,
        prompt=order.prompt,
        model=model,
        params=order.params,
        tags=order.tags,
        metadata=order.metadata,
        batch=batch,
        estimate=money_of(estimate, estimate_unit),
        cost=money_of(cost, cost_unit),
        videos=found.videos,
        failure=found.failure,
        overdue_at=overdue_at,
        callback=bool(callback),
        settled_by=_SOURCES[settled_by] if settled_by else None,
        submitted_at=submitted_at,
        settled_at=settled_at,
        idempotency_key=idempotency_key,
        order_sha256=order_sha256,
        seconds=seconds,
        picture=order.picture,
        booked=money_of(booked, booked_unit),
        quote=money_of(quote, quote_unit),
        claim=found.claim,
        next_at=next_at,
        give_up_at=give_up_at,
        looks=looks,
        tries=tries,
        fence=fence,
        sent_at=sent_at,
    )


def money_of(amount: int | None, unit: Any) -> Money | None:
    """An amount out of two columns."""
    return None if amount is None else Money.of_micros(amount, unit)


# --- what was sent, what was told ------------------------------------------------------------------------

EVIDENCE_COLUMNS = ("id", "at", "job_id", "account", "kind", "verdict", "status", "headers", "size", "sha256")


def evidence_row(evidence: Evidence, verdict: str) -> Row:
    """A row of `EVIDENCE_COLUMNS`."""
    return (
        evidence.id,
        evidence.at,
        evidence.job_id,
        evidence.account,
        evidence.kind,
        verdict,
        evidence.status,
        _encode(evidence.headers),
        len(evidence.body),
        evidence.sha256,
    )


def evidence_json(row: Row) -> dict[str, Any]:
    """A row of `EVIDENCE_COLUMNS` in the contract's shape."""
    shape = dict(zip(EVIDENCE_COLUMNS, row, strict=True))
    return {**shape, "at": rfc3339(at(shape["at"])), "headers": _headers_of(shape["headers"])}


EVENT_COLUMNS = ("id", "type", "job_id", "vendor", "account", "batch", "received_at", "body")


def event_row(event: Event) -> Row:
    """A row of `EVENT_COLUMNS`."""
    return (
        event.id,
        event.type.value,
        event.job_id,
        event.vendor,
        event.account,
        clean(event.batch),
        micros(event.received_at),
        _encode(event),
    )


def event_of(body: str) -> Event:
    """An event out of the column `body`."""
    return _event_of(body)


# --- deliveries ------------------------------------------------------------------------------------------

DELIVERY_COLUMNS = (
    "id event_id job_id handler target state created_at next_at deadline fence claims replays skipped lane"
).split()


def new_delivery_rows(
    new: Iterable[NewDelivery], event_id: str, job_id: str | None, now: int, lane: int = 0
) -> list[Row]:
    """Rows of `DELIVERY_COLUMNS` that are due at once."""
    fresh = (0, 0, 0, 0, lane)
    return [
        (each.id, event_id, job_id, each.handler, clean(each.target), "pending", now, now, each.deadline, *fresh)
        for each in new
    ]


def delivery_of(row: Row, attempts: tuple[Attempt, ...] = ()) -> Delivery:
    """A delivery out of a row of `DELIVERY_COLUMNS`."""
    id_, event_id, job_id, handler, target, state, created, next_at, deadline, fence, claims, replays = row[:12]
    skipped, lane = row[12:]
    return Delivery(
        id=id_,
        event_id=event_id,
        job_id=job_id,
        handler=handler,
        target=target,
        state=state,
        created_at=created,
        next_at=next_at,
        deadline=deadline,
        fence=fence,
        claims=claims,
        replays=replays,
        skipped=skipped,
        lane=lane,
        attempts=attempts,
    )


def attempt_row(delivery_id: str, fence: int, attempt: Attempt) -> Row:
    """A row of the table `attempts`."""
    return (delivery_id, fence, attempt.at, attempt.outcome, clean(attempt.reason), clean(attempt.answer))


# --- money, clips ----------------------------------------------------------------------------------------

LINE_COLUMNS = ("id", "at", "job_id", "vendor", "account", "kind", "micros", "unit", "basis", "evidence_id")


def line_row(line: Line) -> Row:
    """A row of `LINE_COLUMNS`."""
    amount = line.amount
    whole = (None, None) if amount is None else (amount.micros, amount.unit)
    return (line.id, line.at, line.job_id, line.vendor, line.account, line.kind, *whole, line.basis, line.evidence_id)


def line_of(row: Row) -> Line:
    """A ledger line out of a row of `LINE_COLUMNS`."""
    id_, moment, job_id, vendor, account, kind, amount, unit, basis, evidence_id = row
    return Line(id_, moment, job_id, vendor, account, kind, money_of(amount, unit), basis, evidence_id)


CLIP_COLUMNS = ("id", "job_id", "number", "handler", "path", "bytes", "sha256", "mime_type", "poster", "at")


def clip_row(clip: Clip) -> Row:
    """A row of `CLIP_COLUMNS`."""
    return tuple(getattr(clip, name) for name in CLIP_COLUMNS)


def clip_of(row: Row) -> Clip:
    """A saved file out of a row of `CLIP_COLUMNS`."""
    return Clip(*row)
