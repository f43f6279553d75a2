"""The rows of the store in the shapes of the contract. Pure."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from receiver.delivering import NO_ROOM
from receiver.store.protocol import Attempt, Clip, Delivery, Line
from schemas.event import at, rfc3339


def delivery_json(delivery: Delivery) -> dict[str, Any]:
    """A delivery with its attempts."""
    return {
        "id": delivery.id,
        "event_id": delivery.event_id,
        "job_id": delivery.job_id,
        "handler": delivery.handler,
        "target": delivery.target,
        "state": delivery.state,
        "attempts": [
            {"at": time_json(a.at), "outcome": a.outcome, "reason": a.reason, "answer": _said(a)}
            for a in delivery.attempts
        ],
        "next_at": time_json(delivery.next_at) if delivery.state == "pending" else None,
        "created_at": time_json(delivery.created_at),
    }


def _said(attempt: Attempt) -> str | None:
    # where no room was found nobody answered: what stands there is a folder of ours
    return None if attempt.outcome == NO_ROOM else attempt.answer


def line_json(line: Line) -> dict[str, Any]:
    """A ledger line."""
    return {
        "id": line.id,
        "at": time_json(line.at),
        "job_id": line.job_id,
        "vendor": line.vendor,
        "account": line.account,
        "kind": line.kind,
        "amount": line.amount.to_json() if line.amount else None,
        "basis": line.basis,
        "evidence_id": line.evidence_id,
    }


def clip_json(clip: Clip) -> dict[str, Any]:
    """A saved file."""
    return {
        "id": clip.id,
        "job_id": clip.job_id,
        "number": clip.number,
        "handler": clip.handler,
        "path": clip.path,
        "bytes": clip.bytes,
        "sha256": clip.sha256,
        "mime_type": clip.mime_type,
        "poster": clip.poster,
        "at": time_json(clip.at),
    }


def evidence_json(row: Mapping[str, Any]) -> dict[str, Any]:
    """A piece of evidence, without its bytes."""
    return {**row, "at": time_json(row["at"])} if isinstance(row["at"], int) else dict(row)


def alert_json(row: Mapping[str, Any]) -> dict[str, Any]:
    """An alert, past or present."""
    return {**row, "raised_at": time_json(row["raised_at"]), "cleared_at": time_json(row["cleared_at"])}


def sum_json(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the ledger's summary: amounts as plain decimal strings."""
    amounts = ("charged", "refunded", "total", "open_estimate")
    return {name: f"{value:f}" if name in amounts else value for name, value in row.items()}


def batch_json(row: Mapping[str, Any]) -> dict[str, Any]:
    """How a batch stands."""
    costs = [{name: f"{v:f}" if isinstance(v, Decimal) else v for name, v in cost.items()} for cost in row["costs"]]
    times = {name: time_json(row[name]) for name in ("began_at", "settled_at")}
    return {**row, **times, "costs": costs}


def time_json(micros: int | None) -> str | None:
    """A stored time."""
    return None if micros is None else rfc3339(at(micros))
