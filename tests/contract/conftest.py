"""Every implementation behind a Protocol: the store on SQLite and on PostgreSQL. The suites never ask which."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine

from receiver.store.opening import migrate
from receiver.store.schema import VERSION_TABLE
from tests.support.postgres import PostgresServer
from tests.support.stored import Scenario, played
from tests.support.waiting import eventually


@pytest.fixture(scope="session")
def database(postgres_server: PostgresServer) -> str:
    """A PostgreSQL database with our schema, used by one test after the other: making one takes its time."""
    name = postgres_server.new_database()
    migrate(postgres_server.url(name))
    return name


@pytest.fixture(scope="session")
def blank_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with our schema, to be copied."""
    file = tmp_path_factory.mktemp("blank") / "clipbell.db"
    migrate(f"sqlite:///{file}")
    return file


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database with our schema and nothing in it; at the end nobody may be left connected."""
    if request.param == "sqlite":
        file = tmp_path / "clipbell.db"
        shutil.copy(request.getfixturevalue("blank_file"), file)
        yield f"sqlite:///{file}"
        assert not _open_files(str(file))
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    name: str = request.getfixturevalue("database")
    server.empty(name, but=VERSION_TABLE)
    yield server.url(name)
    # a server process needs a moment to notice that its client has gone
    eventually(lambda: not server.clients(name), "the end of all connections")


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without a schema."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'clipbell.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    name = server.new_database()
    yield server.url(name)


@pytest.fixture
def play(url: str) -> Callable[[Scenario[Any]], Any]:
    """Play a scenario on an open store."""
    return lambda scenario: played(url, scenario)


@pytest.fixture
def meddle(url: str) -> Callable[[str], list[Any]]:
    """Run a statement on the database past the store, while no store is open."""

    def run(statement: str) -> list[Any]:
        engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
        try:
            with engine.begin() as connection:
                result = connection.exec_driver_sql(statement)
                return [tuple(row) for row in result] if result.returns_rows else []
        finally:
            engine.dispose()

    return run


def _open_files(name: str) -> list[str]:
    links = [Path(link) for link in Path("/proc/self/fd").glob("*")] if Path("/proc/self/fd").exists() else []
    return [target for link in links if link.exists() and (target := str(link.readlink())).startswith(name)]
