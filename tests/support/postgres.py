"""A PostgreSQL server for tests, on loopback, made from nothing and thrown away.

PostgreSQL refuses to run as root, so as root its processes run as the system's user for it. Without PostgreSQL a
laptop skips with the reason, and CI fails.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.http_server import closed_port

USER = "clipbell"
# durability is not what these tests are about, and a commit then costs nothing
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "60",
    "log_min_messages": "fatal",
}


class PostgresServer:
    """A running server. Databases are made on it one for each test."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self._made = 0

    def url(self, database: str) -> str:
        """The URL of a database."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        """Make a database and answer its name. It goes with the server: dropping one takes a checkpoint."""
        self._made += 1
        name = f"test_{self._made}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        return name

    def empty(self, database: str, *, but: str) -> None:
        """Delete all rows of a database, of every table but one, and past every trigger."""
        found = self.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'", database)
        deletes = [f"DELETE FROM {name}" for (name,) in found if name != but]
        self.execute("; ".join(["SET session_replication_role = replica", *deletes]), database)

    def clients(self, database: str) -> list[tuple[object, ...]]:
        """Who is connected to a database."""
        return self.execute(
            f"SELECT pid, query FROM pg_stat_activity WHERE datname = '{database}' AND backend_type = 'client backend'"
        )

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run one statement as the server's owner."""
        import psycopg

        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def control(self, *arguments: str) -> None:
        """Run pg_ctl: `restart`, `stop -m immediate`, `start`."""
        _run(["pg_ctl", "-D", str(self.folder / "data"), "-l", str(self.folder / "log"), "-w", "-t", "30", *arguments])


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """A server for as long as this lasts."""
    if not _programs():
        reason = "PostgreSQL is not installed (Debian: apt-get install postgresql)"
        if os.environ.get("CI") == "true":
            raise RuntimeError(reason)
        pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="clipbell-postgres-"))
    try:
        owner = _owner()
        if owner is not None:
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        _run(["initdb", "-D", str(folder / "data"), "-U", USER, "-A", "trust", "-E", "UTF8", "--no-sync"])
        server = PostgresServer(folder, closed_port())
        lines = [f"{name} = '{value}'" for name, value in {**SETTINGS, "port": str(server.port)}.items()]
        with (folder / "data" / "postgresql.conf").open("a") as settings:
            settings.write("\n".join(lines) + "\n")
        server.control("start")
        try:
            yield server
        finally:
            server.control("stop", "-m", "immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


def _owner() -> pwd.struct_passwd | None:
    return pwd.getpwnam("postgres") if os.geteuid() == 0 else None


def _run(command: Sequence[str]) -> None:
    programs, owner = _programs(), _owner()
    assert programs is not None
    whole = [str(programs / command[0]), *command[1:]]
    user = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []} if owner else {}
    # the server would inherit pipes and keep them open: what it says goes into a file
    with tempfile.TemporaryFile() as said:
        done = subprocess.run(whole, stdout=said, stderr=said, cwd="/", check=False, timeout=60, **user)  # type: ignore[call-overload]
        said.seek(0)
        if done.returncode:
            raise RuntimeError(f"{command[0]} failed: {said.read().decode(errors='replace')}")
