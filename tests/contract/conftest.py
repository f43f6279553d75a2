"""Every implementation behind a Protocol: the store on SQLite and on PostgreSQL. The suites never ask which."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine

from receiver.store import migrate
from tests.support.postgres import PostgresServer
from tests.support.stored import Scenario, played
from tests.support.waiting import eventually


@pytest.fixture(scope="session")
def template(postgres_server: PostgresServer) -> str:
    """A database with our schema, to be copied."""
    postgres_server.execute("CREATE DATABASE template_clipbell TEMPLATE template0")
    migrate(postgres_server.url("template_clipbell"))
    return "template_clipbell"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database with our schema and nothing in it; at the end nobody may be left connected."""
    if request.param == "sqlite":
        file = tmp_path / "clipbell.db"
        migrate(f"sqlite:///{file}")
        yield f"sqlite:///{file}"
        assert not _open_files(str(file))
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    name = server.new_database(request.getfixturevalue("template"))
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
