"""The ledger for other tools: CSV that no spreadsheet takes for formulas, and the `ledger` handler's SQLite file."""

import csv
import io
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from receiver.client import LedgerLine

COLUMNS = ("at", "job_id", "vendor", "account", "kind", "amount", "unit", "basis", "evidence_id", "id")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_of(lines: "Iterable[LedgerLine]") -> str:
    """Lines of money as CSV with a head. Amounts are plain numbers, all else is text."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for line in lines:
        amount = (f"{line.amount.amount:f}", line.amount.unit) if line.amount else ("", "")
        texts = (line.raw["at"], line.job_id, line.vendor, line.account, line.kind)
        rest = (line.basis, line.evidence_id or "", line.id)
        writer.writerow([*map(safe, texts), amount[0], *map(safe, (amount[1], *rest))])
    return out.getvalue()


def safe(text: str) -> str:
    """Text that a spreadsheet does not run."""
    return f"'{text}" if text.startswith(_FORMULA) else text
