"""Golden pairs of a vendor: a file is a case, what is `given` and what it `becomes`, both written by hand.

`what` says which door it goes through: order, submit_answer, status, callback, renewal or history.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from receiver.suite.checks import Check
from receiver.suite.promises import Broken, hold
from receiver.suite.vendors import CALLBACK_URL, terms_of
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

NOW = datetime(2025, 1, 1, 12, 0, 0, tzinfo=UTC)


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


def cases_in(vendor: Vendor, folder: Path) -> Sequence[Case]:
    """All cases of a vendor. Raises: Broken where there is none, or one is no JSON."""
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            found.append(Case(vendor, path.stem, json.loads(path.read_text("utf-8"))))
        except ValueError as error:
            raise Broken(f"{path} is not JSON: {error}") from error
    hold(bool(found), f"there is none (*.json) in {folder}")
    return found


def golden_checks(vendor: Vendor, folder: Path) -> Sequence[Check]:
    """A check for each golden pair of a folder, and one that every kind of pair is there."""
    cases = cases_in(vendor, folder)
    pairs = [
        Check(f"golden pair {case.name}", str(case.data.get("why", "")), partial(_compare, case)) for case in cases
    ]
    why = "What no pair shows, the next person to mend the file will break."
    return [*pairs, Check("there is a golden pair of every kind", why, partial(_hold_kinds, vendor, cases))]


def wanted_kinds(vendor: Vendor) -> set[str]:
    """The kinds of pairs that a vendor should have: one for each door that it has."""
    lacking = {
        "callback": vendor.report_from_callback is None,
        "renewal": vendor.renew_request is None,
        "history": vendor.history_request is None,
    }
    return {what for what in DOORS if not lacking.get(what)}


def _compare(case: Case) -> None:
    hold(case.data.get("what") in DOORS, f"`what` is {case.data.get('what')!r}; it must be one of {', '.join(DOORS)}")
    found, wanted = case.outcome(), case.data.get("becomes")
    hold(found == wanted, f"it becomes {json.dumps(found)}, must become {json.dumps(wanted)}")


def _hold_kinds(vendor: Vendor, cases: Sequence[Case]) -> None:
    missing = sorted(wanted_kinds(vendor) - {str(case.data.get("what")) for case in cases})
    hold(not missing, f"no golden pair is of the kind {', '.join(missing)}")


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
    read = case.vendor.report_from_callback
    if read is None:
        raise Broken("the vendor has no report_from_callback to read a callback with")
    try:
        return _said(read(Reading.parse(case.body()), case.terms()))
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
        "failure": _without_nothing({**failure.to_json(), "refunded": failure.refunded}) if failure else None,
        "occurred_at": rfc3339(report.occurred_at),
        "model": report.model,
        "duration_seconds": report.duration_seconds,
        "resolution": report.resolution,
    }
    return _without_nothing(said)


def _video(video: Video) -> str:
    """An address; behind it its type where that is not video/mp4, and its end where the vendor says so."""
    kind = "" if video.mime_type == "video/mp4" else f" {video.mime_type}"
    end = f" {rfc3339(video.expires_at)}" if video.expires_at else ""
    return f"{video.url}{kind}{end}"


def _money(amount: Money | None) -> str | None:
    return f"{amount.to_json()['amount']} {amount.unit}" if amount else None


def _without_nothing(data: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what says nothing, so that a case shows only what matters; False and 0 do say something."""
    return {name: value for name, value in data.items() if value not in (None, (), [], "", {})}
