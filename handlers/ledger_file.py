"""The ledger file: a SQLite file for people, to open with sqlite-utils or Datasette. Rewrites nothing that it has.

Tables `clips` (a row a job) and `ledger` (a row a line), a full-text search on the prompts, views `by_day` and
`by_vendor`, and of what does not add up `failed_not_refunded` and `paid_twice`. What else does not (no file, another
price than the estimate) is not to be seen from these tables: an export holds all of it in the table `findings`.
Amounts stand twice: exact as text, and in millionths as an integer, since sums over text are inexact. It is not the
program's own memory: it can be deleted, and `clipbell ledger --export` writes it anew.

https://sqlite-utils.datasette.io/en/stable/python-api.html
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from schemas.event import Event, Money, moment, money_from_json, rfc3339

if TYPE_CHECKING:
    from sqlite_utils import Database

_WAIT_SECONDS = 5.0
#: `number` stands for the row in the search index: other keys may move when somebody vacuums the file
_CLIPS = {
    "number": int,
    "job_id": str,
    "vendor": str,
    "account": str,
    "vendor_job_id": str,
    "state": str,
    "prompt": str,
    "model": str,
    "seconds": float,
    "cost_amount": str,
    "cost_unit": str,
    "cost_micros": int,
    "failure_code": str,
    "failure_message": str,
    "refunded": int,
    "refund_basis": str,
    "tags": str,
    "batch": str,
    "metadata": str,
    "video_url": str,
    "video_urls": str,
    "created_at": str,
    "submitted_at": str,
    "settled_at": str,
    "elapsed_seconds": float,
}
_LEDGER = {
    "id": str,
    "at": str,
    "day": str,
    "job_id": str,
    "vendor": str,
    "account": str,
    "kind": str,
    "amount": str,
    "unit": str,
    "micros": int,
    "basis": str,
    "evidence_id": str,
}

_FINDINGS = {
    "id": str,
    "kind": str,
    "at": str,
    "job_id": str,
    "vendor": str,
    "account": str,
    "vendor_job_id": str,
    "prompt": str,
    "amount": str,
    "unit": str,
    "micros": int,
    "other_job_id": str,
    "text": str,
    "next_step": str,
}


def _exact(sums: str) -> str:
    digits = f"(abs({sums}) / 1000000) || '.' || substr('000000' || (abs({sums}) % 1000000), -6)"
    return f"CASE WHEN {sums} < 0 THEN '-' ELSE '' END || rtrim(rtrim({digits}, '0'), '.')"


def _view(key: str) -> str:
    charged, refunded = (f"coalesce(sum(CASE WHEN kind = '{k}' THEN micros END), 0)" for k in ("charge", "refund"))
    total = "coalesce(sum(micros), 0)"
    # nothing from outside: the keys are those below
    return (
        f"SELECT {key}, unit, {_exact(charged)} AS charged, {_exact(refunded)} AS refunded, {_exact(total)} AS total, "  # noqa: S608
        f"{total} AS total_micros, count(DISTINCT job_id) AS jobs, sum(kind = 'unknown') AS unknown_lines "
        f"FROM ledger GROUP BY {key}, unit ORDER BY {key}, unit"
    )


#: What was taken for each job in the end, by unit; without one where nobody said how much of anything.
_PAID = (
    "SELECT job_id, unit, sum(micros) AS micros FROM ledger WHERE unit IS NOT NULL GROUP BY job_id, unit "
    "UNION ALL SELECT job_id, NULL, NULL FROM ledger GROUP BY job_id HAVING count(unit) = 0"
)
_FAILED_NOT_REFUNDED = (
    "SELECT clips.job_id, vendor, account, vendor_job_id, prompt, failure_code, failure_message, "  # noqa: S608
    f"CASE WHEN paid.micros IS NOT NULL THEN {_exact('paid.micros')} END AS kept, unit, paid.micros AS kept_micros, "
    f"settled_at FROM clips JOIN ({_PAID}) AS paid ON paid.job_id = clips.job_id WHERE state = 'failed' "
    "AND (paid.micros > 0 OR (paid.micros IS NULL AND coalesce(refunded, 0) = 0)) ORDER BY clips.job_id DESC, unit"
)
_PAID_TWICE = (
    "SELECT account, model, prompt, count(*) AS times, "  # noqa: S608
    f"{_exact('sum(paid.micros)')} AS total, unit, sum(paid.micros) AS total_micros, "
    "min(clips.job_id) AS first_job_id, max(clips.job_id) AS last_job_id "
    f"FROM clips JOIN ({_PAID}) AS paid ON paid.job_id = clips.job_id WHERE paid.micros > 0 AND prompt <> '' "
    "GROUP BY account, model, prompt, unit HAVING count(*) > 1 ORDER BY last_job_id DESC, unit"
)
VIEWS = {
    "by_day": _view("day"),
    "by_vendor": _view("vendor"),
    "failed_not_refunded": _FAILED_NOT_REFUNDED,
    "paid_twice": _PAID_TWICE,
}


def prepare() -> None:
    """Load what writes the file, and have it make the tables once."""
    from sqlite_utils import Database

    with closing(sqlite3.connect(":memory:")) as connection:
        _make_tables(Database(connection))


def write(
    path: Path,
    jobs: Iterable[Mapping[str, Any]],
    lines: Iterable[Mapping[str, Any]],
    findings: Iterable[Mapping[str, Any]] = (),
) -> None:
    """Write jobs and ledger lines over what is in a file under their ids, and findings in place of those in it.

    All are in the shapes of the API. Raises: sqlite3.Error, OSError.
    """
    keep(path, [clip_of_job(job) for job in jobs], lines, list(findings))


def keep(
    path: Path,
    clips: Sequence[Mapping[str, Any]],
    lines: Iterable[Mapping[str, Any]],
    findings: Sequence[Mapping[str, Any]] | None = None,
) -> None:
    """Write rows of clips (all with the same columns), ledger lines and findings (None: as they are) at once.

    Raises: sqlite3.Error, OSError.
    """
    from sqlite_utils import Database

    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path, timeout=_WAIT_SECONDS, isolation_level=None)) as connection:
        db = Database(connection)
        # sqlite-utils' own transactions begin as readers, which a second writer breaks without waiting
        connection.execute("BEGIN IMMEDIATE")
        try:
            _make_tables(db)
            db.table("clips").upsert_all((_sound(clip) for clip in clips), pk="job_id", alter=True)
            db.table("ledger").upsert_all((_sound(_line(line)) for line in lines), pk="id", alter=True)
            if findings is not None:
                _replace_findings(db, findings)
            connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):  # some errors have ended it already
                connection.execute("ROLLBACK")
            raise


def _make_tables(db: "Database") -> None:
    names = set(db.table_names())
    if "clips" not in names:
        db.table("clips").create(_CLIPS, pk="number", not_null={"job_id"})
        db.table("clips").create_index(["job_id"], unique=True)
    if "clips_fts" not in names:
        db.table("clips").enable_fts(["prompt"], create_triggers=True)
    if "ledger" not in names:
        db.table("ledger").create(_LEDGER, pk="id")
        db.table("ledger").create_index(["job_id"])
    for name, query in VIEWS.items():
        # one that reads otherwise is from an older version
        db.create_view(name, query, replace=True)


def _replace_findings(db: "Database", findings: Iterable[Mapping[str, Any]]) -> None:
    db.table("findings").drop(ignore=True)
    db.table("findings").create(_FINDINGS, pk="id")
    db.table("findings").insert_all(_sound(_finding(each)) for each in findings)


def clip_of_job(job: Mapping[str, Any]) -> dict[str, Any]:
    """Turn a job in the contract's shape into its row."""
    submitted, settled = moment(job["submitted_at"]), moment(job["settled_at"])
    return {
        "job_id": job["id"],
        **{name: job[name] for name in ("vendor", "account", "vendor_job_id", "state", "prompt", "model", "batch")},
        **_money(money_from_json(job["cost"])),
        **_failure(job["failure"]),
        **_videos(job["videos"]),
        "tags": _text(job["tags"]),
        "metadata": _text(job["metadata"]),
        **{name: job[name] for name in ("created_at", "submitted_at", "settled_at")},
        "elapsed_seconds": (settled - submitted).total_seconds() if settled and submitted else None,
    }


def clip_of_event(event: Event, elapsed: float | None) -> dict[str, Any]:
    """Turn a verdict into its job's row; what an event does not tell is left as it is."""
    shape = event.to_json()
    return {
        **{name: shape[name] for name in ("job_id", "vendor", "account", "vendor_job_id", "prompt", "model", "batch")},
        "state": event.type.value.rpartition(".")[2],
        "seconds": event.duration_seconds,
        **_money(event.cost),
        **_failure(shape["failure"]),
        **_videos(shape["videos"]),
        "tags": _text(shape["tags"]),
        "metadata": _text(shape["metadata"]),
        "settled_at": rfc3339(event.occurred_at),
        "elapsed_seconds": elapsed,
    }


def _sound(row: Mapping[str, Any]) -> dict[str, Any]:
    # half a character cannot be stored
    return {name: v.encode("utf-8", "replace").decode() if isinstance(v, str) else v for name, v in row.items()}


def _line(line: Mapping[str, Any]) -> dict[str, Any]:
    plain = ("id", "at", "job_id", "vendor", "account", "kind", "basis", "evidence_id")
    return {
        **{name: line[name] for name in plain},
        "day": str(line["at"])[:10],
        **_amount(line),
    }


def _finding(finding: Mapping[str, Any]) -> dict[str, Any]:
    return {name: finding.get(name) for name in _FINDINGS} | _amount(finding)


def _amount(of: Mapping[str, Any]) -> dict[str, Any]:
    amount = money_from_json(of["amount"])
    return {
        "amount": of["amount"]["amount"] if of["amount"] else None,
        "unit": amount.unit if amount else None,
        "micros": amount.micros if amount else None,
    }


def _money(cost: Money | None) -> dict[str, Any]:
    return {
        "cost_amount": cost.to_json()["amount"] if cost else None,
        "cost_unit": cost.unit if cost else None,
        "cost_micros": cost.micros if cost else None,
    }


def _failure(failure: Mapping[str, Any] | None) -> dict[str, Any]:
    found = failure or {}
    return {
        "failure_code": found.get("code"),
        "failure_message": found.get("message"),
        "refunded": found.get("refunded"),
        "refund_basis": found.get("refund_basis"),
    }


def _videos(videos: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    urls = [video["url"] for video in videos]
    return {"video_url": urls[0] if urls else None, "video_urls": _text(urls)}


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
