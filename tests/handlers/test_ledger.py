"""The ledger file: rows that people read, exact sums, and what happens to a file that others hold or delete."""

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from handlers import ledger_file
from handlers.ledger import HANDLER, LedgerOptions
from handlers.protocol import Done, Outcome, Parcel, TryLater
from schemas.event import Failure, Money, Video, micros
from schemas.job import Job, JobState
from schemas.values import replace
from tests.support.parcels import FAILED, NOW, READY, parcel, tools

JOB = str(READY.job_id)


def line(number: int, job_id: str = JOB, amount: str | None = "0.136", **more: Any) -> dict[str, Any]:
    """A ledger line in the contract's shape."""
    return {
        "id": f"led_{number}",
        "at": "2025-01-01T12:00:00Z",
        "job_id": job_id,
        "vendor": "vrex",
        "account": "vrex",
        "kind": "charge",
        "amount": None if amount is None else {"amount": amount, "unit": "USD"},
        "basis": "vendor_figure",
        "evidence_id": "evd_1",
        **more,
    }


def deliver(folder: Path, given: Sequence[Parcel], lines: Sequence[Mapping[str, Any]] = ()) -> Mapping[str, Outcome]:
    """Write parcels into `ledger.db` of a folder; the lines are those of every job that they name."""

    async def of_job(*job_ids: str) -> Sequence[Mapping[str, Any]]:
        return [one for one in lines if one["job_id"] in job_ids]

    handler = HANDLER.make(LedgerOptions(), tools(folder, lines=of_job))
    return asyncio.run(handler.deliver(given))


def rows(folder: Path, query: str) -> list[dict[str, Any]]:
    """Read the file."""
    with Database(folder / "ledger.db") as db:
        return list(db.query(query))


def test_a_clip_is_a_row_and_its_lines_are_rows(tmp_path: Path) -> None:
    assert deliver(tmp_path, [parcel()], [line(1)]) == {"dlv_1": Done("1 clip, 1 line")}
    [clip] = rows(tmp_path, "select * from clips")
    assert clip == {
        "number": 1,
        "job_id": JOB,
        "vendor": "vrex",
        "account": "vrex",
        "vendor_job_id": "vg_a1b2c3d4e5f6",
        "state": "completed",
        "prompt": "A cat rides a bicycle",
        "model": "veo-3.1-lite",
        "seconds": 8.0,
        "cost_amount": "0.136",
        "cost_unit": "USD",
        "cost_micros": 136_000,
        "failure_code": None,
        "failure_message": None,
        "refunded": None,
        "refund_basis": None,
        "tags": "[]",
        "batch": None,
        "metadata": "{}",
        "video_url": READY.videos[0].url,
        "video_urls": f'["{READY.videos[0].url}"]',
        "created_at": None,
        "submitted_at": None,
        "settled_at": "2025-01-01T12:01:15Z",
        "elapsed_seconds": 75.0,
    }
    [money] = rows(tmp_path, "select * from ledger")
    assert (money["day"], money["amount"], money["unit"], money["micros"]) == ("2025-01-01", "0.136", "USD", 136_000)


def test_a_failed_clip_says_why(tmp_path: Path) -> None:
    deliver(tmp_path, [parcel(FAILED)])
    [clip] = rows(tmp_path, "select state, failure_code, refunded, refund_basis, cost_micros, video_url from clips")
    assert tuple(clip.values()) == ("failed", "HATE_SPEECH", 1, "vendor_policy", None, None)


def test_the_same_event_again_changes_nothing(tmp_path: Path) -> None:
    for _ in range(3):
        deliver(tmp_path, [parcel()], [line(1), line(2, amount="-0.136", kind="refund")])
    assert [r["n"] for r in rows(tmp_path, "select count(*) n from clips union all select count(*) from ledger")] == [
        1,
        2,
    ]


def test_views_sum_exactly(tmp_path: Path) -> None:
    lines = [
        *(line(n, amount="0.1") for n in range(3)),
        line(3, amount="-0.300001", kind="refund"),
        line(4, amount=None, kind="unknown"),
        line(5, amount="40", at="2025-01-02T00:00:00Z"),
    ]
    deliver(tmp_path, [parcel()], lines)
    assert rows(tmp_path, "select day, unit, charged, refunded, total, unknown_lines from by_day") == [
        {"day": "2025-01-01", "unit": None, "charged": "0", "refunded": "0", "total": "0", "unknown_lines": 1},
        {
            "day": "2025-01-01",
            "unit": "USD",
            "charged": "0.3",
            "refunded": "-0.300001",
            "total": "-0.000001",
            "unknown_lines": 0,
        },
        {"day": "2025-01-02", "unit": "USD", "charged": "40", "refunded": "0", "total": "40", "unknown_lines": 0},
    ]
    [vendor] = rows(tmp_path, "select vendor, total, jobs from by_vendor where unit = 'USD'")
    assert vendor == {"vendor": "vrex", "total": "39.999999", "jobs": 1}


def failed_clip(job_id: str, **fields: Any) -> Parcel:
    """News of a failed clip."""
    return parcel(replace(FAILED, job_id=job_id, **fields))


def test_a_view_shows_what_failed_and_was_not_refunded(tmp_path: Path) -> None:
    kept = Failure("BAD", "no", refunded=False, refund_basis="vendor_figure")
    unsaid = Failure("BAD", "no", refunded=None)
    clips = [
        failed_clip("job_1", failure=kept),
        failed_clip("job_2", failure=unsaid),
        failed_clip("job_3"),  # refunded
        failed_clip("job_4", failure=kept),
        failed_clip("job_5"),
        parcel(replace(READY, job_id="job_6")),
    ]
    lines = [
        line(1, "job_1", "2"),
        line(2, "job_1", "-0.5", kind="refund"),
        line(3, "job_2", None, kind="unknown"),
        line(4, "job_3", "2"),
        line(5, "job_3", "-2", kind="refund"),
        line(6, "job_5", None, kind="unknown"),
        line(7, "job_6", "2"),
    ]
    deliver(tmp_path, clips, lines)
    found = rows(tmp_path, "select job_id, kept, unit, failure_code from failed_not_refunded")
    assert [tuple(each.values()) for each in found] == [("job_2", None, None, "BAD"), ("job_1", "1.5", "USD", "BAD")]


def test_a_view_shows_prompts_that_were_paid_for_twice(tmp_path: Path) -> None:
    clips = [
        *(parcel(replace(READY, job_id=f"job_{n}", prompt="A kite")) for n in (1, 2, 3)),
        parcel(replace(READY, job_id="job_4", prompt="A kite", account="second")),
        *(parcel(replace(READY, job_id=f"job_{n}", prompt="")) for n in (5, 6)),
        *(parcel(replace(READY, job_id=f"job_{n}", prompt="Free")) for n in (7, 8)),
    ]
    lines = [line(n, f"job_{n}", "0.1") for n in range(1, 8)]
    lines += [line(9, "job_3", "-0.1", kind="refund")]
    deliver(tmp_path, clips, lines)
    found = rows(tmp_path, "select prompt, times, total, unit, first_job_id, last_job_id from paid_twice")
    assert [tuple(each.values()) for each in found] == [("A kite", 2, "0.2", "USD", "job_1", "job_2")]


def test_a_view_of_an_older_version_is_replaced(tmp_path: Path) -> None:
    deliver(tmp_path, [parcel()], [line(1)])
    with Database(tmp_path / "ledger.db") as db:
        db.create_view("paid_twice", "SELECT 1 AS times", replace=True)
    deliver(tmp_path, [parcel()])
    assert rows(tmp_path, "select * from paid_twice") == []


FOUND = {
    "id": "two_1",
    "kind": "paid_twice",
    "at": "2025-01-01T12:00:00Z",
    "job_id": "job_2",
    "vendor": "vrex",
    "account": "vrex",
    "vendor_job_id": "vg_2",
    "prompt": "A kite",
    "amount": {"amount": "0.136", "unit": "USD"},
    "other_job_id": "job_1",
    "text": "It was paid for twice",
    "next_step": "Look",
}


def test_an_export_holds_the_findings_as_they_were_at_the_last_one(tmp_path: Path) -> None:
    file = tmp_path / "ledger.db"
    ledger_file.write(file, [], [], [FOUND, {**FOUND, "id": "two_2", "amount": None}])
    found = rows(tmp_path, "select id, amount, unit, micros, other_job_id, text from findings order by id")
    assert [tuple(each.values()) for each in found] == [
        ("two_1", "0.136", "USD", 136_000, "job_1", "It was paid for twice"),
        ("two_2", None, None, None, "job_1", "It was paid for twice"),
    ]
    # the handler knows nothing of them and leaves them; the next export replaces them
    deliver(tmp_path, [parcel()], [line(1)])
    assert len(rows(tmp_path, "select * from findings")) == 2
    ledger_file.write(file, [], [], [])
    assert rows(tmp_path, "select * from findings") == []
    assert len(rows(tmp_path, "select * from clips")) == 1


def test_prompts_can_be_searched_also_after_a_change_and_a_vacuum(tmp_path: Path) -> None:
    deliver(tmp_path, [parcel(replace(READY, job_id=f"job_{n}", prompt=f"clip {n} of a dog")) for n in range(5)])
    deliver(tmp_path, [parcel(replace(READY, job_id="job_3", prompt="now a cat"))])
    with Database(tmp_path / "ledger.db") as db:
        db.execute("delete from clips where job_id = 'job_0'")
        db.vacuum()
        assert [row["job_id"] for row in db.table("clips").search("cat")] == ["job_3"]
        assert {row["job_id"] for row in db.table("clips").search("dog")} == {"job_1", "job_2", "job_4"}


def test_jobs_can_be_written_over_what_events_wrote(tmp_path: Path) -> None:
    deliver(tmp_path, [parcel()])
    job = Job(
        JOB,
        "vrex",
        "vrex",
        JobState.COMPLETED,
        created_at=micros(NOW),
        submitted_at=micros(NOW) + 1_000_000,
        settled_at=micros(NOW) + 61_000_000,
        prompt="A cat rides a bicycle",
        cost=Money(Decimal("0.136"), "USD"),
        videos=(Video("https://a.b/c"),),
        tags=("x",),
    )
    ledger_file.write(
        tmp_path / "ledger.db", [job.to_json(), {**job.to_json(), "id": "job_open", "settled_at": None}], []
    )
    first, second = rows(
        tmp_path, "select job_id, seconds, created_at, elapsed_seconds, tags from clips order by number"
    )
    assert tuple(first.values()) == (JOB, 8.0, "2025-01-01T12:02:00Z", 60.0, '["x"]')
    assert tuple(second.values()) == ("job_open", None, "2025-01-01T12:02:00Z", None, '["x"]')


def test_a_deleted_file_begins_anew(tmp_path: Path) -> None:
    deliver(tmp_path, [parcel()], [line(1)])
    (tmp_path / "ledger.db").unlink()
    assert deliver(tmp_path, [parcel(FAILED)]) == {"dlv_1": Done("1 clip, 0 lines")}
    assert len(rows(tmp_path, "select * from clips")) == 1


def test_a_view_or_a_search_index_that_somebody_dropped_comes_back(tmp_path: Path) -> None:
    deliver(tmp_path, [parcel()])
    with Database(tmp_path / "ledger.db") as db:
        db.table("clips").disable_fts()
        db.view("by_day").drop()
    deliver(tmp_path, [parcel()])
    with Database(tmp_path / "ledger.db") as db:
        assert "by_day" in db.view_names()
        assert len(list(db.table("clips").search("bicycle"))) == 1


def test_a_locked_file_is_written_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_file, "_WAIT_SECONDS", 0.1)
    deliver(tmp_path, [parcel()])
    with sqlite3.connect(tmp_path / "ledger.db", isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        outcome = deliver(tmp_path, [parcel(FAILED)])["dlv_1"]
        other.execute("ROLLBACK")
    other.close()
    assert isinstance(outcome, TryLater)
    assert "database is locked" in outcome.reason
    assert deliver(tmp_path, [parcel(FAILED)]) == {"dlv_1": Done("1 clip, 0 lines")}


def test_a_file_of_another_kind_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"Dear diary, " * 100)
    outcome = deliver(tmp_path, [parcel()])["dlv_1"]
    assert isinstance(outcome, TryLater)
    assert "move it away" in outcome.reason
    assert (tmp_path / "ledger.db").read_bytes().startswith(b"Dear diary")


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    handler = HANDLER.make(LedgerOptions(file="file/ledger.db"), tools(tmp_path))
    outcome = asyncio.run(handler.deliver([parcel()]))["dlv_1"]
    assert isinstance(outcome, TryLater)
    assert outcome.reason.endswith("file exists") or "not a directory" in outcome.reason


def test_a_write_that_fails_leaves_nothing_of_itself(tmp_path: Path) -> None:
    deliver(tmp_path, [parcel()])
    with pytest.raises(KeyError):
        ledger_file.keep(tmp_path / "ledger.db", [{"job_id": "job_half"}], [{"id": "led_bad", "amount": None}])
    assert [row["job_id"] for row in rows(tmp_path, "select job_id from clips")] == [JOB]


def test_two_programs_may_write_at_once(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from handlers.ledger_file import keep\n"
        "for n in range(30): keep(Path(sys.argv[1]), [{'job_id': f'job_{sys.argv[2]}_{n}'}], [])"
    )
    path = str(tmp_path / "ledger.db")
    others = [subprocess.Popen([sys.executable, "-c", code, path, str(n)]) for n in range(2)]
    assert [other.wait(30) for other in others] == [0, 0]
    assert rows(tmp_path, "select count(*) n from clips") == [{"n": 60}]


def test_the_tool_for_people_can_read_it(tmp_path: Path) -> None:
    deliver(tmp_path, [parcel()], [line(1)])
    command = [
        sys.executable,
        "-m",
        "sqlite_utils",
        "search",
        str(tmp_path / "ledger.db"),
        "clips",
        "bicycle",
        "-c",
        "job_id",
    ]
    assert JOB in subprocess.run(command, check=True, capture_output=True, text=True).stdout
