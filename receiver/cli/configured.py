"""The verbs about handlers and vendors: handlers, handlers test, vendors."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from receiver.cli import screen, words
from receiver.cli.screen import Column
from receiver.cli.trouble import FAILED, WrongUsage
from receiver.cli.verb import REMOTE, Given, verb

if TYPE_CHECKING:
    from receiver.client import Handler, Seen, Vendor

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
) -> None:
    """List handlers with their health; test one."""
    if action is None:
        return _list(given)
    if action != "test" or not name:
        raise WrongUsage("Write `clipbell handlers`, or `clipbell handlers test NAME`.")
    return _test(given, name)


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
        for each in found["results"]:
            to = words.clean(f"{name} {each['target']}".strip())
            why = f": {words.clean(each['reason'])}" if each["reason"] else ""
            screen.say(f"{to}  {screen.styled(each['outcome'], screen.STYLES.get(each['outcome'], 'bold red'))}{why}")
    if not found["ok"]:
        raise typer.Exit(FAILED)


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
        vendor.name: {**vendor_json(vendor, [a.name for a in accounts if a.vendor.name == vendor.name]), "seen": []}
        for vendor in all_vendors().values()
    }


def _print_vendor(found: "Vendor") -> None:
    screen.say(screen.styled(f"{found.title} ({found.name})", "bold"))
    limits = [*found.limits, *(f"{each} orders" for each in found.order_limits)]
    if found.max_open:
        limits.append(f"{found.max_open} open jobs")
    charged = {"accept": "when it accepts", "completion": "when the clip is done"}.get(found.charges or "", "")
    screen.facts(
        [
            ("  docs", found.docs),
            ("  accounts", ", ".join(found.accounts) or "none configured"),
            ("  tells us", "by callback" if found.callbacks else "nothing; it is asked"),
            ("  models", ", ".join(found.models)),
            ("  limits", ", ".join(limits)),
            ("  prices", _prices(found)),
            (
                "  charges",
                f"{charged}; failed jobs {'are refunded' if found.refunds_failed else 'may not be refunded'}",
            ),
            ("  videos live", words.span(found.url_life_seconds) if found.url_life_seconds else ""),
            *((f"  seen of {each.account}", _seen(each, by_callback=found.callbacks)) for each in found.seen),
        ]
    )
    for quirk in found.quirks:
        screen.say(f"  - {words.clean(quirk)}")


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


def _prices(found: "Vendor") -> str:
    listed = ", ".join(f"{name} {price}" for name, price in found.prices.items())
    return f"{listed} (as of {found.prices_as_of})" if listed else ""
