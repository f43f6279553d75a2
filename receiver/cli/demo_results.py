"""What the demo shows at the end: the messages, the files, the money, and where to look. Judges whether all came."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from receiver.cli import screen, words
from receiver.cli.paying import sums_table
from receiver.cli.screen import Column

if TYPE_CHECKING:
    from receiver.cli.demo_stage import Stage
    from receiver.client import Clip, Clipbell, Job


def show(stage: "Stage", jobs: "Sequence[Job]") -> list[str]:
    """Print everything, and answer what is missing."""
    clips = stage.client.clips(limit=None)
    _messages(f"Slack ({len(stage.slack.messages)})", stage.slack.messages)
    _messages(f"Mail ({len(stage.mail.messages)})", stage.mail.messages)
    _files(stage.folder, clips)
    _money(stage.client)
    missing = [f"{job.account}: the clip is {job.state}" for job in jobs if job.state != "completed"]
    saved = {clip.job_id for clip in clips if (stage.folder / clip.path).is_file()}
    missing += [f"{job.account}: no file was saved" for job in jobs if job.id not in saved]
    for name, inbox in (("Slack", stage.slack), ("mail", stage.mail)):
        if len(inbox.messages) < len(jobs):
            missing.append(f"{name}: {len(inbox.messages)} of {len(jobs)} messages came")
    return missing


def _messages(title: str, messages: Sequence[str]) -> None:
    _title(title)
    for each in messages:
        screen.say(f"  {words.clean(each)}")


def _files(folder: Path, clips: "Sequence[Clip]") -> None:
    _title("Saved")
    columns = (Column("file"), Column("size", right=True))
    rows = [(_inside(folder, clip.path), words.size(clip.bytes)) for clip in reversed(clips)]
    screen.table(columns, rows, empty="  nothing")


def _money(client: "Clipbell") -> None:
    _title("Ledger")
    columns = (Column("when"), Column("vendor"), Column("what"), Column("amount", right=True), Column("by", extra=True))
    rows = [
        (words.short_moment(each.at), each.vendor, each.kind, words.money(each.amount), each.basis.replace("_", " "))
        for each in reversed(client.ledger(limit=None))
    ]
    screen.table(columns, rows, empty="  nothing")
    screen.say()
    sums_table(client.ledger_summary("vendor"), "vendor")


def _inside(folder: Path, path: str) -> str:
    whole = folder / path
    return str(whole.relative_to(folder)) if whole.is_relative_to(folder) else path


def _title(text: str) -> None:
    screen.say(f"\n{screen.styled(text, 'bold')}")
