"""The store on PostgreSQL: several processes, and connections that come and go."""

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import make_url

from receiver.store.opening import migrate, open_store
from receiver.store.postgres import Postgres
from receiver.store.protocol import Applied, Change, Placed, Query, Rate, Store, Totals
from schemas.errors import BudgetReached, ConfigurationError, StoreUnavailable
from schemas.job import Job
from tests.support.postgres import PostgresServer, running_postgres
from tests.support.stored import (
    HOUR,
    MINUTE,
    NOON,
    ORDER,
    a_job,
    becoming,
    delivery,
    evidence,
    finished,
    placed,
    played,
    raised,
    taken,
    tell,
    the,
    told,
    usd,
)


@pytest.fixture
def url(postgres_server: PostgresServer) -> str:
    """A database with our schema."""
    address = postgres_server.url(postgres_server.new_database())
    migrate(address)
    return address


def by_two(url: str, scenario: Callable[[Store, Store], Any]) -> None:
    """Play a scenario for two processes (each store has its own writer and knows nothing of the other)."""

    async def main() -> None:
        async with open_store(url) as one, open_store(url) as other:
            await scenario(one, other)

    asyncio.run(main())


def counting(job: Job | None) -> Change:
    """Count a look, slowly enough for others to come between."""
    time.sleep(0.001)
    return becoming(looks=the(job).looks + 1)(job)


# --- several processes -------------------------------------------------------------------------------------


def test_decisions_of_two_processes_about_one_job_come_one_after_the_other(url: str) -> None:
    async def scenario(one: Store, other: Store) -> None:
        await placed(one, *[a_job(number) for number in range(10)])
        calls = [
            store.apply(f"job_{number:04d}", counting, evidence(1000 * which + n, f"job_{number:04d}"))
            for n, number in enumerate([*range(10), *range(9, -1, -1)])
            for which, store in enumerate((one, other))
        ]
        answers = await asyncio.gather(*calls)
        assert all(isinstance(answer, Applied) for answer in answers)
        assert [job.looks for job in await one.jobs(Query())] == [4] * 10

    by_two(url, scenario)


def test_the_same_evidence_in_two_processes_counts_once(url: str) -> None:
    async def scenario(one: Store, other: Store) -> None:
        await placed(one, a_job())
        await asyncio.gather(*[store.apply("job_0001", counting, evidence(1)) for store in (one, other) * 10])
        assert the(await one.job("job_0001")).looks == 1

    by_two(url, scenario)


def test_no_two_processes_claim_the_same(url: str) -> None:
    async def scenario(one: Store, other: Store) -> None:
        await placed(one, *[a_job(number) for number in range(100)])
        await tell(one, *[told(n, delivery(n, deadline=NOON + HOUR if n % 2 else None)) for n in range(100)])
        jobs = await asyncio.gather(*[store.claim_jobs(NOON, NOON + MINUTE, 7) for store in (one, other) * 10])
        assert sorted(job.id for claimed in jobs for job in claimed) == [f"job_{n:04d}" for n in range(100)]
        found = await asyncio.gather(*[taken(store, limit=7) for store in (one, other) * 10])
        assert sorted(each.delivery.id for claimed in found for each in claimed) == [f"dlv_{n:04d}" for n in range(100)]

    by_two(url, scenario)


def test_a_late_process_is_not_taken(url: str) -> None:
    async def scenario(one: Store, other: Store) -> None:
        await tell(one, told(1, delivery(1)))
        [late] = await taken(one)
        [current] = await taken(other, now=NOON + MINUTE)
        assert [await finished(one, late), await finished(other, current)] == [False, True]

    by_two(url, scenario)


def test_a_key_an_alert_a_turn_and_a_budget_are_for_all_processes_together(url: str) -> None:
    def admit(totals: Totals) -> None:
        if totals.day:
            raise BudgetReached("no more today")

    async def scenario(one: Store, other: Store) -> None:
        both = [one, other] * 10
        same_key = [store.place(a_job(n, idempotency_key="k"), ORDER) for n, store in enumerate(both)]
        assert sum(answer.is_new for answer in await asyncio.gather(*same_key)) == 1
        alerts = [store.alert(raised(n)) for n, store in enumerate(both)]
        assert sum(await asyncio.gather(*alerts)) == 1
        turns = [store.take_turn("vrex", "look", [Rate(7, MINUTE, "look")], NOON) for store in both]
        assert (await asyncio.gather(*turns)).count(0) == 7
        orders = [store.place(a_job(50 + n, estimate=usd("1")), ORDER, admit=admit) for n, store in enumerate(both)]
        answers = await asyncio.gather(*orders, return_exceptions=True)
        assert sum(isinstance(answer, Placed) for answer in answers) == 1

    by_two(url, scenario)


def test_the_lease_of_another_process_is_left_to_run_out(url: str) -> None:
    async def scenario(one: Store, other: Store) -> None:
        await placed(one, a_job(1))
        await tell(one, told(1, delivery(1)))
        await one.claim_jobs(NOON, NOON + MINUTE, 1)
        await taken(one)
        await other.release_leases(NOON + 1)
        assert (await other.claim_jobs(NOON + 1, NOON + MINUTE, 1), await taken(other, now=NOON + 1)) == ([], [])

    by_two(url, scenario)


def test_groups_that_meet_head_on_are_both_written(url: str) -> None:
    async def scenario(one: Store, other: Store) -> None:
        # places and deliveries are locked in another order than jobs: the engine breaks the tie, and we try again
        await placed(one, *[a_job(number) for number in range(40)])
        for turn in range(5):
            leases = {f"job_{number:04d}": 0 for number in range(40)}
            calls = [
                store.extend_jobs(leases, NOON + (turn + 2) * HOUR) if number % 3 else store.apply(id_, counting)
                for number, id_ in enumerate(reversed(leases))
                for store in (one, other)
            ]
            await asyncio.gather(*calls)
        assert sum(job.looks for job in await one.jobs(Query(limit=100))) == 5 * 14 * 2

    by_two(url, scenario)


def test_migrating_twice_at_once_is_migrating_once(postgres_server: PostgresServer) -> None:
    address = postgres_server.url(postgres_server.new_database())

    async def main() -> None:
        assert len(set(await asyncio.gather(*[asyncio.to_thread(migrate, address) for _ in range(4)]))) == 1

    asyncio.run(main())


def test_a_schema_that_is_not_there_is_not_made_by_opening(postgres_server: PostgresServer) -> None:
    address = postgres_server.url(postgres_server.new_database())
    with pytest.raises(ConfigurationError, match="run: clipbell migrate"):
        played(address, lambda store: store.check())


# --- connections -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("statement_timeout", "30s"),
        ("lock_timeout", "10s"),
        ("idle_in_transaction_session_timeout", "1min"),
        ("synchronous_commit", "on"),
        ("TimeZone", "UTC"),
    ],
)
def test_connections_are_set_to(url: str, postgres_server: PostgresServer, setting: str, value: str) -> None:
    name = url.rsplit("/", 1)[1]
    postgres_server.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    postgres_server.execute(f"ALTER DATABASE {name} SET timezone = 'America/Sao_Paulo'")
    engines = Postgres(make_url(url))
    for connection in (engines.connect_writer(), engines.readers.connect()):
        assert connection.exec_driver_sql(f"SHOW {setting}").scalar() == value
        connection.close()
    engines.close()


def test_readers_cannot_write(url: str) -> None:
    engines = Postgres(make_url(url))
    with engines.readers.connect() as connection, pytest.raises(Exception, match="read-only transaction"):
        connection.exec_driver_sql("DELETE FROM jobs")
    engines.close()


def test_connections_that_were_cut_while_idle_are_replaced_unnoticed(url: str, postgres_server: PostgresServer) -> None:
    async def scenario(store: Store) -> None:
        await placed(store, a_job(1))
        for number in range(2, 6):
            assert len(await store.jobs(Query())) == number - 1
            await asyncio.to_thread(cut, postgres_server, url)
            await placed(store, a_job(number))

    played(url, scenario)


def test_a_connection_that_is_cut_before_the_commit_costs_nothing(url: str, postgres_server: PostgresServer) -> None:
    async def scenario(store: Store) -> None:
        await placed(store, a_job(1))
        cuts = iter([True])

        def decide(job: Job | None) -> Change:
            if next(cuts, False):
                cut(postgres_server, url)
            return becoming(looks=the(job).looks + 1)(job)

        assert the((await store.apply("job_0001", decide, evidence(1))).job).looks == 1
        assert the(await store.job("job_0001")).looks == 1

    played(url, scenario)


def cut(server: PostgresServer, url: str) -> None:
    """End every connection to a database."""
    name = url.rsplit("/", 1)[1]
    server.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    """A server that a test may stop."""
    with running_postgres() as server:
        yield server


def test_a_server_that_is_gone_is_said_at_once_and_its_return_is_noticed(own_server: PostgresServer) -> None:
    address = own_server.url(own_server.new_database())
    migrate(address)

    async def scenario(store: Store) -> None:
        await placed(store, a_job(1))
        await asyncio.to_thread(own_server.control, "stop", "-m", "immediate")
        for _ in range(5):
            began = time.monotonic()
            with pytest.raises(StoreUnavailable):
                await store.apply("job_0001", becoming(looks=1), evidence(1))
            with pytest.raises(StoreUnavailable):
                await store.job("job_0001")
            assert time.monotonic() - began < 1
        await asyncio.to_thread(own_server.control, "start")
        await asyncio.to_thread(time.sleep, 2.1)  # the longest pause between attempts
        assert the((await store.apply("job_0001", becoming(looks=1), evidence(1))).job).looks == 1

    played(address, scenario)


def test_a_server_that_is_not_there_is_said_when_opening() -> None:
    with pytest.raises(StoreUnavailable, match="cannot"):
        played("postgresql://clipbell@127.0.0.1:1/none", lambda store: store.check())
