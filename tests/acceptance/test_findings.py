"""What does not add up, found in the real program: by the API, on the command line, in the exported file."""

import json
import sqlite3
from contextlib import closing
from typing import Any

import jsonschema
import pytest

from receiver.simulator import RunningSimulator
from tests.support.faults import plant
from tests.support.program import Program

KITE = "A red kite over the sea"


@pytest.fixture
def audited(clipbell: Program, vendors: RunningSimulator) -> dict[str, str]:
    """A program in which every kind but one can be found: what is found -> its job."""
    clipbell.account_options["vrex"] = {"give_up_after": "3s", "prices": {"second": "0.02"}}
    plant(vendors, kind="job.stuck", vendor="vrex", prompt="stuck")
    plant(vendors, kind="callback.lost", vendor="vrex", prompt="stuck")
    plant(vendors, kind="download.404", vendor="aivideoapi", times=None)
    clipbell.start()
    names = {"first": KITE, "second": KITE, "stuck": "A clip that is stuck"}
    made = {name: clipbell.order(prompt=prompt, seconds=8)["id"] for name, prompt in names.items()}
    made["gone"] = clipbell.order("aivideoapi", "A paper boat")["id"]
    for name in ("first", "second"):
        clipbell.settled(made[name])
        clipbell.delivered(made[name], "files")
    clipbell.settled(made["stuck"], "abandoned")
    clipbell.settled(made["gone"])
    return made


def test_what_does_not_add_up_is_found_and_told(clipbell: Program, audited: dict[str, str]) -> None:
    found = clipbell.items("/v1/ledger/findings")
    seen = {(each["kind"], each["job_id"]): each for each in found}
    first, second, stuck, gone = (audited[name] for name in ("first", "second", "stuck", "gone"))
    # the downloader has not given up on the boat: that file may still come
    assert ("no_file", gone) not in seen
    assert set(seen) == {
        ("off_estimate", first),
        ("off_estimate", second),
        ("paid_twice", second),
        ("no_file", stuck),
    }
    assert seen["off_estimate", first]["amount"] == {"amount": "-0.024", "unit": "USD"}
    assert seen["off_estimate", first]["text"] == "It cost $0.136, $0.024 less than the $0.16 that it was placed at"
    assert seen["paid_twice", second]["other_job_id"] == first
    assert seen["no_file", stuck]["text"].endswith("it was given up without a result")
    assert f"clipbell refresh {stuck}" in seen["no_file", stuck]["next_step"]
    schema = clipbell.get("/openapi.json")
    shape = {**schema["components"]["schemas"]["Finding"], "components": schema["components"]}
    for each in found:
        jsonschema.validate(each, shape)
    pages = [clipbell.get("/v1/ledger/findings", limit=1)]
    while pages[-1]["next"]:
        pages.append(clipbell.get("/v1/ledger/findings", limit=1, cursor=pages[-1]["next"]))
    assert [each for page in pages for each in page["items"]] == found
    sums = {each["kind"]: (each["count"], each["amount"]) for each in clipbell.items("/v1/ledger/findings/summary")}
    assert sums["off_estimate"] == (2, {"amount": "-0.048", "unit": "USD"})


def test_the_command_line_shows_them_and_the_export_holds_them(clipbell: Program, audited: dict[str, str]) -> None:
    said = clipbell.command("ledger", "--findings")
    assert said.returncode == 0, said.stderr
    assert f"paid_twice  $0.136  {audited['second']}  vrex" in said.stdout
    found: list[dict[str, Any]] = json.loads(clipbell.command("ledger", "--findings", "--json").stdout)
    assert found == clipbell.items("/v1/ledger/findings")
    assert clipbell.command("ledger", "--export", "mine.db").returncode == 0
    with closing(sqlite3.connect(clipbell.folder / "mine.db")) as file:
        rows = file.execute("select id, text from findings").fetchall()
        assert sorted(rows) == sorted((each["id"], each["text"]) for each in found)
        assert file.execute("select times, total from paid_twice").fetchall() == [(2, "0.272")]


def test_a_saver_that_gave_up_leaves_a_finding(clipbell: Program, vendors: RunningSimulator) -> None:
    plant(vendors, kind="download.404", vendor="vrex", times=None)
    del clipbell.handlers["files"]
    clipbell.start()
    job = clipbell.settled(clipbell.order()["id"])
    clipbell.delivered(job["id"], "books")
    (found,) = clipbell.items("/v1/ledger/findings", kind="no_file")
    assert (found["job_id"], found["amount"]) == (job["id"], {"amount": "0.136", "unit": "USD"})
    assert found["next_step"].startswith("Nothing saves clips: add a handler")
