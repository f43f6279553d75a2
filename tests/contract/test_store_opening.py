"""What opening a store promises: this version's schema or a clear refusal, and nothing lost that was acknowledged."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, inspect

from receiver.store.opening import migrate, open_store, open_store_now, schema_version
from receiver.store.protocol import Query, Store
from receiver.store.tables import metadata
from schemas.errors import ConfigurationError
from tests.support.stored import a_job, placed

Meddle = Callable[[str], list[Any]]


@pytest.fixture
def url(empty_url: str) -> str:
    """A database of one's own with our schema, since these tests meddle with it."""
    migrate(empty_url)
    return empty_url


def test_a_store_is_opened_by_await_and_by_async_with_and_without_a_loop(url: str) -> None:
    async def main() -> None:
        store = await open_store(url)
        await placed(store, a_job(1))
        await store.close()
        async with open_store(url) as again:
            await placed(again, a_job(2))

    asyncio.run(main())
    store = open_store_now(url)
    assert [job.id for job in asyncio.run(_jobs(store))] == ["job_0002", "job_0001"]
    store.close_now()


def test_an_empty_database_is_brought_to_this_version(empty_url: str) -> None:
    assert schema_version(empty_url) is None
    version = migrate(empty_url)
    assert schema_version(empty_url) == version
    assert migrate(empty_url) == version
    asyncio.run(_opened(empty_url))


def test_opening_may_be_told_to_migrate(empty_url: str) -> None:
    asyncio.run(_opened(empty_url, migrate=True))
    assert schema_version(empty_url) is not None


def test_an_empty_database_that_shall_not_be_migrated_is_refused(empty_url: str) -> None:
    with pytest.raises(ConfigurationError, match="empty; run: clipbell migrate"):
        asyncio.run(_opened(empty_url, migrate=False))
    assert schema_version(empty_url) is None


@pytest.mark.parametrize("wanted", [True, False, None])
def test_a_database_of_a_newer_version_is_refused(url: str, meddle: Meddle, wanted: bool | None) -> None:
    meddle("UPDATE clipbell_schema SET version_num = '9999'")
    with pytest.raises(ConfigurationError, match="newer clipbell \\(schema 9999\\)"):
        asyncio.run(_opened(url, migrate=wanted))


def test_a_database_of_an_older_version_is_refused_unless_it_shall_be_migrated(url: str, meddle: Meddle) -> None:
    meddle("UPDATE clipbell_schema SET version_num = '0001'")
    with pytest.raises(ConfigurationError, match=r"older version \(0001\); make a backup, then run: clipbell migrate"):
        asyncio.run(_opened(url, migrate=False))


def test_a_database_with_tables_of_another_program_is_refused(url: str, meddle: Meddle) -> None:
    meddle("DROP TABLE clipbell_schema")
    with pytest.raises(ConfigurationError, match="tables of another program"):
        asyncio.run(_opened(url, migrate=True))


def test_the_schema_by_migrations_is_that_of_the_tables(url: str, tmp_path: Path) -> None:
    migrated = _shape(url)
    assert set(migrated) == {*metadata.tables, "clipbell_schema"}
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        # PostgreSQL drops the ledger's triggers with it, and SQLite takes them along
        for table in reversed(metadata.sorted_tables):
            table.drop(connection)
        metadata.create_all(connection)
    engine.dispose()
    assert _shape(url) == migrated


def test_one_missing_index_would_be_noticed(url: str, meddle: Meddle) -> None:
    before = _shape(url)
    meddle("DROP INDEX ix_jobs_due")
    assert _shape(url) != before


def test_prompts_from_before_they_were_looked_up_by_are_found(url: str, meddle: Meddle) -> None:
    prompts = {1: "A kite", 2: 'Eine K\u00fcste \ud83c\udf0a "', 3: None, 4: "", 5: "A kite", 6: "half \ud800"}

    async def fill() -> None:
        async with open_store(url) as store:
            await placed(store, *[a_job(number, prompt=prompt) for number, prompt in prompts.items()])

    asyncio.run(fill())
    sums = "SELECT id, prompt_sha256 FROM jobs ORDER BY id"
    before = meddle(sums)
    assert before[0][1] == before[4][1]
    assert [row[1] is None for row in before] == [False, False, True, True, False, False]
    for statement in (
        "DROP INDEX ix_jobs_prompt",
        "ALTER TABLE jobs DROP COLUMN prompt_sha256",
        "UPDATE clipbell_schema SET version_num = '0006'",
    ):
        meddle(statement)
    migrate(url)
    assert meddle(sums) == before


def _shape(url: str) -> dict[str, Any]:
    """Every table with its columns, keys, constraints and indexes, as the engine itself tells."""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    try:
        found = inspect(engine)
        return {
            table: (
                [{**column, "type": repr(column["type"])} for column in found.get_columns(table)],
                found.get_pk_constraint(table),
                sorted(found.get_foreign_keys(table), key=str),
                sorted(found.get_unique_constraints(table), key=str),
                sorted((_index(index) for index in found.get_indexes(table)), key=str),
            )
            for table in found.get_table_names()
        }
    finally:
        engine.dispose()


def _index(index: Any) -> dict[str, Any]:
    options = {name: str(value) for name, value in index.pop("dialect_options", {}).items()}
    return {**index, "options": options}


# --- addresses that will not do ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("", "is not a database URL"),
        ("clipbell.db", "is not a database URL"),
        ("mysql://root@127.0.0.1/clipbell", "names mysql"),
        ("sqlite://", "has to name a file"),
        ("sqlite:///:memory:", "has to name a file"),
        ("sqlite:///a.db?mode=ro", "has to name a file"),
        ("sqlite:////no/such/folder/a.db", "/no/such/folder does not exist"),
    ],
)
def test_an_address_that_will_not_do_is_refused_with_an_example(address: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem) as refused:
        asyncio.run(_opened(address))
    assert refused.value.problems[0].field == "database_url"


# --- a sudden end ------------------------------------------------------------------------------------------

WRITER = """
import asyncio, sys
from receiver.store.opening import open_store
from tests.support.stored import ORDER, a_job

url, start, order = sys.argv[1:]

async def main():
    store = await open_store(url)
    async def client(first):
        for number in range(int(start) + first, 1_000_000, 8):
            if order == "say first":
                print(number, flush=True)
            await store.place(a_job(number), ORDER)
            if order == "commit first":
                print(number, flush=True)
    await asyncio.gather(*[client(n) for n in range(8)])

asyncio.run(main())
"""


def acknowledged_before_the_end(url: str, start: int, order: str) -> set[str]:
    """Have another process write until it is killed; the jobs that it said were placed."""
    writer = subprocess.Popen([sys.executable, "-c", WRITER, url, str(start), order], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    said = [writer.stdout.readline() for _ in range(200)]
    writer.send_signal(signal.SIGKILL)
    said += writer.stdout.readlines()
    writer.wait()
    writer.stdout.close()
    # the last line may have been cut by the end
    return {f"job_{int(line):04d}" for line in said if line.endswith("\n")}


def test_what_was_acknowledged_survives_a_sudden_end(url: str) -> None:
    for start in (0, 500_000):
        acknowledged = acknowledged_before_the_end(url, start, "commit first")
        assert len(acknowledged) >= 200
        assert acknowledged <= {job.id for job in asyncio.run(_opened(url))}


def test_an_acknowledgement_before_the_commit_would_be_noticed(url: str) -> None:
    def is_lost(start: int) -> bool:
        acknowledged = acknowledged_before_the_end(url, start, "say first")
        return not acknowledged <= {job.id for job in asyncio.run(_opened(url))}

    # a single end may come in the one moment in which nothing was said ahead
    assert any(is_lost(start) for start in range(0, 1_000_000, 200_000))


async def _opened(url: str, **options: Any) -> Any:
    async with open_store(url, **options) as store:
        return await _jobs(store)


async def _jobs(store: Store) -> Any:
    return await store.jobs(Query(limit=1_000_000))
