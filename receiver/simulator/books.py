"""The vendors' own books: what each account has, what was taken for each job and what was given back."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from receiver.simulator.clock import iso
from receiver.simulator.jobs import Job, shortened


@dataclass
class Account:
    """One key at one vendor. `bad` keys are refused."""

    vendor: str
    key: str
    unit: str
    started_with: Decimal
    balance: Decimal
    bad: bool = False
    lines: list[dict[str, str]] = field(default_factory=list)

    def take(self, job: Job, at: float) -> None:
        """Charge a job."""
        self._write("charge", job, -job.draft.cost, at)

    def give_back(self, job: Job, at: float) -> None:
        """Refund a job."""
        self._write("refund", job, job.draft.cost, at)

    def total(self, kind: str) -> Decimal:
        """Sum up the charges or the refunds, as a positive figure."""
        return sum((Decimal(line["amount"]) for line in self.lines if line["kind"] == kind), Decimal(0))

    def _write(self, kind: str, job: Job, change: Decimal, at: float) -> None:
        self.balance += change
        self.lines.append({"kind": kind, "job_id": job.id, "amount": str(abs(change)), "at": iso(at)})

    def shown(self) -> dict[str, Any]:
        """Describe the account for `GET /control/books`; amounts are exact decimals, as strings."""
        charged, refunded = self.total("charge"), self.total("refund")
        return {
            "unit": self.unit,
            "started_with": str(self.started_with),
            "balance": str(self.balance),
            "charged": str(charged),
            "refunded": str(refunded),
            "net": str(charged - refunded),
            "lines": self.lines,
        }


class Books:
    """All accounts; one is opened when its key is first seen."""

    def __init__(self, opening: Callable[[str, str], Account]) -> None:
        self._opening = opening
        self._accounts: dict[tuple[str, str], Account] = {}

    def account(self, vendor: str, key: str) -> Account:
        """Give the account of a key."""
        if (vendor, key) not in self._accounts:
            self._accounts[vendor, key] = self._opening(vendor, key)
        return self._accounts[vendor, key]

    def shown(self) -> dict[str, dict[str, Any]]:
        """Describe all accounts, by vendor and key."""
        found: dict[str, dict[str, Any]] = {}
        for account in self._accounts.values():
            found.setdefault(account.vendor, {})[shortened(account.key)] = account.shown()
        return found
