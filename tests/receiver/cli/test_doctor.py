"""The doctor: what is well, what wants a look, what is to be mended, each with the next step; and no secret."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from receiver.cli.doctor_checks import on_sqlite
from receiver.watch import NONCE, PROOF, proof, seal_of
from receiver.web.callbacks import NO_TOKEN
from tests.receiver.cli.conftest import Run
from tests.support.api_stand_in import TOKEN, StandIn
from tests.support.command_line import clipbell
from tests.support.http_server import Reply, Seen, Server, closed_port, serving
from tests.support.packages import importable

KEY = "sk-" + "v" * 32
HANDLER = {"name": "clips", "type": "downloader", "health": "ok", "last_reason": None, "last_outcome": "done"}


@pytest.fixture
def vendor() -> Iterator[Server]:
    """A vendor that takes the key, and a proxy that leads to us."""
    with serving() as made:
        made.answer(through)
        yield made


def through(seen: Seen) -> Reply:
    """What comes through a proxy that passes everything on."""
    if seen.path.startswith("/callbacks/"):
        return Reply(404, NO_TOKEN)
    proven = proof(seal_of(["k" * 32]), seen.headers.get(NONCE)) if seen.path == "/healthz" else None
    return Reply(body=b'{"status": "ok"}', headers={PROOF: proven} if proven else {})


@pytest.fixture
def well(server: StandIn, vendor: Server, folder: Path) -> StandIn:
    """Everything is well."""
    with (folder / "clipbell.toml").open("a") as file:
        file.write('[handlers.clips]\ntype = "downloader"\ntarget = "clips"\n')
        file.write(f'[vendors.vrex]\napi_key = "{KEY}"\nbase_url = "{vendor.url}"\n')
    text = (folder / "clipbell.toml").read_text()
    (folder / "clipbell.toml").write_text(f'public_url = "{vendor.url}"\n{text}')
    server.says("GET", "/readyz", {"status": "ready", "problems": [], "counts": {}})
    server.lists["/v1/handlers"] = [HANDLER]
    return server


def found(run: Run, check: str) -> dict[str, str]:
    """What the doctor says of one check."""
    diagnoses: list[dict[str, str]] = json.loads(run("doctor", "--json").out)
    (wanted,) = [each for each in diagnoses if each["check"] == check]
    return wanted


def test_all_is_well(well: StandIn, run: Run, vendor: Server) -> None:
    ended = run("doctor", "--json")
    levels = {each["check"]: each["level"] for each in json.loads(ended.out)}
    assert (ended.code, levels.pop("disk")) == (0, levels["server"])
    checks = ("configuration", "vendors", "database", "SQLite", "server", "handler clips", "public URL", "key vrex")
    assert levels == dict.fromkeys(checks, "ok")
    assert sorted(seen.path for seen in vendor.seen) == ["/callbacks/doctor/no-token", "/healthz", "/usage"]
    (key_check,) = [seen for seen in vendor.seen if seen.path == "/usage"]
    assert key_check.headers["authorization"] == f"Bearer {KEY}"


def test_a_key_that_is_refused_is_to_be_mended(well: StandIn, run: Run, vendor: Server) -> None:
    vendor.answer(lambda seen: Reply(401) if seen.path == "/usage" else through(seen))
    said = found(run, "key vrex")
    assert said == {
        "level": "mend",
        "check": "key vrex",
        "text": "Vrex refuses it (HTTP 401)",
        "next_step": "put a valid key into [vendors.vrex] api_key",
    }
    ended = run("doctor")
    assert (ended.code, KEY in ended.out, TOKEN in ended.out) == (1, False, False)


@pytest.mark.parametrize(
    "elsewhere",
    [
        Reply(200, b"<html>Welcome to nginx</html>"),
        Reply(200, b'{"status": "ok"}'),  # another clipbell
        Reply(200, b'{"status": "ok"}', {PROOF: "forged"}),
    ],
)
def test_a_public_url_that_leads_elsewhere_is_to_be_mended(
    well: StandIn, run: Run, vendor: Server, elsewhere: Reply
) -> None:
    vendor.answer(lambda _: elsewhere)
    said = found(run, "public URL")
    assert said["level"] == "mend"
    assert said["text"] == f"{vendor.url}: public_url leads to another server, which answered HTTP 200"


@pytest.mark.parametrize("reply", [Reply(403, b"no"), Reply(404, b"<html>nginx</html>"), Reply(200, b"{}")])
def test_a_proxy_that_keeps_callbacks_to_itself_is_to_be_mended(
    well: StandIn, run: Run, vendor: Server, reply: Reply
) -> None:
    vendor.answer(lambda seen: reply if seen.method == "POST" else through(seen))
    said = found(run, "public URL")
    assert (said["level"], said["next_step"]) == (
        "mend",
        "have the proxy pass POST /callbacks/… on to this server as it comes",
    )
    assert said["text"].endswith(f"but a callback is answered HTTP {reply.status} by something else")


def test_a_public_url_that_nobody_answers_is_to_be_mended(well: StandIn, run: Run, folder: Path) -> None:
    text = (folder / "clipbell.toml").read_text()
    _, _, rest = text.partition("\n")
    (folder / "clipbell.toml").write_text(f'public_url = "http://127.0.0.1:{closed_port()}"\n{rest}')
    said = found(run, "public URL")
    assert (said["level"], "cannot be reached from here" in said["text"]) == ("mend", True)


@pytest.mark.parametrize(
    ("version", "is_told"),
    [("3.6.23", False), ("3.7.0", True), ("3.40.1", True), ("3.51.2", True), ("3.51.3", False), ("3.53.0", False)],
)
def test_a_sqlite_whose_log_can_be_damaged_is_told(version: str, is_told: bool) -> None:
    said = on_sqlite(version)
    assert (said.level, said.check, said.text.split(";")[0]) == ("ok", "SQLite", version)
    assert ("WAL reset" in said.text, bool(said.next_step)) == (is_told, is_told)


def test_the_sqlite_of_this_python_is_the_one_that_is_told(well: StandIn, run: Run) -> None:
    assert found(run, "SQLite")["text"].startswith(sqlite3.sqlite_version)


def test_a_handler_that_fails_is_to_be_mended(well: StandIn, run: Run) -> None:
    well.lists["/v1/handlers"] = [{**HANDLER, "health": "failing", "last_reason": "no room"}]
    said = found(run, "handler clips")
    assert (said["level"], said["text"]) == ("mend", "fails: no room")
    assert said["next_step"] == "mend it, then try: clipbell handlers test clips"


@pytest.mark.parametrize(("parked", "kept"), [(3, "3 deliveries"), (1, "1 delivery")])
def test_a_handler_that_is_paused_is_to_be_mended(well: StandIn, run: Run, parked: int, kept: str) -> None:
    well.lists["/v1/handlers"] = [{**HANDLER, "health": "paused", "last_reason": "HTTP 500", "parked": parked}]
    said = found(run, "handler clips")
    assert (said["level"], said["text"]) == ("mend", f"is paused, with {kept} kept for it: HTTP 500")


def test_a_server_that_is_not_ready_says_why(well: StandIn, run: Run) -> None:
    well.says("GET", "/readyz", {"status": "unavailable", "problems": ["the disk is full"]}, 503)
    said = found(run, "server")
    assert (said["level"], said["text"]) == ("mend", "the disk is full")


def test_a_server_of_another_configuration_is_seen(well: StandIn, run: Run) -> None:
    well.says("GET", "/readyz", {"status": "ready"})
    said = found(run, "server")
    assert (said["level"], said["text"]) == ("mend", f"the one at {well.url} does not take our api_token")


def test_a_server_that_does_not_run_is_no_failure(tmp_path: Path) -> None:
    text = f'listen = "127.0.0.1:{closed_port()}"\napi_token = "{TOKEN}"\nsecret_keys = ["{"k" * 32}"]\n'
    (tmp_path / "clipbell.toml").write_text(text)
    ended = clipbell("doctor", folder=tmp_path)
    assert ended.code == 0
    assert "start it with clipbell serve" in ended.out
    assert "handler team" not in ended.out
    assert "nothing saves clips" in ended.out


def test_without_the_server_each_handler_is_named_and_not_judged(tmp_path: Path) -> None:
    text = f'listen = "127.0.0.1:{closed_port()}"\napi_token = "{TOKEN}"\nsecret_keys = ["{"k" * 32}"]\n'
    (tmp_path / "clipbell.toml").write_text(f'{text}[handlers.clips]\ntype = "downloader"\ntarget = "clips"\n')
    ended = clipbell("doctor", folder=tmp_path)
    assert ended.code == 0
    assert "handler clips" in ended.out
    assert "cannot be asked about while the server does not run" in ended.out


def test_a_damaged_database_is_to_be_mended(well: StandIn, run: Run, folder: Path) -> None:
    (folder / "clipbell.db").write_bytes(b"SQLite format 3\0" + b"\xff" * 8000)
    said = found(run, "database")
    assert (said["level"], said["next_step"]) == ("mend", "stop the server and restore a backup")


def test_a_database_of_its_own_is_whole(well: StandIn, run: Run, folder: Path) -> None:
    from receiver.store.opening import migrate

    migrate(f"sqlite:///{folder / 'clipbell.db'}")
    said = found(run, "database")
    assert said["level"] == "ok"
    assert said["text"].endswith("is whole")


def test_a_postgresql_that_is_away_is_one_finding_among_others(well: StandIn, run: Run) -> None:
    url = f"postgresql://clipbell:a-secret-password@127.0.0.1:{closed_port()}/clipbell"
    ended = run("doctor", "--json", environ={"DATABASE_URL": url})
    said = {each["check"]: each for each in json.loads(ended.out)}
    assert (ended.code, said["database"]["level"], said["key vrex"]["level"]) == (1, "mend", "ok")
    assert "a-secret-password" not in ended.out


def test_a_plug_in_that_would_stop_the_start_is_to_be_mended(well: StandIn, run: Run, tmp_path: Path) -> None:
    place = tmp_path / "site"
    place.mkdir()
    with importable(place) as packages:
        packages.distribution("plug_x", "VENDOR = 1 / 0\n", "[clipbell.vendors]\nacme = plug_x\n")
        finding = found(run, "entry point acme of plug_x")
    assert finding["level"] == "mend"
    assert finding["text"] == "cannot be imported: ZeroDivisionError: division by zero; mend or uninstall it"
    assert finding["next_step"] == "the server does not start before that is mended"
