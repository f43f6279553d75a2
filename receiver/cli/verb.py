"""Verb: how a function becomes a verb of the command line, with the options that many verbs share.

Built for a quick `--help`: nothing heavy is imported here, and help is plain text.
"""

import inspect
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from receiver.client import Clipbell
    from receiver.settings import Settings

TOKEN_VARIABLE = "CLIPBELL_API_TOKEN"  # noqa: S105 - the name of the variable


@dataclass(frozen=True, slots=True)
class Given:
    """The shared options as given on the command line."""

    config: Path | None = None
    server: str | None = None
    as_json: bool = False

    def settings(self) -> "Settings":
        """Read the configuration. Raises: ConfigurationError."""
        from receiver.settings import load

        return load(self.config, os.environ)

    def client(self) -> "Clipbell":
        """Open a connection to the server; use it with `with`. Raises: ConfigurationError."""
        from receiver.client import Clipbell

        token = os.environ.get(TOKEN_VARIABLE)
        if self.server and token:
            return Clipbell(_with_scheme(self.server), token=token)
        settings = self.settings()
        url = _with_scheme(self.server) if self.server else address_of(*settings.listen)
        return Clipbell(url, token=settings.api_token.get_secret_value())


_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - nothing is bound here


def address_of(host: str, port: int) -> str:
    """Where a server that listens there is reached from this machine."""
    host = _EVERYWHERE.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _with_scheme(url: str) -> str:
    return url if "://" in url else f"http://{url}"


def number(
    least: float | None = None, most: float | None = None, *, kind: type[int] | type[float] = int
) -> Callable[[Any], Any]:
    """A reader for an option that takes a number, which says in plain words what it takes."""
    bounds = f" from {least} to {most}" if most is not None else "" if least is None else f", {least} or more"
    takes = ("a whole number" if kind is int else "a number") + bounds
    low = -sys.float_info.max if least is None else least
    high = sys.float_info.max if most is None else most

    def read(text: Any) -> Any:
        try:
            found = kind(text)
        except ValueError:
            found = None
        # a comparison with what is no number at all (nan) is false as well
        if found is None or not low <= found <= high:
            raise typer.BadParameter(f"it takes {takes}, not {str(text)!r}.")
        return found

    return read


_CONFIG = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="Configuration file (default: clipbell.toml here).")
]
_SERVER = Annotated[
    str | None, typer.Option("--server", metavar="URL", help="The server (default: where the configuration listens).")
]
_JSON = Annotated[bool, typer.Option("--json", help="Print one JSON value and nothing else.")]
#: The help: every verb, in the order in which a person comes to need it.
SECTIONS = {
    "Start": ("demo", "init", "doctor"),
    "Run": ("serve", "work", "migrate", "simulate"),
    "Order": ("submit", "again", "adopt", "expect"),
    "Look": ("jobs", "job", "refresh", "watch", "clips", "evidence"),
    "Tell": ("events", "event", "replay", "deliveries", "retry", "handlers", "alerts"),
    "Money and vendors": ("ledger", "vendors"),
    "Extend": ("check",),
}
_SHARED: dict[str, tuple[Any, Any]] = {
    "config": (_CONFIG, None),
    "server": (_SERVER, None),
    "as_json": (_JSON, False),
}
LOCAL = ("config",)
READING = ("config", "as_json")
REMOTE = ("config", "server", "as_json")


class Sections(TyperGroup):
    """The list of verbs in groups, as plain text."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the verbs section by section."""
        longest = max(map(len, self.commands))
        width = formatter.width - 6 - longest
        for title, names in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(f"{n:<{longest}}", self.commands[n].get_short_help_str(width)) for n in names])


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"clipbell {version('clipbell')}")
        raise typer.Exit


app = typer.Typer(
    name="clipbell",
    cls=Sections,
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def verb(*shared: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a function as a verb; its first parameter is `Given`, the others are its own arguments and options."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        def run(ctx: typer.Context, **values: Any) -> None:
            options = {each: values.pop(each) for each in shared}
            if "config" in options:
                options["config"] = options["config"] or ctx.find_root().params["config"]
            given = Given(**options)
            function(given, **values)

        run.__doc__ = function.__doc__
        run.__module__ = function.__module__
        context = inspect.signature(run).parameters["ctx"]
        own = list(inspect.signature(function).parameters.values())[1:]
        extra = [
            inspect.Parameter(
                each, inspect.Parameter.KEYWORD_ONLY, default=_SHARED[each][1], annotation=_SHARED[each][0]
            )
            for each in shared
        ]
        parameters = [context, *(each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own), *extra]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        app.command(function.__name__)(run)
        return function

    return register


@app.callback()
def root(
    config: _CONFIG = None,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Show it.")
    ] = False,
) -> None:
    """Order AI-video clips, have them saved before their URLs die, and be told."""
