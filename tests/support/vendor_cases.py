"""Golden cases of vendors: a file is a case, what is `given` and what it `becomes`, both written by hand.

`what` says which door it goes through: order, submit_answer, status, callback, renewal or history.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from schemas.answers import (
    Busy,
    Missing,
    Refused,
    Unclear,
    read_history,
    read_look,
    read_renewal,
    read_submission,
)
from schemas.errors import InvalidOrder, Unreadable
from schemas.event import Money, Video, rfc3339
from schemas.order import order_from_json
from schemas.reading import Reading
from schemas.report import Report
from schemas.vendor import Accepted, Answer, HistoryPage, Part, Submission, Terms, Vendor
from tests.support.vendors import terms_of, vendor_named

FIXTURES = Path(__file__).parent.parent / "fixtures"
NOW = datetime(2025, 1, 1, 12, 0, 0, tzinfo=UTC)
CALLBACK_URL = "https://hooks.example.com/callbacks/vrex/token"


@dataclass(frozen=True)
class Case:
    """One file."""

    vendor: Vendor
    name: str
    data: Mapping[str, Any]

    @property
    def id(self) -> str:
        """What the test is called."""
        return f"{self.vendor.name}/{self.name}"

    def terms(self) -> Terms:
        """The account's terms, with what the case says of them."""
        return terms_of(self.vendor, **self.data.get("terms", {}))

    def answer(self) -> Answer:
        """The HTTP answer that the case gives: `text` as it is, or `given` as JSON."""
        return Answer(self.data.get("http", 200), self.data.get("headers", {}), self.body())

    def body(self) -> bytes:
        """The bytes that the case gives."""
        return (self.data["text"] if "text" in self.data else json.dumps(self.data["given"])).encode()

    def outcome(self) -> Any:
        """What our code makes of it, as JSON."""
        return DOORS[self.data["what"]](self)


def every_case() -> Sequence[Case]:
    """All cases of all vendors."""
    return [
        Case(vendor_named(path.parent.name), path.stem, json.loads(path.read_text()))
        for path in sorted(FIXTURES.glob("*/*.json"))
        if path.parent.name in VENDORS_WITH_CASES
    ]


VENDORS_WITH_CASES = ("vrex", "ulazai", "artnex", "veo3gen", "aivideoapi")


def _order(case: Case) -> Any:
    order = order_from_json({"vendor": case.vendor.name, **case.data["given"]})
    callback_url = CALLBACK_URL if case.vendor.report_from_callback else None
    try:
        return _submission(case.vendor.submission(order, case.terms(), callback_url))
    except InvalidOrder as error:
        return {"problems": {problem.field: problem.problem for problem in error.problems}}


def _submission(found: Submission) -> dict[str, Any]:
    said = {
        "call": f"{found.request.method} {found.request.path}",
        "json": found.request.json,
        "parts": [_part(part) for part in found.request.parts],
        "model": found.model,
        "seconds": found.seconds,
        "picture": found.picture,
        "estimate": _money(found.estimate),
    }
    return _without_nothing(said)


def _part(part: Part) -> dict[str, Any]:
    return _without_nothing({**asdict(part), "content": part.content.decode("latin-1"), "types": list(part.types)})


def _submit_answer(case: Case) -> Any:
    return _said(read_submission(case.vendor, case.answer(), NOW))


def _status(case: Case) -> Any:
    return _said(read_look(case.vendor, case.answer(), case.terms(), NOW))


def _callback(case: Case) -> Any:
    assert case.vendor.report_from_callback is not None
    try:
        return _said(case.vendor.report_from_callback(Reading.parse(case.body()), case.terms()))
    except Unreadable as error:
        return {"unreadable": str(error)}


def _renewal(case: Case) -> Any:
    found = read_renewal(case.vendor, case.answer(), NOW)
    return [_video(video) for video in found] if isinstance(found, tuple) else _said(found)


def _history(case: Case) -> Any:
    return _said(read_history(case.vendor, case.answer(), case.terms(), NOW))


DOORS: Mapping[str, Callable[[Case], Any]] = {
    "order": _order,
    "submit_answer": _submit_answer,
    "status": _status,
    "callback": _callback,
    "renewal": _renewal,
    "history": _history,
}


def _said(outcome: Accepted | Refused | Busy | Unclear | Missing | Report | HistoryPage) -> Any:  # noqa: PLR0911
    match outcome:
        case Accepted(vendor_job_id, estimate):
            return {"accepted": _without_nothing({"vendor_job_id": vendor_job_id, "estimate": _money(estimate)})}
        case Refused(_, error, balance, stops):
            return {"refused": _without_nothing({**asdict(error), "balance": balance, "stops": stops})}
        case Busy(wait, error, stops):
            return {"busy": _without_nothing({"wait": wait, "code": error.code, "stops": stops})}
        case Unclear(reason):
            return {"unclear": reason}
        case Missing():
            return "missing"
        case HistoryPage(entries, more):
            return {"more": more, "entries": [_entry(e.report, e.created_at, e.prompt) for e in entries]}
        case Report():
            return _report(outcome)


def _entry(report: Report, created_at: datetime | None, prompt: str | None) -> dict[str, Any]:
    return _without_nothing({**_report(report), "created_at": rfc3339(created_at), "prompt": prompt})


def _report(report: Report) -> dict[str, Any]:
    failure = report.failure
    said = {
        "word": report.word,
        "said": report.said.value if report.said else "unknown",
        "vendor_job_id": report.vendor_job_id,
        "videos": [_video(video) for video in report.videos],
        "cost": _money(report.cost),
        "failure": _without_nothing({**asdict(failure), "refunded": failure.refunded}) if failure else None,
        "occurred_at": rfc3339(report.occurred_at),
        "model": report.model,
        "duration_seconds": report.duration_seconds,
        "resolution": report.resolution,
    }
    return _without_nothing(said)


def _video(video: Video) -> str:
    """An address, and behind a space when it ends, where the vendor says so."""
    assert video.mime_type == "video/mp4"
    return f"{video.url} {rfc3339(video.expires_at)}" if video.expires_at else video.url


def _money(amount: Money | None) -> str | None:
    return f"{amount.to_json()['amount']} {amount.unit}" if amount else None


def _without_nothing(data: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what says nothing, so that a case shows only what matters; False and 0 do say something."""
    return {name: value for name, value in data.items() if value not in (None, (), [], "", {})}
