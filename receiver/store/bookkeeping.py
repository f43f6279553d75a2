"""Bookkeeping: the lines of the ledger, and what the store promises of their sums. A part of its promise.

What is booked, and when, is decided in `receiver/money.py`; what does not add up is found by `auditing.py`.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct

from schemas.event import Money

if TYPE_CHECKING:
    from receiver.store.protocol import Query


class Line(Struct, frozen=True):
    """A ledger line: charge, refund (negative) or unknown (no amount). At most one for (job, evidence, kind)."""

    id: str
    at: int
    job_id: str
    vendor: str
    account: str
    kind: str
    amount: Money | None
    #: vendor_figure or price_list.
    basis: str
    evidence_id: str | None


class Totals(Struct, frozen=True):
    """What is spent and reserved, for a budget: (account, unit) -> micros, of the UTC day and month of `at`.

    Ledger sums of the period by when the job's order went out, plus the estimates of what is open beyond its lines.
    What waits in the queue is not reserved: it is let go when there is money for it.
    `unpriced`: open jobs without an estimate.
    """

    day: Mapping[tuple[str, str], int]
    month: Mapping[tuple[str, str], int]
    unpriced: int = 0


class Bookkeeping(Protocol):
    """What the store promises of the ledger. Safe to call from any event loop of the process."""

    async def ledger(self, query: "Query") -> list[Line]:
        """List money lines. Filters: job_id, vendor, account, kind."""
        ...

    async def ledger_sums(self, by: str) -> list[Mapping[str, Any]]:
        """Sum lines and open estimates by vendor, account, day (UTC), model or tag.

        Rows `{"key", "unit", "vendor", "charged", "refunded", "total", "open_estimate", "unknown_lines", "jobs"}`
        with amounts as Decimals, one for each key and unit, and of credits one for each `vendor` (None for dollars),
        ordered by key. Exact: sums are of integers. `open_estimate` is of
        jobs queued, submitting, running or unknown, less what is booked for them already. `refunded` is negative,
        as its lines are; a line of unknown amount counts under the unit of its job. The key None, for what has no
        model or tag, comes first; a job with several tags counts under each.
        """
        ...

    async def totals(self, at: int) -> Totals:
        """What is spent and reserved in the UTC day and month of a moment."""
        ...
