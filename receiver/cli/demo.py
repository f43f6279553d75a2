"""The verb demo: the whole way on this machine, with simulated vendors; needs no keys, no network, no configuration."""

import signal
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from receiver.cli import screen, words
from receiver.cli.trouble import FAILED
from receiver.cli.verb import Given, verb

if TYPE_CHECKING:
    from receiver.cli.demo_stage import Stage
    from receiver.client import Job

#: What is ordered of each vendor; those that are not here get the first prompt.
ORDERS: dict[str, dict[str, Any]] = {
    "vrex": {"prompt": "A paper boat on a rainy street, close to the ground", "seconds": 8, "aspect_ratio": "16:9"},
    "aivideoapi": {"prompt": "A lighthouse at dusk, seen from the sea", "aspect_ratio": "16:9"},
    "veo3gen": {"prompt": "A fox crosses a snowy field at dawn", "aspect_ratio": "16:9"},
    "ulazai": {"prompt": "Steam rises from a bowl of soup in the morning sun", "aspect_ratio": "9:16"},
    "artnex": {"prompt": "An old tram climbs a hill in Lisbon", "model": "veo3-fast"},
}
#: Seconds: for all clips to arrive, and then for everybody to be told and every file to be saved.
ARRIVE, SETTLE = 60.0, 20.0


@verb()
def demo(
    given: Given,
    *,
    keep: Annotated[bool, typer.Option("--keep", help="Leave it running, to look at the dashboard.")] = False,
) -> None:
    """See it all work with simulated vendors."""
    from receiver.cli.demo_results import show
    from receiver.cli.demo_stage import stage

    signal.signal(signal.SIGTERM, _interrupted)
    screen.say("Starting the simulated vendors, a Slack, a mail server and `clipbell serve`, all on this machine …")
    with stage() as built:
        jobs = _watched(built, _ordered(built))
        _until_told(built)
        missing = show(built, jobs)
        _where_to_look(built, keep=keep)
        for each in missing:
            screen.note(f"Missing: {words.clean(each)}")
        if keep:
            _until_interrupted()
    if missing:
        raise typer.Exit(FAILED)


def _ordered(built: "Stage") -> "list[Job]":
    usual = {"prompt": ORDERS["vrex"]["prompt"]}
    return [built.client.submit(name, tags=["demo"], queue=True, **ORDERS.get(name, usual)) for name in built.vendors]


def _watched(built: "Stage", jobs: "Sequence[Job]") -> "list[Job]":
    """Show a bar for each job until all have ended, or time is over."""
    from receiver.cli.waiting import bars

    with bars({job.id: job.account for job in jobs}) as show_state:
        for _ in range(round(ARRIVE * 4)):
            jobs = [built.client.job(job.id) for job in jobs]
            for job in jobs:
                show_state(job)
            if all(job.has_ended for job in jobs):
                break
            time.sleep(0.25)
    return list(jobs)


def _until_told(built: "Stage") -> None:
    for _ in range(round(SETTLE * 5)):
        if all(each.state in ("done", "dead") for each in built.client.deliveries(limit=None)):
            return
        time.sleep(0.2)


def _where_to_look(built: "Stage", *, keep: bool) -> None:
    config = built.folder / "clipbell.toml"
    screen.say(f"\n{screen.styled('Where to look', 'bold')}")
    rows = [("  folder", str(built.folder)), ("  log", str(built.folder / "serve.log"))]
    if keep:
        rows += [("  dashboard", built.url), ("  password", built.api_token)]
        rows += [("  jobs", f"clipbell jobs --config {config}")]
    else:
        rows += [("  again", f"clipbell serve --config {config}"), ("  your own", "clipbell init")]
    screen.facts(rows)


def _until_interrupted() -> None:
    screen.note("\nIt goes on until you press Ctrl-C.")
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        screen.note("")


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt
