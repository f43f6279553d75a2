"""The verbs about what is kept: evidence, clips, alerts."""

from typing import TYPE_CHECKING, Annotated

import typer

from receiver.cli import screen, words
from receiver.cli.jobs import Limit
from receiver.cli.screen import Column
from receiver.cli.trouble import FAILED, check_word
from receiver.cli.verb import REMOTE, Given, verb

if TYPE_CHECKING:
    from receiver.client import Alert, Clip, Evidence

KINDS = ("submit", "status", "callback", "history", "person")
VERDICTS = ("accepted", "duplicate", "contradiction", "mismatch", "unknown_word", "unreadable")
EVIDENCE_COLUMNS = (
    Column("id"),
    Column("when"),
    Column("kind"),
    Column("verdict"),
    Column("status", right=True, extra=True),
    Column("size", right=True, extra=True),
    Column("account", extra=True),
    Column("job", extra=True),
)
CLIP_COLUMNS = (
    Column("job"),
    Column("n", right=True),
    Column("size", right=True),
    Column("saved", extra=True),
    Column("path", flexible=True),
    Column("sha256", extra=True),
)
CHECKED_COLUMNS = (Column("file"), *CLIP_COLUMNS)


@verb(*REMOTE)
def clips(
    given: Given,
    *,
    job: Annotated[str | None, typer.Option(metavar="ID", help="Of one job.")] = None,
    verify: Annotated[bool, typer.Option("--verify", help="Check every file against its checksum.")] = False,
    limit: Limit = 50,
) -> None:
    """List the saved files; check them."""
    from receiver.cli.verifying import Verifier

    with given.client() as client:
        found = client.clips(job_id=job, limit=None if verify else limit)
    states = list(map(Verifier(given).verified, found)) if verify else []
    if given.as_json:
        more = [{"file": state} for state in states] or [{}] * len(found)
        screen.print_json([{**each.raw, **extra} for each, extra in zip(found, more, strict=True)])
    else:
        firsts: list[tuple[str, ...]] = [(state,) for state in states] or [()] * len(found)
        rows = [(*first, *_clip_row(each)) for first, each in zip(firsts, found, strict=True)]
        screen.table(CHECKED_COLUMNS if verify else CLIP_COLUMNS, rows, empty="No clip is saved yet.")
    if any(state in ("missing", "damaged") for state in states):
        raise typer.Exit(FAILED)


@verb(*REMOTE)
def evidence(
    given: Given,
    evidence_id: Annotated[str | None, typer.Argument(metavar="ID", help="Print the bytes of this one.")] = None,
    *,
    job: Annotated[str | None, typer.Option(metavar="ID", help="About one job.")] = None,
    kind: Annotated[str | None, typer.Option(metavar="K", help="Such as callback or status.")] = None,
    verdict: Annotated[str | None, typer.Option(metavar="V", help="Such as unreadable or mismatch.")] = None,
    limit: Limit = 50,
) -> None:
    """List what was sent to us, and what we made of it."""
    check_word("--kind", kind, KINDS)
    check_word("--verdict", verdict, VERDICTS)
    with given.client() as client:
        if evidence_id:
            return _print_bytes(client.evidence_body(evidence_id))
        found = client.evidence(job_id=job, kind=kind, verdict=verdict, limit=limit)
    if given.as_json:
        return screen.print_json([each.raw for each in found])
    return screen.table(EVIDENCE_COLUMNS, [_evidence_row(each) for each in found], empty="There is no such evidence.")


@verb(*REMOTE)
def alerts(
    given: Given,
    *,
    all: Annotated[bool, typer.Option("--all", help="Also those of the past.")] = False,  # noqa: A002
) -> None:
    """List what a person should know or mend."""
    with given.client() as client:
        found = client.alerts(all=all, limit=None if not all else 200)
    if given.as_json:
        return screen.print_json([each.raw for each in found])
    if not found:
        return screen.note("Nothing is raised." if not all else "Nothing was ever raised.")
    for each in found:
        _print_alert(each)
    return None


def _print_alert(found: "Alert") -> None:
    until = f", cleared {words.moment(found.cleared_at)}" if found.cleared_at else ""
    style = "dim" if found.cleared_at else "bold yellow"
    about = found.code if found.subject in ("", found.code) else f"{found.code}  {words.clean(found.subject)}"
    screen.say(f"{screen.styled(about, style)}  since {words.moment(found.raised_at)}{until}")
    screen.say(f"  {words.clean(found.text)}")
    if not found.cleared_at:
        screen.say(f"  {words.clean(found.next_step)}")


def _print_bytes(body: bytes) -> None:
    import sys

    # a terminal would obey the control characters that somebody sent us
    sys.stdout.buffer.write(body if not sys.stdout.isatty() else words.printable(body))
    sys.stdout.buffer.flush()


def _clip_row(found: "Clip") -> tuple[str, ...]:
    saved, path = words.short_moment(found.at), words.clean(found.path)
    return (found.job_id, str(found.number), words.size(found.bytes), saved, path, found.sha256)


def _evidence_row(found: "Evidence") -> tuple[str, ...]:
    return (
        found.id,
        words.short_moment(found.at),
        found.kind,
        found.verdict,
        str(found.status or words.NONE),
        words.size(found.size),
        found.account,
        words.clean(found.job_id),
    )
