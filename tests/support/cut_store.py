"""A program to be cut off from its power: callbacks into a real store, each acknowledged once it is committed.

Usage: python -m tests.support.cut_store FOLDER ACKS CALLBACKS [lax]. `lax` opens the file with synchronous=NORMAL, as
many programs do: after a power cut it lacks the last commits.
"""

import asyncio
import hashlib
import os
import sqlite3
import sys
from pathlib import Path

from receiver.settle import Door, settle
from receiver.store.opening import open_store, open_store_now
from receiver.store.protocol import Evidence, Store
from receiver.store.sqlite import Sqlite
from receiver.store.store import SqlStore
from schemas.event import Source
from tests.support.jobs import report, rules
from tests.support.stored import NOON, a_job, placed

RULES = rules()
#: Jobs share callbacks: the second one of each is a repetition.
CALLBACKS_OF_A_JOB = 2
BETWEEN_CHECKPOINTS = 12


class Lax(Sqlite):
    """The same file without FULL."""

    def _connect_writer(self) -> sqlite3.Connection:
        connection = super()._connect_writer()
        connection.execute("PRAGMA synchronous=NORMAL")
        return connection


def body_of(number: int) -> bytes:
    """What the n-th callback says."""
    return b'{"n": %d, "pad": "%s"}' % (number, b"x" * (number * 37 % 2500))


async def _called_back(store: Store, number: int) -> str:
    body = body_of(number)
    evidence = Evidence(
        f"evd_{number:06d}", NOON, _job_id(number), "vrex", "callback", body, hashlib.sha256(body).hexdigest()
    )
    said = report(vendor_job_id=f"vg_{number // CALLBACKS_OF_A_JOB}")
    door = Door(Source.CALLBACK, evidence.id, NOON)
    await store.apply(_job_id(number), lambda job: settle(job, said, door, RULES), evidence)
    return evidence.id


def _job_id(number: int) -> str:
    return a_job(number // CALLBACKS_OF_A_JOB).id


async def main(folder: Path, acks: Path, callbacks: int, *, lax: bool) -> None:
    """Take so many callbacks, a few at a time."""
    url = f"sqlite:///{folder}/clipbell.db"
    if lax:
        open_store_now(url).close_now()
    store = SqlStore(Lax(folder / "clipbell.db")) if lax else await open_store(url)
    told = os.open(acks, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    await placed(store, *(a_job(number) for number in range(callbacks // CALLBACKS_OF_A_JOB + 1)))
    groups, next_number = 0, 0
    while next_number < callbacks:
        numbers = range(next_number, min(next_number + 1 + groups % 5, callbacks))
        for done in asyncio.as_completed([_called_back(store, number) for number in numbers]):
            os.write(told, f"{await done}\n".encode())
        groups, next_number = groups + 1, numbers.stop
        if groups % BETWEEN_CHECKPOINTS == 0:
            await asyncio.sleep(0.7)  # idle: the store checkpoints
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), lax="lax" in sys.argv[4:]))
