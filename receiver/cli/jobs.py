"""The verbs about jobs: jobs, job, refresh."""

from typing import TYPE_CHECKING, Annotated

import typer

from receiver.cli import screen, words
from receiver.cli.screen import Column
from receiver.cli.trouble import WrongUsage, check_word
from receiver.cli.verb import REMOTE, Given, number, verb

if TYPE_CHECKING:
    from receiver.client import Clipbell, Job

JobId = Annotated[str, typer.Argument(metavar="ID", help="The job.")]
Limit = Annotated[int, typer.Option("--limit", parser=number(1), metavar="N", help="At most so many.")]
STATES = ("queued", "submitting", "running", "completed", "failed", "rejected", "unknown", "abandoned")
COLUMNS = (
    Column("id"),
    Column("state"),
    Column("account"),
    Column("cost", right=True),
    Column("ordered", extra=True),
    Column("tags", extra=True),
    Column("prompt", flexible=True),
)


@verb(*REMOTE)
def jobs(
    given: Given,
    *,
    state: Annotated[str | None, typer.Option(metavar="STATE", help="Such as running or failed.")] = None,
    vendor: Annotated[str | None, typer.Option(metavar="VENDOR", help="Of one vendor.")] = None,
    tag: Annotated[str | None, typer.Option(metavar="T", help="With this tag.")] = None,
    batch: Annotated[str | None, typer.Option(metavar="NAME", help="Of one batch.")] = None,
    limit: Limit = 50,
) -> None:
    """List jobs, newest first."""
    check_word("--state", state, STATES)
    with given.client() as client:
        found = client.jobs(state=state, vendor=vendor, tag=tag, batch=batch, limit=limit)
        whole = client.batch(batch) if batch and found and not given.as_json else None
    if given.as_json:
        return screen.print_json([each.raw for each in found])
    if whole is not None:
        from receiver.cli.bulk import print_batch

        print_batch(whole)
    screen.table(COLUMNS, [job_row(each) for each in found], empty="There are no such jobs.")
    if found.next:
        screen.note("There are more; show them with --limit.")
    return None


@verb(*REMOTE)
def job(
    given: Given,
    job_id: JobId,
    vendor_job_id: Annotated[
        str | None, typer.Argument(metavar="VENDOR_JOB_ID", help="The vendor's id, with --resolve sent.")
    ] = None,
    *,
    resolve: Annotated[
        str | None, typer.Option(metavar="sent|not-sent", help="Settle a job whose fate is unknown.")
    ] = None,
    revoke_link: Annotated[
        bool, typer.Option("--revoke-link", help="Let no link to its clips open any more, for good; the files stay.")
    ] = False,
) -> None:
    """Show a job with its story; settle an unknown one."""
    sent = _checked(resolve, vendor_job_id)
    with given.client() as client:
        if sent is not None:
            client.resolve(job_id, vendor_job_id=vendor_job_id if sent else None)
        if revoke_link:
            client.revoke_link(job_id)
            screen.note(f"No link to the clips of {job_id} opens any more.")
        _show(given, client, job_id)


@verb(*REMOTE)
def refresh(given: Given, job_id: JobId) -> None:
    """Ask the vendor about a job now."""
    with given.client() as client:
        found = client.refresh(job_id)
    if given.as_json:
        return screen.print_json(found.raw)
    return screen.facts(job_facts(found))


def _checked(resolve: str | None, vendor_job_id: str | None) -> bool | None:
    """Whether it was sent, as far as a person says so."""
    if resolve not in (None, "sent", "not-sent"):
        raise WrongUsage("--resolve takes sent or not-sent.")
    if resolve == "sent" and not vendor_job_id:
        raise WrongUsage(
            "--resolve sent needs the vendor's id of the job: clipbell job ID --resolve sent VENDOR_JOB_ID"
        )
    if resolve != "sent" and vendor_job_id:
        raise WrongUsage("A vendor's id is taken with --resolve sent only.")
    return None if resolve is None else resolve == "sent"


def _show(given: Given, client: "Clipbell", job_id: str) -> None:
    from receiver.cli.story import gather, told, waiting

    story = gather(client, job_id)
    if given.as_json:
        return screen.print_json(story.to_json())
    screen.facts([*job_facts(story.job), *waiting(story)])
    if step := next_step(story.job):
        screen.say(f"\n{step}")
    screen.say()
    return screen.table(
        (Column("when"), Column("what"), Column("id", extra=True), Column("how", flexible=True)),
        [(words.moment(each.at), each.what, each.id, each.how) for each in told(story)],
        empty="Nothing has happened yet.",
    )


def next_step(found: "Job") -> str:
    """What a person may do about a job that does not go on by itself; empty: nothing."""
    if found.vendor_job_id is None and found.state in ("unknown", "abandoned"):
        return (
            f"Whether {found.account} has this order is not known; it is not sent again by itself. Look there, then:"
            f"\n  clipbell job {found.id} --resolve sent VENDOR_JOB_ID"
            f"\n  clipbell job {found.id} --resolve not-sent"
        )
    if found.state == "abandoned":
        return f"It was given up without a verdict. Ask the vendor once more with:\n  clipbell refresh {found.id}"
    return ""


def job_row(found: "Job") -> tuple[str, ...]:
    """A job as a row of the list."""
    cost = words.money(found.cost) if found.cost or not found.estimate else f"~{found.estimate}"
    return (
        found.id,
        found.state,
        found.account,
        cost,
        words.short_moment(found.created_at),
        words.clean(" ".join(found.tags)),
        words.clean(found.prompt),
    )


def job_facts(found: "Job") -> list[tuple[str, str]]:
    """A job as names and values."""
    failure = found.failure
    return [
        ("job", found.id),
        ("state", found.state),
        ("vendor", found.vendor if found.vendor == found.account else f"{found.account} ({found.vendor})"),
        ("vendor's id", words.clean(found.vendor_job_id)),
        ("model", words.clean(found.model)),
        ("prompt", words.clean(found.prompt)),
        ("params", words.pairs(found.params)),
        ("tags", words.clean(", ".join(found.tags))),
        ("metadata", words.pairs(found.metadata)),
        ("batch", words.clean(found.batch)),
        ("ordered", words.moment(found.created_at)),
        ("settled", _settled(found)),
        ("overdue", words.moment(found.overdue_at)),
        ("estimate", words.money(found.estimate)),
        ("cost", words.money(found.cost)),
        ("failure", words.clean(f"{failure.message} ({failure.code}){_refund(failure.refunded)}") if failure else ""),
        *((f"video {n}", words.clean(video.url)) for n, video in enumerate(found.videos, 1)),
    ]


def _settled(found: "Job") -> str:
    if not found.settled_at:
        return ""
    took = found.settled_at - (found.submitted_at or found.created_at)
    return f"{words.moment(found.settled_at)} by {found.settled_by}, after {words.span(took.total_seconds())}"


def _refund(refunded: bool | None) -> str:
    return {True: ", refunded", False: ", not refunded", None: ""}[refunded]
