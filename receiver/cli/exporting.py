"""The ledger for other tools: CSV that no spreadsheet takes for formulas, and the `ledger` handler's SQLite file."""

import csv
import io
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from receiver.cli.trouble import Failure

if TYPE_CHECKING:
    from receiver.client import Clipbell, LedgerLine

COLUMNS = ("at", "job_id", "vendor", "account", "kind", "amount", "unit", "basis", "evidence_id", "id")
#: What a spreadsheet takes for the beginning of a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


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
    """Text that a spreadsheet does not run: in one line, since a new one would begin a new cell."""
    is_risky = text.startswith(_FORMULA) or text.lstrip().startswith(_FORMULA)
    flat = "".join(" " if c in "\t\r\n" else c for c in text)
    return f"'{flat}" if is_risky else flat


def export_to(path: Path, client: "Clipbell") -> int:
    """Write every settled job, every line and what does not add up into a file as the `ledger` handler keeps it.

    Answers how many lines.

    Raises: Failure.
    """
    from handlers.ledger_file import write

    jobs = [job.raw for state in ("completed", "failed") for job in client.jobs(state=state, limit=None)]
    lines = [line.raw for line in client.ledger(limit=None)]
    findings = [each.raw for each in client.findings(limit=None)]
    try:
        write(path, jobs, lines, findings)
    except (sqlite3.Error, OSError) as error:
        raise Failure(f"{path} cannot be written: {error}") from error
    return len(lines)
