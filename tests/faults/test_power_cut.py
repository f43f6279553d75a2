"""The power goes at any moment: nothing that was acknowledged is missing, nothing is damaged, no file is half there.

A program's file calls are traced; every state of the disk that a cut could have left is rebuilt from them and looked
at. A kill of the process would prove little: the kernel still holds what was never synced. Each proof has its control,
where a careless program loses something.
"""

import hashlib
import json
import shutil
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from receiver.store.opening import open_store_now
from schemas.errors import ClipbellError
from tests.support.cut_downloads import clip_of
from tests.support.cut_store import body_of
from tests.support.power_cut import CALLS, Disk, State, states, uncut
from tests.support.strace import need_strace, traced

DATABASE = "clipbell.db"
#: Why a state is bad.
LOST, CORRUPT, TORN, SHUT = "acknowledged and lost", "corrupt", "half of a change", "does not open"


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Path]:
    """A folder that is quick: states are looked at there, by the thousand."""
    memory = Path("/dev/shm")
    found = memory / f"clipbell-{tmp_path.name}" if memory.is_dir() else tmp_path / "states"
    found.mkdir()
    yield found
    shutil.rmtree(found)


def disk_after(tmp_path: Path, program: str, *arguments: str) -> Disk:
    """Trace a program that works in a folder of its own."""
    need_strace()
    folder, acks = tmp_path / "folder", tmp_path / "acks"
    folder.mkdir()
    command = [sys.executable, "-m", program, str(folder), str(acks), *arguments]
    calls = traced(command, CALLS, tmp_path / "trace")
    disk = Disk(folder, acks, ignored=("-shm", ".lock")).read(calls)
    left = uncut(disk)
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(("-shm", ".lock"))]
    assert left.files == {path: path.read_bytes() for path in files}, "the model of the disk is not true"
    assert "\n".join(left.acknowledged) == acks.read_text().strip()
    return disk


# --- the store ---


def what_is_wrong_with_the_store(state: State, scratch: Path, *, reopen: bool) -> set[str]:
    for file in scratch.iterdir():
        file.unlink()
    for path, content in state.files.items():
        (scratch / path.name).write_bytes(content)
    if reopen and state.acknowledged:
        try:
            open_store_now(f"sqlite:///{scratch}/{DATABASE}").close_now()
        except ClipbellError as error:
            return {f"{SHUT}: {error}"}
    connection = sqlite3.connect(scratch / DATABASE)
    try:
        return set(_wrong_rows(connection, state))
    except sqlite3.DatabaseError as error:
        # before the first commit there is nothing yet
        return {CORRUPT} if "no such table" not in str(error) else {LOST} if state.acknowledged else set()
    finally:
        connection.close()


def _wrong_rows(connection: sqlite3.Connection, state: State) -> Iterator[str]:
    if connection.execute("PRAGMA integrity_check").fetchone()[0] != "ok":
        yield CORRUPT
    kept = dict(connection.execute("SELECT evidence.id, body FROM evidence JOIN bodies USING (sha256)"))
    if any(kept.get(each) != body_of(int(each[-6:])) for each in state.acknowledged):
        yield LOST
    # each callback that was news made one of each, in its own commit
    counted = (
        "jobs WHERE state = 'completed'",
        "events",
        "deliveries",
        "evidence WHERE verdict = 'accepted'",
    )
    if len({connection.execute(f"SELECT count(*) FROM {each}").fetchone()[0] for each in counted}) != 1:
        yield TORN


def cuts_of_the_store(tmp_path: Path, scratch: Path, callbacks: int, wanted: int, *how: str) -> Counter[str]:
    disk = disk_after(tmp_path, "tests.support.cut_store", str(callbacks), *how)
    found: Counter[str] = Counter()
    for number, state in enumerate(states(disk, wanted)):
        found["states"] += 1
        found.update(what_is_wrong_with_the_store(state, scratch, reopen=number % 50 == 0))
    return found


def test_a_power_cut_loses_no_acknowledged_callback(tmp_path: Path, scratch: Path) -> None:
    found = cuts_of_the_store(tmp_path, scratch, 60, 300)
    assert found.pop("states") > 200
    assert not found


@pytest.mark.faults
@pytest.mark.timeout(1200)
def test_thousands_of_power_cuts_lose_no_acknowledged_callback(tmp_path: Path, scratch: Path) -> None:
    found = cuts_of_the_store(tmp_path, scratch, 600, 6_000)
    print(dict(found))
    assert found.pop("states") >= 5_000
    assert not found


def test_without_full_synchronisation_a_power_cut_does_lose_them(tmp_path: Path, scratch: Path) -> None:
    found = cuts_of_the_store(tmp_path, scratch, 60, 150, "lax")
    assert found[LOST] > 20
    assert not found[CORRUPT]


# --- downloads ---


def what_is_wrong_with_the_files(state: State) -> set[str]:
    found = set()
    promised = dict(each.split(" ") for each in state.acknowledged)
    for path, content in state.files.items():
        if path.suffix == ".mp4" and content != clip_of(int(path.stem[4:-2])):
            found.add(TORN)
        if path.suffix == ".json" and not path.name.startswith(".") and not _is_json(content):
            found.add(TORN)
    for name, sha256 in promised.items():
        if hashlib.sha256(state.files.get(Path(name), b"")).hexdigest() != sha256:
            found.add(LOST)
    return found


def _is_json(content: bytes) -> bool:
    try:
        json.loads(content)
    except ValueError:
        return False
    return True


def cuts_of_downloads(tmp_path: Path, clips: int, wanted: int, *how: str) -> Counter[str]:
    disk = disk_after(tmp_path, "tests.support.cut_downloads", str(clips), *how)
    found: Counter[str] = Counter()
    for state in states(disk, wanted):
        found["states"] += 1
        found.update(what_is_wrong_with_the_files(state))
    return found


def test_a_power_cut_leaves_no_half_file_under_a_final_name_and_loses_none_that_was_reported(tmp_path: Path) -> None:
    found = cuts_of_downloads(tmp_path, 12, 600)
    assert found.pop("states") > 400
    assert not found


@pytest.mark.faults
@pytest.mark.timeout(1200)
def test_thousands_of_power_cuts_leave_no_half_file_and_lose_none(tmp_path: Path) -> None:
    found = cuts_of_downloads(tmp_path, 200, 6_000)
    print(dict(found))
    assert found.pop("states") >= 5_000
    assert not found


def test_without_waiting_for_the_disk_a_power_cut_does_leave_half_files_and_loses_others(tmp_path: Path) -> None:
    found = cuts_of_downloads(tmp_path, 12, 300, "careless")
    assert found[TORN] > 20
    assert found[LOST] > 20
