"""The verbs about telling: events, event, replay, deliveries, retry."""

from typing import TYPE_CHECKING, Annotated

import typer

from receiver.cli import screen, words
from receiver.cli.jobs import Limit
from receiver.cli.screen import Column
from receiver.cli.trouble import Failure, WrongUsage, check_word
from receiver.cli.verb import REMOTE, Given, verb

if TYPE_CHECKING:
    from receiver.client import Delivery, Event

EVENT_COLUMNS = (
    Column("id"),
    Column("type"),
    Column("when"),
    Column("job", extra=True),
    Column("about", flexible=True),
)
TYPES = ("video.completed", "video.failed", "clip.saved", "alert.raised", "alert.cleared")
STATES = ("pending", "running", "done", "dead", "parked")
DELIVERY_COLUMNS = (
    Column("id"),
    Column("state"),
    Column("handler"),
    Column("tries", right=True),
    Column("next", extra=True),
    Column("target", flexible=True, extra=True),
    Column("event", extra=True),
    Column("last", flexible=True),
)


@verb(*REMOTE)
def events(
    given: Given,
    *,
    type: Annotated[str | None, typer.Option(metavar="TYPE", help="Such as video.failed.")] = None,  # noqa: A002
    job: Annotated[str | None, typer.Option(metavar="ID", help="Of one job.")] = None,
    batch: Annotated[str | None, typer.Option(metavar="NAME", help="Of one batch.")] = None,
    limit: Limit = 50,
) -> None:
    """List events, newest first."""
    check_word("--type", type, TYPES)
    with given.client() as client:
        found = client.events(type=type, job_id=job, batch=batch, limit=limit)
    if given.as_json:
        return screen.print_json([each.raw for each in found])
    return screen.table(EVENT_COLUMNS, [event_row(each) for each in found], empty="There are no such events.")


@verb(*REMOTE)
def event(given: Given, event_id: Annotated[str, typer.Argument(metavar="ID", help="The event.")]) -> None:
    """Show an event and who was told."""
    with given.client() as client:
        found = client.event(event_id)
        told = client.deliveries(event_id=found.id, limit=None)
    if given.as_json:
        return screen.print_json({**found.raw, "deliveries": [each.raw for each in told]})
    screen.facts(event_facts(found))
    screen.say()
    return screen.table(DELIVERY_COLUMNS, [delivery_row(each) for each in told], empty="Nobody is told of it.")


@verb(*REMOTE)
def replay(
    given: Given,
    event_ids: Annotated[list[str] | None, typer.Argument(metavar="ID", help="Events.")] = None,
    *,
    handler: Annotated[str | None, typer.Option(metavar="NAME", help="To one handler only.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Also where it succeeded.")] = False,
    since: Annotated[str | None, typer.Option(metavar="2h", help="Every event of the last 2h, 30m, 7d.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
) -> None:
    """Deliver events again: only what has not succeeded."""
    from receiver.cli.replaying import chosen, replayed

    with given.client() as client:
        ids = chosen(client, event_ids or [], since)
        if dry_run:
            done = {"events": ids, "deliveries": None}
            text = f"{words.count(len(ids), 'event')} would be replayed."
        else:
            made = replayed(client, ids, handler=handler, again=again)
            done = {"events": ids, "deliveries": made}
            text = f"{words.count(len(ids), 'event')} replayed, {words.count(len(made), 'delivery')} will run."
    return screen.print_json(done) if given.as_json else screen.say(text)


@verb(*REMOTE)
def deliveries(
    given: Given,
    *,
    state: Annotated[str | None, typer.Option(metavar="STATE", help="Such as dead or pending.")] = None,
    handler: Annotated[str | None, typer.Option(metavar="NAME", help="Of one handler.")] = None,
    job: Annotated[str | None, typer.Option(metavar="ID", help="Of one job.")] = None,
    limit: Limit = 50,
) -> None:
    """List deliveries, newest first."""
    check_word("--state", state, STATES)
    with given.client() as client:
        found = client.deliveries(state=state, handler=handler, job_id=job, limit=limit)
    if given.as_json:
        return screen.print_json([each.raw for each in found])
    return screen.table(DELIVERY_COLUMNS, [delivery_row(each) for each in found], empty="There are no such deliveries.")


@verb(*REMOTE)
def retry(
    given: Given,
    delivery_ids: Annotated[list[str] | None, typer.Argument(metavar="ID", help="Deliveries.")] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Every one that is dead.")] = False,
    handler: Annotated[str | None, typer.Option(metavar="NAME", help="Every dead one of a handler.")] = None,
    job: Annotated[str | None, typer.Option(metavar="ID", help="Every dead one of a job.")] = None,
) -> None:
    """Try deliveries again now."""
    from receiver.cli.replaying import retried

    if bool(delivery_ids) == bool(every or handler or job):
        raise WrongUsage("Name deliveries by their ids, or give --all, --handler NAME or --job ID.")
    with given.client() as client:
        if not delivery_ids:
            ids = client.retry_all(handler=handler, job_id=job)["deliveries"]
            count = words.count(len(ids), "delivery")
            return screen.print_json(ids) if given.as_json else screen.say(f"{count} will be tried again.")
        found, refused = retried(client, delivery_ids)
    if given.as_json:
        screen.print_json([each.raw for each in found])
    elif found:
        screen.table(DELIVERY_COLUMNS, [delivery_row(each) for each in found], empty="")
    if refused:
        raise Failure("\n".join(refused))
    return None


def event_row(found: "Event") -> tuple[str, ...]:
    """An event as a row of the list."""
    return (found.id, found.type, words.short_moment(found.received_at), words.clean(found.job_id), about(found))


def about(found: "Event") -> str:
    """What an event is about, in a few words."""
    detail = found.detail or {}
    text = detail.get("text") or detail.get("path") or (found.failure.message if found.failure else found.prompt)
    return words.clean(text)


def event_facts(found: "Event") -> list[tuple[str, str]]:
    """An event as names and values."""
    detail = found.detail or {}
    return [
        ("event", found.id),
        ("type", found.type),
        ("job", words.clean(found.job_id)),
        ("account", words.clean(found.account)),
        ("vendor's id", words.clean(found.vendor_job_id)),
        ("happened", words.moment(found.occurred_at)),
        ("received", words.moment(found.received_at)),
        ("source", f"{found.source}, trust {found.trust}"),
        ("prompt", words.clean(found.prompt)),
        ("cost", words.money(found.cost)),
        ("failure", words.clean(f"{found.failure.message} ({found.failure.code})") if found.failure else ""),
        *((f"video {n}", words.clean(video.url)) for n, video in enumerate(found.videos, 1)),
        *((str(name).replace("_", " "), words.clean(value)) for name, value in detail.items()),
    ]


def delivery_row(found: "Delivery") -> tuple[str, ...]:
    """A delivery as a row of the list."""
    last = found.attempts[-1] if found.attempts else None
    return (
        found.id,
        found.state,
        found.handler,
        str(len(found.attempts)),
        words.short_moment(found.next_at),
        words.clean(found.target),
        found.event_id,
        words.clean((last.reason or last.outcome) if last else ""),
    )
