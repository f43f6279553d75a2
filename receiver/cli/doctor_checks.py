"""The doctor's checks: each looks at one thing and answers diagnoses. Nothing is ordered, sent or written."""

import asyncio
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from handlers.room import free_bytes
from receiver.cli import words
from schemas.units import parse_size, say_size

if TYPE_CHECKING:
    from receiver.client import Clipbell, Handler
    from receiver.net import Net
    from receiver.settings import Account, Settings

Level = Literal["ok", "look", "mend"]
#: Bytes free below which a clip may not find room, and below which the database is at risk.
LITTLE, TOO_LITTLE = 4 << 30, 512 << 20
KEY_CHECK, SELF_CALL = 15.0, 10.0
#: SQLite's versions from the first to before the last can corrupt a WAL that two connections reset at once.
WAL_RESET_SINCE, WAL_RESET_UNTIL = (3, 7, 0), (3, 51, 3)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What one check found: fine, worth a look, or to be mended; `next_step` says how."""

    level: Level
    check: str
    text: str
    next_step: str = ""


def on_configuration(settings: "Settings") -> Iterator[Diagnosis]:
    """What may be configured and still be unwise."""
    accounts = ", ".join(settings.accounts)
    yield Diagnosis("ok", "configuration", f"can be used; folder {settings.folder}")
    if accounts:
        yield Diagnosis("ok", "vendors", accounts)
    else:
        yield Diagnosis(
            "look", "vendors", "none is configured", 'add a section such as [vendors.vrex] with api_key = "…"'
        )
    yield from _on_plug_ins()
    if not any(handler.type.name == "downloader" for handler in settings.handlers.values()):
        step = 'add a handler with type = "downloader": vendors delete clips within hours or days'
        yield Diagnosis("look", "handlers", "nothing saves clips", step)


def _on_plug_ins() -> Iterator[Diagnosis]:
    from receiver import registry
    from schemas.errors import ConfigurationError

    try:
        registry.check_plug_ins()
    except ConfigurationError as error:
        for problem in error.problems:
            yield Diagnosis("mend", problem.field, problem.problem, "the server does not start before that is mended")


def on_database(settings: "Settings") -> Diagnosis:
    """Whether the database can be read and is whole."""
    if settings.database_url.startswith("sqlite"):
        return _on_file(Path(settings.database_url.removeprefix("sqlite:///")))
    from receiver.store.opening import schema_version
    from schemas.errors import ClipbellError

    try:
        version = schema_version(settings.database_url)
    except ClipbellError as error:
        step = "start PostgreSQL, or mend database_url"
        return Diagnosis("mend", "database", f"PostgreSQL cannot be used: {error}", step)
    if version is None:
        return Diagnosis("mend", "database", "PostgreSQL answers, but is empty", "run clipbell migrate")
    return Diagnosis("ok", "database", f"PostgreSQL answers; schema {version}")


def _on_file(file: Path) -> Diagnosis:
    if not file.exists():
        if os.access(file.parent, os.W_OK):
            return Diagnosis("ok", "database", f"{file} will be made at the first start")
        return Diagnosis("mend", "database", f"{file.parent} cannot be written to", "let the server's user write there")
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=5)) as connection:
            said = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        said = str(error)
    if said != "ok":
        return Diagnosis("mend", "database", f"{file} is damaged: {said}", "stop the server and restore a backup")
    return Diagnosis("ok", "database", f"{file}, {words.size(file.stat().st_size)}, is whole")


def on_sqlite(version: str = sqlite3.sqlite_version) -> Diagnosis:
    """Whether this SQLite can corrupt a WAL that two connections write to or checkpoint at once.

    Ours has one such connection and a lock, so it is enough that nobody else writes.
    """
    number = tuple(int(part) for part in version.split("."))
    if not WAL_RESET_SINCE <= number < WAL_RESET_UNTIL:
        return Diagnosis("ok", "SQLite", version)
    text = f"{version}; a second writer can damage a file (WAL reset, mended in 3.51.3)"
    return Diagnosis("ok", "SQLite", text, "clipbell alone writes to it, so open its file elsewhere only to read")


def on_disk(settings: "Settings") -> Iterator[Diagnosis]:
    """Whether there is room where the database and the clips are."""
    places = {settings.folder}
    if settings.database_url.startswith("sqlite"):
        places.add(Path(settings.database_url.removeprefix("sqlite:///")).parent)
    floors: dict[Path, int] = {}
    for place, floor in _floors(settings):
        floors[place] = max(floor, floors.get(place, 0))
    # one file system is told once, by the place that asks most of it
    by_disk = {place.stat().st_dev: place for place in places if place.exists()}
    by_disk |= {place.stat().st_dev: place for place in sorted(floors, key=lambda each: floors[each])}
    for place in sorted(by_disk.values()):
        yield _on_place(place, floors.get(place, 0))


def _floors(settings: "Settings") -> Iterator[tuple[Path, int]]:
    """Where downloaders save, and how much they leave free there."""
    for handler in settings.handlers.values():
        target, keep_free = (getattr(handler.options, name, None) for name in ("target", "keep_free"))
        if isinstance(target, str) and isinstance(keep_free, str):
            # what goes to a bucket is loaded beside the configuration first
            yield _existing(settings.folder / ("" if "://" in target else target)), parse_size(keep_free)


def _on_place(place: Path, floor: int) -> Diagnosis:
    free = free_bytes(place)
    if free is None:
        return Diagnosis("ok", "disk", f"the one at {place} does not say how much is free")
    text = f"{words.size(free)} free at {place}"
    if free < floor:
        step = "make room, or lower keep_free of the downloader; clips wait until then"
        return Diagnosis("mend", "disk", f"{text}, less than the {say_size(floor)} that must stay free", step)
    level: Level = "mend" if free < TOO_LITTLE else "look" if free < LITTLE else "ok"
    return Diagnosis(level, "disk", text, "" if level == "ok" else "make room, or save the clips elsewhere")


def _existing(place: Path) -> Path:
    return next(each for each in (place, *place.parents) if each.exists())


def on_server(client: "Clipbell", handlers: Sequence[str]) -> Iterator[Diagnosis]:
    """Whether the server runs and is well, and how its handlers fare."""
    from receiver.client import ClipbellError, ServerFailed, ServerUnreachable

    try:
        ready = client.ready()
    except ServerUnreachable:
        yield Diagnosis("look", "server", f"does not run at {client.url}", "start it with clipbell serve")
        for name in handlers:
            yield Diagnosis("look", f"handler {name}", "cannot be asked about while the server does not run")
        return
    except ServerFailed as error:
        problems = error.raw.get("problems") or [str(error)]
        yield Diagnosis("mend", "server", "; ".join(map(str, problems)), "see its log")
        return
    if "problems" not in ready:
        step = "another server listens there, or it runs with another configuration"
        yield Diagnosis("mend", "server", f"the one at {client.url} does not take our api_token", step)
        return
    yield Diagnosis("ok", "server", f"ready at {client.url}")
    try:
        yield from map(_on_handler, client.handlers())
        yield from _on_alerts(client)
    except ClipbellError as error:
        yield Diagnosis("mend", "handlers", f"cannot be asked about: {error}", "see the server's log")


def _on_alerts(client: "Clipbell") -> Iterator[Diagnosis]:
    if codes := sorted({alert.code for alert in client.alerts()}):
        yield Diagnosis("look", "alerts", f"raised: {', '.join(codes)}", "read them with clipbell alerts")


def _on_handler(handler: "Handler") -> Diagnosis:
    name = f"handler {handler.name}"
    if handler.health in ("failing", "paused"):
        why = words.clean(handler.last_reason or handler.last_outcome)
        kept = words.count(handler.parked or 0, "delivery")
        what = "fails" if handler.health == "failing" else f"is paused, with {kept} kept for it"
        return Diagnosis("mend", name, f"{what}: {why}", f"mend it, then try: clipbell handlers test {handler.name}")
    if handler.health == "ok":
        return Diagnosis("ok", name, "its last delivery succeeded")
    return Diagnosis("look", name, "was not used yet", f"try it: clipbell handlers test {handler.name}")


async def on_world(settings: "Settings", *, runs: bool) -> list[Diagnosis]:
    """The calls that leave this machine: ourselves by the public URL, and each key."""
    from receiver.net import Net

    net = Net(public_only=False)
    checks = [_on_key(net, account) for account in settings.accounts.values()]
    return [await _on_public_url(net, settings, runs=runs), *await asyncio.gather(*checks)]


async def _on_public_url(net: "Net", settings: "Settings", *, runs: bool) -> Diagnosis:
    from receiver.watch import leads_elsewhere, seal_of

    url = settings.public_url
    if url is None:
        step = "set public_url if vendors can reach this machine; else every job is polled, which works too"
        return Diagnosis("look", "public URL", "is not set: no callback will come", step)
    if not runs:
        return Diagnosis("look", "public URL", f"{url} cannot be tried while the server does not run", "start it first")
    if trouble := await leads_elsewhere(net, url, seal_of(settings.secret_keys)):
        return Diagnosis("mend", "public URL", f"{url}: {trouble}", "mend the proxy, tunnel or name")
    return await _on_callbacks(net, url)


async def _on_callbacks(net: "Net", url: str) -> Diagnosis:
    """Whether a vendor's POST comes through: a wrong token has an answer that is ours alone, and leaves no trace."""
    from receiver.web.callbacks import NO_TOKEN
    from schemas.errors import NetError

    step = "have the proxy pass POST /callbacks/… on to this server as it comes"
    try:
        answer = await net.call("POST", f"{url}/callbacks/doctor/no-token", content=b"{}", timeout=SELF_CALL)
    except NetError as error:
        return Diagnosis("mend", "public URL", f"{url} leads here, but a callback does not come through: {error}", step)
    if (answer.status, answer.body) == (404, NO_TOKEN):
        return Diagnosis("ok", "public URL", f"{url} leads here, also for callbacks")
    text = f"{url} leads here, but a callback is answered HTTP {answer.status} by something else"
    return Diagnosis("mend", "public URL", text, step)


async def _on_key(net: "Net", account: "Account") -> Diagnosis:
    from schemas.errors import NetError

    name, wanted = f"key {account.name}", account.vendor.key_check
    if wanted is None:
        return Diagnosis("ok", name, f"{account.vendor.title} has no free call that would try it")
    headers = dict(account.vendor.auth(account.api_key.get_secret_value()))
    try:
        answer = await net.call(wanted.method, f"{account.base_url}{wanted.path}", headers=headers, timeout=KEY_CHECK)
    except NetError as error:
        return Diagnosis("mend", name, f"{account.vendor.title} cannot be reached: {error}", "check the network")
    if 200 <= answer.status < 300:
        return Diagnosis("ok", name, f"{account.vendor.title} takes it")
    if answer.status in (401, 403):
        step = f"put a valid key into [vendors.{account.name}] api_key"
        return Diagnosis("mend", name, f"{account.vendor.title} refuses it (HTTP {answer.status})", step)
    return Diagnosis("look", name, f"{account.vendor.title} answered HTTP {answer.status}", "try again later")


def worst(diagnoses: Sequence[Diagnosis]) -> Level:
    """The worst level of all."""
    levels = {each.level for each in diagnoses}
    return "mend" if "mend" in levels else "look" if "look" in levels else "ok"
