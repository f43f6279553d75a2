"""Auditing: what the store promises to find of money that does not add up. A part of its promise.

How a finding is told, and what to do about it, is said in `receiver/findings.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from receiver.store.protocol import Query
    from schemas.event import Money
    from schemas.job import Job

#: What may be found of a job -> how the finding's id begins, where it is of credits and otherwise; of one job they
#: stand in the order of these beginnings.
KINDS: Mapping[str, tuple[str, str]] = {
    "no_file": ("fic", "fil"),
    "off_estimate": ("ofc", "off"),
    "not_refunded": ("rec", "ref"),
    "paid_twice": ("twc", "two"),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """Money of one job, in one unit, that does not add up. `amount` None: taken, and nobody said how much."""

    kind: str
    job: "Job"
    #: What was paid; of `off_estimate` what was paid beyond the estimate, negative where it was less.
    amount: "Money | None"
    #: Of `paid_twice`: the job whose prompt it was first.
    other_job_id: str | None = None

    @property
    def id(self) -> str:
        """Its own id; the same whenever it is found."""
        of_credits, usual = KINDS[self.kind]
        is_of_credits = self.amount is not None and self.amount.unit == "credits"
        return (of_credits if is_of_credits else usual) + self.job.id.removeprefix("job")


@dataclass(frozen=True, slots=True)
class FindingSum:
    """How many findings of a kind there are, and what they come to. `vendor`: whose credits; None of dollars."""

    kind: str
    vendor: str | None
    count: int
    #: None: of unknown amount.
    amount: "Money | None"


class Auditing(Protocol):
    """What the store promises of findings. Safe to call from any event loop of the process."""

    async def findings(self, query: "Query", savers: Sequence[str]) -> "list[Finding]":
        """List what does not add up, the newest job first. Filters: kind, job_id, vendor, account; cursor: an id.

        `no_file`: completed or abandoned, paid for, no file saved, and no handler of `savers` still at it.
        `not_refunded`: failed, and what was paid did not come back. `off_estimate`: completed for another price
        than the order was placed at. `paid_twice`: paid for, as was an earlier job of the account with the same
        prompt and model, in the same unit. Only the newest jobs are gone through (`findings.MOST`). Amounts are of
        the ledger; a job with lines in two units is found in each.
        """
        ...

    async def finding_sums(self, query: "Query", savers: Sequence[str]) -> "list[FindingSum]":
        """Count and sum all findings by kind and unit, of credits by vendor; the same filters."""
        ...
