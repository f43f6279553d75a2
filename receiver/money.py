"""What a vendor took for a job, as lines of the ledger. Pure.

When a vendor charges (at accept, at completion) is a fact in its file; settling adds only the difference to what is
booked. An unknown amount becomes a line without one, never a zero.
"""

from decimal import Decimal

from msgspec import Struct

from receiver.routing import Mint
from receiver.store.protocol import Line
from schemas.event import Failure, Money
from schemas.job import Job
from schemas.report import Report, Said
from schemas.values import replace
from schemas.vendor import Vendor

FIGURE, LIST = "vendor_figure", "price_list"


class Booking(Struct, frozen=True):
    """What the books say after a change: lines to add, the sum for the job, and the job's cost (never zero)."""

    lines: tuple[Line, ...]
    booked: Money | None
    cost: Money | None


class Stub(Struct, frozen=True):
    """Where a line comes from: a source of ids, the time, and the evidence it points at."""

    mint: Mint
    at: int
    evidence_id: str | None


def book_acceptance(job: Job, vendor: Vendor, figure: Money | None, stub: Stub) -> Booking:
    """Book what is taken when the vendor accepts; `figure`: its own word in the answer. Nothing twice."""
    if vendor.charges != "accept" or job.booked is not None or job.submitted_at is not None or job.is_settled:
        return Booking((), job.booked, job.cost)
    taken = figure or job.estimate
    line = _line(job, "charge" if taken else "unknown", taken, FIGURE if figure else LIST, stub)
    return Booking((line,), taken, job.cost)


def book_verdict(job: Job, vendor: Vendor, report: Report, failure: Failure | None, stub: Stub) -> Booking:
    """Book the difference between what is booked and what the vendor took in the end."""
    if failure is not None and failure.refunded and job.booked is None:
        return Booking((), None, None)
    figure = report.cost
    taken = _taken_at_failure(job, vendor, failure, figure) if report.said is Said.FAILED else figure or job.estimate
    cost = taken if taken is not None and taken.amount else None
    if taken is None:
        noted_already = vendor.charges == "accept" and job.submitted_at is not None
        lines = () if noted_already or job.booked else (_line(job, "unknown", None, LIST, stub),)
        return Booking(lines, job.booked, job.booked)
    before = job.booked if job.booked is not None and job.booked.unit == taken.unit else None
    difference = taken.amount - (before.amount if before else Decimal(0))
    if not difference:
        return Booking((), job.booked, cost)
    by_figure = figure is not None or (failure is not None and failure.refund_basis == FIGURE)
    kind = "charge" if difference > 0 else "refund"
    line = _line(job, kind, Money(difference, taken.unit), FIGURE if by_figure else LIST, stub)
    return Booking((line,), taken, cost)


def _taken_at_failure(job: Job, vendor: Vendor, failure: Failure | None, figure: Money | None) -> Money | None:
    unit = next((m.unit for m in (figure, job.booked, job.estimate) if m), None)
    if failure is not None and failure.refunded:
        return Money(Decimal(0), unit) if unit else None
    if vendor.charges != "accept":
        return figure or (Money(Decimal(0), unit) if unit else None)
    return figure or job.booked or job.estimate


def refund_of(vendor: Vendor, report: Report) -> Failure:
    """The failure with whether it was refunded: the vendor's figure, else its page's promise, else unknown."""
    failure = report.failure or Failure("generation_failed", "the vendor gave no reason")
    if failure.refunded is not None:
        return replace(failure, refund_basis=FIGURE)
    if report.cost is not None and not report.cost.amount:
        return replace(failure, refunded=True, refund_basis=FIGURE)
    if vendor.refunds_failed:
        return replace(failure, refunded=True, refund_basis="vendor_policy")
    return failure


def _line(job: Job, kind: str, amount: Money | None, basis: str, stub: Stub) -> Line:
    return Line(
        id=stub.mint("ldg_"),
        at=stub.at,
        job_id=job.id,
        vendor=job.vendor,
        account=job.account,
        kind=kind,
        amount=amount,
        basis=basis,
        evidence_id=stub.evidence_id,
    )
