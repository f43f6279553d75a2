"""The store on SQLite: one writer, every commit on the disk, and damage that is seen instead of papered over."""

import asyncio
import os
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from receiver.store.opening import migrate, open_store_now, schema_version
from receiver.store.protocol import Change, Query, Store
from receiver.store.sqlite import WAL_LIMIT, Sqlite
from schemas.errors import ConfigurationError, StoreUnavailable
from schemas.job import JobState
from tests.support.stored import (
    HOUR,
    MINUTE,
    NOON,
    ORDER,
    a_job,
    becoming,
    changing,
    delivery,
    evidence,
    placed,
    played,
    taken,
    tell,
    told,
)
from tests.support.waiting import eventually


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A database with our schema."""
    path = tmp_path / "clipbell.db"
    migrate(f"sqlite:///{path}")
    return path


OPEN = "import sys; from receiver.store.opening import open_store_now; store = open_store_now(sys.argv[1])"


def url_of(file: Path) -> str:
    """The URL of a file."""
    return f"sqlite:///{file}"


async def ids(store: Store) -> list[str]:
    """The jobs that are there."""
    return [job.id for job in await store.jobs(Query(limit=1000))]


# --- how it is opened --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pragma", "value"),
    [
        ("journal_mode", "wal"),
        ("synchronous", 2),
        ("fullfsync", 1),
        ("checkpoint_fullfsync", 1),
        ("foreign_keys", 1),
        ("mmap_size", 0),
        ("wal_autocheckpoint", 0),
        ("busy_timeout", 5000),
    ],
)
def test_the_writer_is_set_to(file: Path, pragma: str, value: object) -> None:
    engines = Sqlite(file)
    with engines.connect_writer() as connection:
        assert connection.exec_driver_sql(f"PRAGMA {pragma}").scalar() == value
    engines.close()


def test_readers_cannot_write(file: Path) -> None:
    engines = Sqlite(file)
    with engines.readers.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA query_only").scalar() == 1
        with pytest.raises(Exception, match="readonly database"):
            connection.exec_driver_sql("DELETE FROM jobs")
    engines.close()


def test_a_group_begins_by_taking_the_write_lock(file: Path) -> None:
    engines = Sqlite(file)
    with engines.connect_writer() as connection, connection.begin():
        other = sqlite3.connect(file, timeout=0, isolation_level=None)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        other.close()
    engines.close()


def test_odd_characters_in_a_path_are_part_of_it(tmp_path: Path) -> None:
    file = tmp_path / "100% a?b#c.db"
    engines = Sqlite(file)
    with engines.connect_writer() as writer:
        writer.exec_driver_sql("CREATE TABLE t (x)")
        writer.commit()
        with engines.readers.connect() as reader:
            assert reader.exec_driver_sql("SELECT count(*) FROM t").scalar() == 0
    engines.close()
    assert file.exists()


# --- one process -------------------------------------------------------------------------------------------


def test_a_second_process_is_refused_and_told_what_to_do(file: Path) -> None:
    store = open_store_now(url_of(file))
    other = subprocess.run([sys.executable, "-c", OPEN, url_of(file)], capture_output=True, text=True, check=False)
    said = other.stderr.splitlines()[-1]
    assert f"is in use by another clipbell (process {os.getpid()}); stop that one first" in said
    assert said.startswith("schemas.errors.ConfigurationError")
    store.close_now()
    again = subprocess.run([sys.executable, "-c", OPEN, url_of(file)], capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr


def test_a_second_store_in_the_same_process_is_refused_too(file: Path) -> None:
    store = open_store_now(url_of(file))
    for refused in (lambda: open_store_now(url_of(file)), lambda: migrate(url_of(file))):
        with pytest.raises(ConfigurationError, match="in use"):
            refused()
    assert schema_version(url_of(file)) is not None  # a look is free
    store.close_now()
    open_store_now(url_of(file)).close_now()


def test_the_lock_ends_with_its_process(file: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", f"{OPEN}; print(1, flush=True); input()", url_of(file)],
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
    )
    with holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(ConfigurationError, match=f"process {holder.pid}"):
            open_store_now(url_of(file))
        holder.send_signal(signal.SIGKILL)
    open_store_now(url_of(file)).close_now()


def test_what_a_dead_process_held_is_due_at_once(file: Path) -> None:
    async def scenario(store: Store) -> None:
        sending = a_job(2, state=JobState.SUBMITTING, next_at=NOON + 10)
        await placed(store, a_job(1), sending, a_job(3, next_at=NOON + 10))
        await tell(store, told(1, delivery(1)), told(2, delivery(2, "other")))
        await store.claim_jobs(NOON, NOON + MINUTE, 10)
        [held] = await taken(store)
        await store.release_leases(NOON + 1)
        due = await store.claim_jobs(NOON + 1, NOON + MINUTE, 10)
        assert [(job.id, job.fence) for job in due] == [("job_0001", 2), ("job_0002", 1)]
        [again] = await taken(store, now=NOON + 1)
        assert (again.delivery.id, again.delivery.claims) == (held.delivery.id, 2)
        # a plan is no lease, and what is released once is not held any more
        await store.apply("job_0001", becoming(next_at=NOON + HOUR))
        await store.release_leases(NOON + 2)
        assert {job.id: job.next_at for job in await store.jobs(Query())} == {
            "job_0001": NOON + HOUR,
            "job_0002": NOON + 2,
            "job_0003": NOON + 10,
        }

    played(url_of(file), scenario)


# --- damage ------------------------------------------------------------------------------------------------


def filled(file: Path) -> None:
    """Put some hundred pages into the file."""
    played(url_of(file), lambda store: placed(store, *[a_job(number, prompt="x" * 2000) for number in range(300)]))


def overwrite(file: Path, at: int, garbage: bytes) -> None:
    """Write over a part of the file."""
    with file.open("r+b") as opened:
        opened.seek(at)
        opened.write(garbage)


def test_a_file_that_is_no_database_is_refused(file: Path) -> None:
    file.write_text("dear diary, " * 1000)
    with pytest.raises(StoreUnavailable, match=r"damaged or no SQLite database .*; put a backup in its place"):
        open_store_now(url_of(file))
    assert file.read_text().startswith("dear diary")


def test_overwritten_pages_are_seen_at_the_start(file: Path) -> None:
    filled(file)
    overwrite(file, file.stat().st_size // 2, os.urandom(8192))
    with pytest.raises(StoreUnavailable, match="damaged"):
        open_store_now(url_of(file))


def test_a_file_that_was_cut_is_seen_at_the_start(file: Path) -> None:
    filled(file)
    os.truncate(file, file.stat().st_size // 2 // 4096 * 4096)
    with pytest.raises(StoreUnavailable, match="damaged"):
        open_store_now(url_of(file))


@pytest.mark.parametrize("loss", [Path.unlink, lambda path: path.write_bytes(b"")])
def test_a_file_that_went_missing_beside_its_wal_is_not_begun_anew(file: Path, loss: Any) -> None:
    wal = file.with_name("clipbell.db-wal")
    wal.write_bytes(b"what was committed last")
    loss(file)
    with pytest.raises(StoreUnavailable, match=r"missing or empty, but clipbell\.db-wal beside it is not"):
        open_store_now(url_of(file))
    assert wal.exists()


def test_a_sound_file_is_opened(file: Path) -> None:
    filled(file)
    file.with_name("clipbell.db-wal").unlink(missing_ok=True)
    assert len(played(url_of(file), ids)) == 300


# --- a disk that fails -------------------------------------------------------------------------------------


@contextmanager
def no_file_longer_than(size: int) -> Iterator[None]:
    """Have every write of this process beyond a length fail, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_write_that_fails_tells_everybody_and_the_next_one_goes_on(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(store: Store) -> None:
        await placed(store, a_job(1))
        wal = file.with_name("clipbell.db-wal")
        with no_file_longer_than(wal.stat().st_size + 4096):
            large = evidence(1, body=os.urandom(200_000))
            calls = [store.apply("job_0001", changing(Change()), large), store.place(a_job(2), ORDER), store.check()]
            answers = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(answer) for answer in answers] == [StoreUnavailable] * 3
        assert "cannot commit" in str(answers[0])
        assert await ids(store) == ["job_0001"]
        await placed(store, a_job(3))
        await store.check()
        assert await ids(store) == ["job_0003", "job_0001"]
        assert await store.evidence(Query()) == []
        # the log is told when it begins and when it is over
        said = [record.getMessage() for record in caplog.records]
        assert said == ["the store cannot commit: disk I/O error", "the store commits again"]

    played(url_of(file), scenario)
    assert played(url_of(file), ids) == ["job_0003", "job_0001"]


def test_what_a_transaction_left_open_is_never_committed_by_the_next_one(file: Path) -> None:
    engine = Sqlite(file)
    with engine.connect_writer() as connection:
        raw = connection.connection.dbapi_connection
        assert raw is not None
        raw.cursor().execute("CREATE TABLE t (n)")
        raw.cursor().execute("BEGIN")
        raw.cursor().execute("INSERT INTO t VALUES (1)")
        with pytest.raises(OperationalError, match="a transaction is open already"):
            connection.begin()
        raw.rollback()
        with connection.begin():
            assert connection.exec_driver_sql("SELECT count(*) FROM t").scalar_one() == 0
    engine.close()


# --- checkpoints -------------------------------------------------------------------------------------------


def test_pages_come_home_when_there_is_time_and_the_wal_shrinks(file: Path) -> None:
    wal = file.with_name("clipbell.db-wal")

    async def scenario(store: Store) -> None:
        await placed(store, *[a_job(number, prompt="x" * 1000) for number in range(100)])
        assert wal.stat().st_size > 100_000
        await asyncio.to_thread(eventually, lambda: wal.stat().st_size == 0, "an empty WAL")
        assert len(await ids(store)) == 100
        await store.check()

    played(url_of(file), scenario)


@pytest.mark.parametrize("size", [2**20, 6 * 2**20])
def test_under_load_a_long_wal_is_brought_home_too(file: Path, size: int) -> None:
    wal = file.with_name("clipbell.db-wal")

    async def scenario(store: Store) -> None:
        longest = 0
        for number in range(3 * WAL_LIMIT // size):
            await store.apply("job_x", changing(Change()), evidence(number, body=os.urandom(size)))
            longest = max(longest, wal.stat().st_size)
        assert WAL_LIMIT <= longest < WAL_LIMIT + 8 * 2**20

    played(url_of(file), scenario)


def test_a_reader_in_the_way_delays_nobody(file: Path) -> None:
    wal = file.with_name("clipbell.db-wal")

    async def scenario(store: Store) -> None:
        await placed(store, a_job(1))
        reader = sqlite3.connect(f"file:{file}?mode=ro", uri=True, isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM jobs").fetchall()
        await placed(store, *[a_job(number) for number in range(2, 50)])
        await asyncio.sleep(0.8)  # housekeeping has come and gone
        async with asyncio.timeout(1):
            await store.check()
        assert wal.stat().st_size > 0
        reader.close()
        await store.check()
        await asyncio.to_thread(eventually, lambda: wal.stat().st_size == 0, "an empty WAL")

    played(url_of(file), scenario)


def test_housekeeping_that_fails_is_not_kept_quiet(file: Path) -> None:
    filled(file)
    wal = file.with_name("clipbell.db-wal")

    async def scenario(store: Store) -> None:
        with no_file_longer_than(file.stat().st_size):
            # there is room for the pages in the WAL, which is shorter, but not in the file
            await placed(store, *[a_job(number, prompt="x" * 4000) for number in range(400, 450)])
            await asyncio.sleep(0.8)
            with pytest.raises(StoreUnavailable, match="housekeeping fails"):
                await store.check()
        assert len(await ids(store)) == 350
        await placed(store, a_job(500))
        await asyncio.to_thread(eventually, lambda: wal.stat().st_size == 0, "an empty WAL")
        await store.check()
        assert len(await ids(store)) == 351

    played(url_of(file), scenario)


def test_housekeeping_that_failed_is_made_up_for_however_busy_the_store_is(file: Path) -> None:
    filled(file)

    async def scenario(store: Store) -> None:
        with no_file_longer_than(file.stat().st_size):
            await placed(store, *[a_job(number, prompt="x" * 4000) for number in range(400, 450)])
            await asyncio.sleep(0.8)
        async with asyncio.timeout(10):
            while not await works(store):  # whoever asks keeps every idle moment away
                await asyncio.sleep(0.05)

    async def works(store: Store) -> bool:
        with suppress(StoreUnavailable):
            await store.check()
            return True
        return False

    played(url_of(file), scenario)


def test_after_the_end_nothing_is_left_beside_the_file_but_its_lock(file: Path) -> None:
    played(url_of(file), lambda store: placed(store, a_job(1)))
    assert sorted(path.name for path in file.parent.iterdir()) == ["clipbell.db", "clipbell.db.lock"]
