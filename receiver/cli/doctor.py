"""The verb doctor: checks everything that can be checked without spending anything, and says what to mend."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from receiver.cli import screen, words
from receiver.cli.trouble import FAILED
from receiver.cli.verb import REMOTE, Given, verb

if TYPE_CHECKING:
    from receiver.cli.doctor_checks import Diagnosis

_STYLES = {"ok": "green", "look": "yellow", "mend": "bold red"}


@verb(*REMOTE)
def doctor(given: Given) -> None:
    """Check configuration, database, keys, handlers, disk."""
    from receiver.cli.doctor_checks import worst

    diagnoses = _diagnoses(given)
    if given.as_json:
        screen.print_json([asdict(each) for each in diagnoses])
    else:
        width = max(len(each.check) for each in diagnoses)
        for each in diagnoses:
            level = screen.styled(f"{each.level:<4}", _STYLES[each.level])
            screen.say(f"{level}  {each.check:<{width}}  {words.clean(each.text)}")
            if each.next_step:
                screen.say(f"{'':<{width + 8}}→ {each.next_step}")
    if worst(diagnoses) == "mend":
        raise typer.Exit(FAILED)


def _diagnoses(given: Given) -> "list[Diagnosis]":
    import asyncio

    from receiver.cli import doctor_checks as checks

    settings = given.settings()
    with given.client() as client:
        server = list(checks.on_server(client, list(settings.handlers)))
    runs = server[0].level == "ok"
    return [
        *checks.on_configuration(settings),
        checks.on_database(settings),
        *([checks.on_sqlite()] if settings.database_url.startswith("sqlite") else []),
        *checks.on_disk(settings),
        *server,
        *asyncio.run(checks.on_world(settings, runs=runs)),
    ]
