"""The verbs that run the program: serve, work, migrate, simulate. They only hand over."""

import signal
import sys
from typing import Annotated

import typer

from receiver.cli import screen
from receiver.cli.trouble import Failure
from receiver.cli.verb import LOCAL, Given, number, verb


@verb(*LOCAL)
def serve(
    given: Given,
    no_work: Annotated[bool, typer.Option("--no-work", help="Only the web application, not the work.")] = False,
) -> None:
    """Run the web application and the work."""
    _end_quietly()
    from receiver.serve import run

    raise typer.Exit(run(given.settings(), work=not no_work))


@verb(*LOCAL)
def work(given: Given) -> None:
    """Run the work alone (PostgreSQL)."""
    _end_quietly()
    from receiver.serve import run_work

    raise typer.Exit(run_work(given.settings()))


def _end_quietly() -> None:
    """End with 0 on SIGTERM from the first moment on, not only once there is something to stop."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))


@verb(*LOCAL)
def migrate(given: Given) -> None:
    """Bring the database to this version's schema."""
    from receiver.serve import run_migrate

    raise typer.Exit(run_migrate(given.settings()))


@verb()
def simulate(
    given: Given,
    *,
    port: Annotated[
        int,
        typer.Option(parser=number(0, 65535), metavar="N", help="Where to listen on this machine (0: any free port)."),
    ] = 8010,
    speed: Annotated[
        float, typer.Option(parser=number(0.1, kind=float), metavar="X", help="So many times as fast as the vendors.")
    ] = 1.0,
    limits: Annotated[bool, typer.Option("--limits", help="Hold the vendors' limits of calls and open jobs.")] = False,
) -> None:
    """Run the vendor simulator, to build against."""
    import asyncio

    from receiver.simulator import SimulatorSettings
    from receiver.simulator import serve as serve_simulator

    try:
        asyncio.run(serve_simulator(port, SimulatorSettings(speed=speed, enforce_limits=limits), ready=_announce))
    except OSError as error:
        reason = error.strerror or str(error)
        raise Failure(f"127.0.0.1:{port} cannot be listened at ({reason}); choose another with --port N.") from error


def _announce(url: str) -> None:
    from receiver.simulator import base_urls

    screen.say(
        f"The simulated vendors answer at {url} (faults and books: {url}/control). Any key of the right form works."
    )
    screen.say("Put into clipbell.toml:\n")
    for name, base_url in base_urls(url).items():
        screen.say(f'[vendors.{name}]\nbase_url = "{base_url}"\napi_key = "…"\n')
    screen.say('[network]\nallow = ["127.0.0.0/8"]')
    sys.stdout.flush()
