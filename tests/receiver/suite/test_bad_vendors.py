"""Negative controls: a vendor with one fault makes the check of that promise go red, with a sentence that says which.

Each is the template of the page with one change, as a hurried author would make it.
"""

import json
import sys
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import schemas
from receiver.suite.checks import checks_of, result_of
from receiver.suite.golden import golden_checks
from schemas.event import Money
from schemas.order import Order
from schemas.reading import Reading
from schemas.report import Report, Said
from schemas.values import replace
from schemas.vendor import Accepted, Pace, Request, Submission, Terms, Vendor, VendorError
from tests.support import pages

PAGE = (Path(schemas.__file__ or "").parent / "README.md").read_text("utf-8")


def _template() -> Vendor:
    module = ModuleType("acme_for_controls")
    sys.modules[module.__name__] = module
    exec(compile(pages.files(PAGE)["clipbell_acme.py"], "README.md", "exec"), vars(module))
    found = module.VENDOR
    assert isinstance(found, Vendor)
    return found


ACME = _template()


def status(change: Callable[[Report, Reading, Terms], Report]) -> Vendor:
    """Acme with its reports changed."""
    return replace(
        ACME, report_from_status=lambda payload, terms: change(ACME.report_from_status(payload, terms), payload, terms)
    )


def submission(change: Callable[[Submission, Order], Submission]) -> Vendor:
    """Acme with its calls changed."""
    return replace(ACME, submission=lambda order, terms, url: change(ACME.submission(order, terms, url), order))


def failed(report: Report, payload: Reading, terms: Terms) -> Report:
    if report.said is not None:
        return report
    return replace(report, said=Said.FAILED, failure=ACME.report_from_status(_failed(), terms).failure)


def _failed() -> Reading:
    return Reading({"id": "a1", "state": "failed"})


def free(found: Submission, order: Order) -> Submission:
    return found if found.estimate else replace(found, estimate=Money(Decimal(0), "credits"))


def unpriced(found: Submission, order: Order) -> Submission:
    return replace(found, estimate=Money(Decimal(40), "credits"))


def costless(report: Report, payload: Reading, terms: Terms) -> Report:
    return replace(report, cost=report.cost or Money(Decimal(0), "credits"))


def trips(payload: Reading, terms: Terms) -> Report:
    word = payload.value["state"].lower()
    return ACME.report_from_status(Reading({**payload.value, "state": word}), terms)


def without_id(payload: Reading, terms: Terms) -> Report:
    return ACME.report_from_status(payload, terms)


def unchecked(order: Order, terms: Terms, callback_url: str | None) -> Submission:
    body = {"prompt": order.prompt, **order.params, "callback_url": callback_url}
    return Submission(Request("POST", "/videos", json=body), "acme-1", 8, Money(Decimal(40), "credits"))


def loose_id(payload: Reading) -> Accepted:
    return Accepted(str(payload["id"].value))


def strict_error(payload: Reading) -> VendorError:
    return VendorError(payload["error"]["code"].known_text(), "")


def path_of(vendor_job_id: str, terms: Terms, model: str | None = None, /) -> Request:
    return Request("GET", f"/videos/{vendor_job_id}")


BAD: list[tuple[Vendor, str, str]] = [
    (status(failed), "unknown word", "takes the word 'a1' for failed though it is in no table of words"),
    (
        submission(free),
        "without a price list",
        "without a price for it the estimate is 0 credits; it must be None: unkn",
    ),
    (
        submission(unpriced),
        "without a price list",
        "without a price for it the estimate is 40 credits; it must be None",
    ),
    (submission(unpriced), "operators price", "with prices doubled by the operator the estimate is 40 credits, not 80"),
    (status(costless), "answer to a look", "has a cost of zero that nobody said"),
    (
        replace(ACME, report_from_status=trips),
        "answer to a look",
        "report_from_status() raised ",
    ),
    (replace(ACME, report_from_callback=without_id), "any callback", "gave a verdict without the job's id for"),
    (
        replace(ACME, submission=unchecked),
        "no page lists",
        "params.surely_on_no_page is sent; Draft.merge refuses unkno",
    ),
    (replace(ACME, submission=unchecked), "common field", "prompt = '' is refused for nothing, not for prompt"),
    (
        replace(ACME, submission=unchecked),
        "told at once",
        "an order that is wrong everywhere is refused without naming",
    ),
    (
        replace(ACME, submission=unchecked),
        "never the callers",
        "an order may set params {'webhook_url': 'https://evil.",
    ),
    (
        replace(ACME, report_from_callback=None),
        "only where",
        "its call carries the callback URL, but there is no report",
    ),
    (replace(ACME, accepted=loose_id), "answer to an order", "accepted() answered the id "),
    (replace(ACME, error=strict_error), "any refusal", "it must never raise"),
    (replace(ACME, status_request=path_of), "lead elsewhere", ": use reads() or job_path()"),
    (replace(ACME, status_request=path_of), "an operator may", "a job is read at /videos/vg_1: use reads()"),
    (replace(ACME, auth=lambda key: {"Authorization": key}), "headers", "auth() must name headers in lower case"),
    (replace(ACME, auth=lambda _: {}), "headers", "auth() puts the key into no header"),
    (
        replace(ACME, words={"DONE": Said.COMPLETED}),
        "lower case",
        "its words must be in lower case, these are not: ['DO",
    ),
    (replace(ACME, words={"done": Said.COMPLETED}), "lower case", "no word of it means failed: such a job would never"),
    (
        replace(ACME, prices={"acme-1": Money(Decimal(0), "USD")}),
        "prices are",
        "are not above zero: {'acme-1': '0 USD'}",
    ),
    (replace(ACME, prices_as_of=date(2999, 1, 1)), "prices are", "prices_as_of is 2999-01-01, in the future"),
    (replace(ACME, limits=("often",)), "limits can be read", "the limit 'often' cannot be read"),
    (replace(ACME, pace=Pace(poll_after=9999)), "limits can be read", "overdue_after and give_up_after must rise"),
    (replace(ACME, docs="acme.example"), "who it is", "docs is 'acme.example'; it must be the https address"),
    (replace(ACME, quirks=("It is odd.",)), "person reads", "quirks must have no blanks around them and no full stop"),
]


@pytest.mark.parametrize(("vendor", "promise", "said"), BAD, ids=[f"{p}-{s}"[:50] for _, p, s in BAD])
def test_a_vendor_with_a_fault_is_told_of_it(vendor: Vendor, promise: str, said: str) -> None:
    [check] = [check for check in checks_of(vendor) if promise in check.promise]
    found = result_of(check)
    assert found.outcome == "broken"
    assert said in found.said
    assert check.why


def broken(folder: Path) -> dict[str, str]:
    results = [result_of(check) for check in golden_checks(ACME, folder)]
    return {each.check.promise: each.said for each in results if each.outcome == "broken"}


def test_the_pages_golden_pairs_hold(tmp_path: Path) -> None:
    pages.write(PAGE, tmp_path)
    assert broken(tmp_path / "cases") == {}


def changed(folder: Path, name: str, **fields: Any) -> None:
    file = folder / f"{name}.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **fields}))


def test_a_golden_pair_that_is_not_so_is_told_of(tmp_path: Path) -> None:
    pages.write(PAGE, tmp_path)
    changed(tmp_path / "cases", "accepted", becomes={"accepted": {"vendor_job_id": "a2"}})
    wanted = (
        'it becomes {"accepted": {"vendor_job_id": "a1", "estimate": "40 credits"}}, '
        'must become {"accepted": {"vendor_job_id": "a2"}}'
    )
    assert broken(tmp_path / "cases") == {"golden pair accepted": wanted}


def test_a_kind_of_golden_pair_that_is_not_there_is_told_of(tmp_path: Path) -> None:
    pages.write(PAGE, tmp_path)
    (tmp_path / "cases" / "order.json").unlink()
    (tmp_path / "cases" / "accepted.json").unlink()
    told = "no golden pair is of the kind order, submit_answer"
    assert broken(tmp_path / "cases") == {"there is a golden pair of every kind": told}


def test_a_golden_pair_of_no_kind_is_told_of(tmp_path: Path) -> None:
    pages.write(PAGE, tmp_path)
    changed(tmp_path / "cases", "accepted", what="answer")
    assert broken(tmp_path / "cases")["golden pair accepted"].startswith("`what` is 'answer'; it must be one of order,")
