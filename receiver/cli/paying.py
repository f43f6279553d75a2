"""The verb about money: ledger, as sums, as lines in CSV, as a file for other tools, as what does not add up."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from receiver.cli import screen, words
from receiver.cli.screen import Column
from receiver.cli.trouble import WrongUsage, check_word
from receiver.cli.verb import REMOTE, Given, verb

if TYPE_CHECKING:
    from receiver.client import LedgerSum

KEYS = ("vendor", "account", "day", "model", "tag")


@verb(*REMOTE)
def ledger(
    given: Given,
    *,
    by: Annotated[str, typer.Option(metavar="|".join(KEYS), help="What to sum by.")] = "vendor",
    as_csv: Annotated[bool, typer.Option("--csv", help="Print every line as CSV instead.")] = False,
    export: Annotated[
        Path | None, typer.Option(metavar="FILE.db", help="Write every line into a SQLite file instead.")
    ] = None,
    findings: Annotated[bool, typer.Option("--findings", help="Show what does not add up instead.")] = False,
) -> None:
    """Show what the vendors took, and what does not add up."""
    check_word("--by", by, KEYS)
    if as_csv and (export or given.as_json):
        raise WrongUsage("Give only one of --csv, --export and --json.")
    if findings and (as_csv or export):
        raise WrongUsage("Give only one of --findings, --csv and --export; an export holds the findings.")
    if findings:
        from receiver.cli.found import print_findings

        return print_findings(given)
    if as_csv or export:
        return _lines(given, export)
    with given.client() as client:
        sums = client.ledger_summary(by)
    if given.as_json:
        return screen.print_json([each.raw for each in sums])
    return sums_table(sums, by)


def sums_table(sums: "Sequence[LedgerSum]", by: str) -> None:
    """Print sums, and under them what they come to."""
    screen.table(_columns(by), [*map(_row, sums), *_totals(sums, by)], empty="The ledger is empty.")


def _lines(given: Given, export: Path | None) -> None:
    from receiver.cli.exporting import csv_of, export_to

    with given.client() as client:
        if export is None:
            lines = client.ledger(limit=None)
            return screen.write(csv_of(lines.items[::-1]))
        count = export_to(export, client)
    if given.as_json:
        return screen.print_json({"file": str(export), "lines": count})
    return screen.say(f"{words.count(count, 'line')} written to {export}")


def _columns(by: str) -> tuple[Column, ...]:
    numbers = ("charged", "refunded", "total", "open", "jobs", "unpriced")
    return (Column(by), Column("unit", flexible=True), *(Column(title, right=True) for title in numbers))


def _row(found: "LedgerSum") -> tuple[str, ...]:
    amounts = (found.charged, found.refunded, found.total, found.open_estimate)
    numbers = (str(found.jobs), str(found.unknown_lines))
    unit = f"{found.unit} of {found.vendor}" if found.vendor and found.vendor != found.key else found.unit
    return (words.clean(found.key), unit, *(f"{amount.normalize():f}" for amount in amounts), *numbers)


def _totals(sums: "Sequence[LedgerSum]", by: str) -> list[tuple[str, ...]]:
    """A last row of dollars; credits of one vendor are not those of another, and a job with two tags counts twice."""
    dollars = [each for each in sums if each.unit == "USD"]
    if by == "tag" or len(dollars) < 2:
        return []
    total = replace(
        dollars[0],
        key="all",
        charged=sum((each.charged for each in dollars), Decimal()),
        refunded=sum((each.refunded for each in dollars), Decimal()),
        total=sum((each.total for each in dollars), Decimal()),
        open_estimate=sum((each.open_estimate for each in dollars), Decimal()),
        jobs=sum(each.jobs for each in dollars),
        unknown_lines=sum(each.unknown_lines for each in dollars),
    )
    return [_row(total)]
