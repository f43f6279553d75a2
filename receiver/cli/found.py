"""Findings on the screen: first what there is of each kind, then each with what to do about it."""

from typing import TYPE_CHECKING

from receiver.cli import screen, words
from receiver.cli.screen import Column
from receiver.cli.verb import Given

if TYPE_CHECKING:
    from receiver.client import Finding, FindingSum

COLUMNS = (Column("finding"), Column("jobs", right=True), Column("comes to", right=True), Column("meaning"))
MEANINGS = {
    "no_file": "paid for, and no file is saved",
    "off_estimate": "cost other than it was placed at",
    "not_refunded": "failed, and the money did not come back",
    "paid_twice": "the same prompt, paid for again",
}
#: More than these nobody reads on a screen; `--json` gives all.
MOST = 100


def print_findings(given: Given) -> None:
    """Print what does not add up."""
    with given.client() as client:
        found = client.findings(limit=None if given.as_json else MOST)
        sums = [] if given.as_json else client.finding_sums()
    if given.as_json:
        return screen.print_json([each.raw for each in found])
    screen.table(COLUMNS, [_sum_row(each) for each in sums], empty="Everything adds up: nothing was found.")
    for each in found:
        _print(each)
    if found.next:
        screen.note(f"These are the newest {MOST}; --json prints all.")
    return None


def _sum_row(found: "FindingSum") -> tuple[str, ...]:
    whose = f" of {found.vendor}" if found.vendor else ""
    amount = f"{found.amount}{whose}" if found.amount else "unknown"
    return (found.kind, str(found.count), amount, MEANINGS.get(found.kind, ""))


def _print(found: "Finding") -> None:
    amount = str(found.amount) if found.amount else "unknown amount"
    head = screen.styled(f"{found.kind}  {amount}", "bold yellow")
    screen.say()
    screen.say(f"{head}  {found.job_id}  {found.account}  ordered {words.moment(found.at)}")
    if found.prompt:
        screen.say(f"  {screen.styled(words.brief(found.prompt), 'dim')}")
    screen.say(f"  {words.clean(found.text)}")
    screen.say(f"  {words.clean(found.next_step)}")
