"""The verbs about handlers and vendors: handlers, handlers test, vendors."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from receiver.cli import screen, words
from receiver.cli.screen import Column
from receiver.cli.trouble import FAILED, WrongUsage
from receiver.cli.verb import REMOTE, Given, verb

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from receiver.client import Handler, Seen, Vendor
    from receiver.client.models import Closed, Money, Terms

HANDLER_COLUMNS = (
    Column("name"),
    Column("type"),
    Column("health"),
    Column("events", flexible=True),
    Column("targets", flexible=True),
    Column("last", flexible=True),
)


@verb(*REMOTE)
def handlers(
    given: Given,
    action: Annotated[str | None, typer.Argument(metavar="test", help="Send a sample event …")] = None,
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="… through this handler.")] = None,
    *,
    preview: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="With test: send nothing, write a page of what its messages look like."),
    ] = None,
) -> None:
    """List handlers with their health; test or preview one."""
    if action is None and preview is None:
        return _list(given)
    if action != "test" or not name:
        raise WrongUsage("Write `clipbell handlers`, or `clipbell handlers test NAME [--preview FILE.html]`.")
    return _test(given, name) if preview is None else _preview(given, name, preview)


@verb(*REMOTE)
def vendors(
    given: Given, name: Annotated[str | None, typer.Argument(metavar="NAME", help="Only this one.")] = None
) -> None:
    """Show what each vendor can do, costs, and how it fares."""
    from receiver.cli.trouble import Failure
    from receiver.client import Vendor

    known = _known(given)
    if name is not None and name not in known:
        raise Failure(f"There is no vendor {name}; there are {', '.join(known)}.")
    shown = [facts for each, facts in known.items() if name in (None, each)]
    if given.as_json:
        return screen.print_json(shown)
    for number, facts in enumerate(shown):
        if number:
            screen.say()
        _print_vendor(Vendor.from_json(facts))
    return None


def _list(given: Given) -> None:
    with given.client() as client:
        found = client.handlers()
    if given.as_json:
        return screen.print_json([each.raw for each in found])
    rows = [
        (
            each.name,
            each.type,
            each.health or words.NONE,
            words.clean(" ".join(each.events)),
            words.clean(" ".join(each.targets)),
            _last(each),
        )
        for each in found
    ]
    return screen.table(HANDLER_COLUMNS, rows, empty="No handler is configured: nobody is told, nothing is saved.")


def _last(found: "Handler") -> str:
    said = words.clean(found.last_reason or found.last_outcome)
    parked = f"{found.parked} parked" if found.parked else ""
    until = f"tried again at {words.short_moment(found.paused_until)}" if found.paused_until else ""
    return "; ".join(part for part in (said, parked, until) if part)


def _test(given: Given, name: str) -> None:
    with given.client() as client:
        found = client.test_handler(name)
    if given.as_json:
        screen.print_json(found)
    else:
        screen.note(f"Sent a sample of video.completed: {words.clean(_prompt_of(found))!r}.")
        for each in found["results"]:
            to = words.clean(f"{name} {each['target']}".strip())
            why = f": {words.clean(each['reason'])}" if each["reason"] else ""
            screen.say(f"{to}  {screen.styled(each['outcome'], screen.STYLES.get(each['outcome'], 'bold red'))}{why}")
            if each["answer"]:
                screen.say(f"  it answered: {words.clean(each['answer'])}")
            for path in each.get("saved", ()):
                screen.say(f"  it saved: {words.clean(path)} (a sample, to be deleted)")
    if not found["ok"]:
        raise typer.Exit(FAILED)


def _preview(given: Given, name: str, file: Path) -> None:
    from receiver.cli.trouble import Failure
    from receiver.previews import preview_of

    shown = preview_of(given.settings(), name)
    try:
        file.write_text(shown, "utf-8", errors="replace")
    except OSError as error:
        raise Failure(f"{file} cannot be written: {(error.strerror or 'it failed').lower()}.") from error
    if given.as_json:
        return screen.print_json({"handler": name, "file": str(file)})
    return screen.say(f"Nothing was sent. Open {file} in a browser to see what {name} would say.")


def _prompt_of(found: "Mapping[str, Any]") -> str:
    return str(found.get("sample", {}).get("prompt", "marked as a test"))


def _known(given: Given) -> dict[str, Any]:
    """Every vendor's facts: with what was seen of it, where the server answers."""
    from receiver.client import NoToken, ServerUnreachable
    from schemas.errors import ConfigurationError

    try:
        with given.client() as client:
            return {vendor.name: dict(vendor.raw) for vendor in client.vendors()}
    except ServerUnreachable:
        if given.server:
            raise
        screen.note("The server does not answer, so what it has seen of the vendors is not shown.")
    except (ConfigurationError, NoToken):
        if given.server or given.config:
            raise
    return _by_the_book(given)


def _by_the_book(given: Given) -> dict[str, Any]:
    """Every vendor's facts, with the accounts of the configuration where there is one."""
    from receiver.registry import vendors as all_vendors
    from receiver.web.catalogue import vendor_json
    from schemas.errors import ConfigurationError

    try:
        accounts = list(given.settings().accounts.values())
    except ConfigurationError:
        if given.config:
            raise
        accounts = []
    return {
        vendor.name: {**vendor_json(vendor, [a for a in accounts if a.vendor.name == vendor.name]), "seen": []}
        for vendor in all_vendors().values()
    }


def _print_vendor(found: "Vendor") -> None:
    screen.say(screen.styled(f"{found.title} ({found.name})", "bold"))
    screen.facts(
        [
            ("  docs", found.docs),
            ("  accounts", ", ".join(found.accounts) or "none configured"),
            *_rows("  makes", found.can),
            ("  tells us", "by callback" if found.callbacks else "nothing; it is asked"),
            ("  models", screen.listed(found.models)),
            ("  limits", _limits(found)),
            ("  prices", _prices(found.prices, found.prices_as_of)),
            ("  a credit is", f"${found.usd_per_credit} by its page" if found.usd_per_credit else ""),
            ("  charges", _charges(found)),
            ("  videos live", words.span(found.url_life_seconds) if found.url_life_seconds else ""),
            *((f"  set for {each.account}", _set(each, found)) for each in found.terms),
            *((f"  seen of {each.account}", _seen(each, by_callback=found.callbacks)) for each in found.seen),
            *((f"  closed to {each.account}", _closed(shut)) for each in found.seen for shut in each.closed),
            *_rows("  note", found.quirks),
        ]
    )


def _charges(found: "Vendor") -> str:
    if found.charges == "completion":
        return "when the clip is done"
    back = "failed jobs are refunded" if found.refunds_failed else "whether a failed job is refunded, its answer says"
    return f"when it accepts; {back}" if found.charges == "accept" else ""


def _rows(name: str, lines: "Sequence[str]") -> "Iterator[tuple[str, str]]":
    """One row for each line, the first of them with the name."""
    for number, line in enumerate(lines):
        yield ("" if number else name), words.clean(line)


def _limits(of: "Vendor | Terms") -> str:
    limits = [*of.limits, *(f"{each} orders" for each in of.order_limits)]
    return screen.listed([*limits, *([f"{of.max_open} open jobs"] if of.max_open else [])])


def _set(of: "Terms", vendor: "Vendor") -> str:
    """What the configuration says of an account otherwise than the vendor's file."""
    said = []
    if _limits(of) != _limits(vendor):
        said.append(f"limits {_limits(of) or 'none'}")
    prices = {name: price for name, price in of.prices.items() if price != vendor.prices.get(name)}
    if prices:
        said.append(f"prices {_prices(prices)}")
    if of.usd_per_credit:
        said.append(f"a credit is ${of.usd_per_credit}")
    return "; ".join(said)


def _closed(shut: "Closed") -> str:
    calls = {"all": "calls", "order": "orders", "queue": "orders from the queue", "look": "looks"}
    said = f"no {calls.get(shut.calls, shut.calls)} before {words.moment(shut.until)}: {words.clean(shut.reason)}"
    return f"{said}, then it is tried gently" if shut.stopped else said


def _seen(found: "Seen", *, by_callback: bool) -> str:
    """How an account fared lately, in a line."""
    from receiver.cli.meter import counted

    if not found.jobs:
        return "nothing yet"
    said = [counted(found.states)]
    if found.median_seconds is not None:
        said.append(f"half of the clips done within {words.span(found.median_seconds)}")
    if by_callback:
        told = ("on_time", "on time"), ("late", "late"), ("lost", "lost")
        said.append("callbacks " + ", ".join(f"{found.callbacks.get(key, 0)} {word}" for key, word in told))
    return "; ".join(said)


def _prices(prices: "Mapping[str, Money]", as_of: str | None = None) -> str:
    # a price by the second says so itself
    listed = [f"{price} a second" if name == "second" else f"{name} {price}" for name, price in prices.items()]
    return screen.listed(listed) + (f" (as of {as_of})" if as_of and listed else "")
