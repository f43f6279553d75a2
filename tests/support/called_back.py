"""Callbacks to a real program whose jobs were laid out beforehand, and what of them is in its database afterwards."""

import asyncio
import json
import shutil
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from receiver import clock
from receiver.store.opening import open_store
from receiver.tokens import Tokens
from schemas.job import Job, JobState
from tests.support.program import SECRET_KEY

#: What each clip costs, in millionths of a dollar.
PRICE = 136_000
_EVIDENCE = "SELECT evidence.id, job_id, body FROM evidence JOIN bodies USING (sha256)"


@dataclass(frozen=True)
class Acknowledged:
    """A callback that got its 200."""

    evidence_id: str
    job_id: str
    body: bytes


async def lay_out(folder: Path, count: int) -> list[str]:
    """Put running jobs into a new database."""
    async with open_store(f"sqlite:///{folder}/clipbell.db") as store:
        now = clock.micros()
        jobs = []
        for _ in range(count):
            id_ = clock.new_id("job_")
            jobs.append(Job(id_, "vrex", "vrex", JobState.RUNNING, now, vendor_job_id=f"vg_{id_}", prompt="A coast"))
        for start in range(0, count, 500):
            await asyncio.gather(*(store.place(job, b"{}") for job in jobs[start : start + 500]))
        return [job.id for job in jobs]


def path_of(job_id: str) -> str:
    """The path that a job's callback goes to."""
    return Tokens([SECRET_KEY]).path("vrex", job_id)


def body_of(job_id: str, files: str = "https://127.0.0.1:9", **more: Any) -> bytes:
    """A callback that says that the job is done; its file is at `files`."""
    said = {
        "event": "video.completed",
        "video_gen_id": f"vg_{job_id}",
        "video_url": f"{files}/{job_id}.mp4",
        "actual_cost_usd": 0.136,
    }
    return json.dumps(said | more).encode()


def rows(folder: Path, query: str) -> list[tuple[object, ...]]:
    """Read from a copy, if nobody runs: the program itself is to find what a kill left."""
    with tempfile.TemporaryDirectory() as copy:
        for name in ("clipbell.db", "clipbell.db-wal"):
            if (folder / name).exists():
                shutil.copy(folder / name, copy)
        with closing(sqlite3.connect(Path(copy) / "clipbell.db")) as connection:
            return connection.execute(query).fetchall()


def rows_of_a_running_one(folder: Path, query: str) -> list[tuple[object, ...]]:
    """Read beside a program that runs."""
    with closing(sqlite3.connect(f"file:{folder}/clipbell.db?mode=ro", uri=True)) as connection:
        return connection.execute(query).fetchall()


def lost(folder: Path, acknowledged: list[Acknowledged]) -> list[Acknowledged]:
    """What was acknowledged and is not there, byte for byte."""
    kept = {id_: (job_id, body) for id_, job_id, body in rows(folder, _EVIDENCE)}
    return [each for each in acknowledged if kept.get(each.evidence_id) != (each.job_id, each.body)]
