"""What the server answers about money, typed: lines of the ledger, their sums, and what does not add up."""

from dataclasses import dataclass

from .models import MaybeMoney
from .records import Amount, Moment, Record


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerLine(Record):
    """One line of money; a refund is negative, `amount` None: nobody said how much."""

    id: str
    at: Moment
    job_id: str
    vendor: str
    account: str
    kind: str
    amount: MaybeMoney
    basis: str
    evidence_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerSum(Record):
    """What lines of one key and unit add up to; `open_estimate` is of jobs not yet settled and no part of `total`."""

    key: str
    unit: str
    #: Whose credits they are; None of dollars.
    vendor: str | None
    charged: Amount
    refunded: Amount
    total: Amount
    open_estimate: Amount
    unknown_lines: int
    jobs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding(Record):
    """Money of one job that does not add up; `amount` None: nobody said how much. What to do: `next_step`."""

    id: str
    #: `no_file`, `off_estimate`, `not_refunded`, `paid_twice`
    kind: str
    at: Moment
    job_id: str
    vendor: str
    account: str
    vendor_job_id: str | None
    prompt: str | None
    amount: MaybeMoney
    #: Of `paid_twice`: the job whose prompt it was first.
    other_job_id: str | None
    text: str
    next_step: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingSum(Record):
    """How many findings of a kind there are, and what they come to. `vendor`: whose credits; None of dollars."""

    kind: str
    vendor: str | None
    count: int
    amount: MaybeMoney
