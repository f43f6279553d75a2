"""What all tests share: none sees the settings of the person who runs them, and a slow machine fails no property."""

import gc
import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.support.postgres import PostgresServer, running_postgres

settings.register_profile("clipbell", deadline=None, print_blob=True)
settings.load_profile("clipbell")


def pytest_collection_finish() -> None:
    """Let the collector pass over thousands of collected tests, which stay until the end."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _no_settings_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("CLIPBELL_") or name in {"DATABASE_URL", "PORT"}:
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL server for the session; each test makes itself a database on it."""
    with running_postgres() as server:
        yield server
