"""The schema's version: migrations are run here, and a database of another version is refused.

The migrations themselves are in `migrations/versions`; they run from Python alone, without a file of settings.
Alembic is heavy and needed only at the start, so it is imported where it is used.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect

from receiver.store.tables import metadata
from schemas.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    from alembic.config import Config

#: Not Alembic's own name: another program may keep its tables in the same database.
VERSION_TABLE = "clipbell_schema"


def newest() -> str:
    """The version that this program works with."""
    return _versions()[0]


def current(connection: Connection) -> str | None:
    """The version of a database; None where it has none of our tables.

    Raises: ConfigurationError where tables of ours are there, but not by our doing.
    """
    from alembic.migration import MigrationContext

    version = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision()
    if version is None:
        strange = sorted(set(inspect(connection).get_table_names()) & set(metadata.tables))
        if strange:
            text = f"names a database with tables of another program ({', '.join(strange)}); name one of its own"
            raise ConfigurationError([Problem("database_url", text)])
    return version


def upgrade(connection: Connection) -> None:
    """Bring the database to this version, in the caller's transaction.

    Raises: ConfigurationError where it is of a newer one.
    """
    from alembic import command

    found = current(connection)
    if found is not None and found not in _versions():
        check(found)
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def check(found: str | None) -> None:
    """Refuse a database of another version.

    Raises: ConfigurationError.
    """
    versions = _versions()
    if found == versions[0]:
        return
    if found is None:
        text = "names a database that is empty; run: clipbell migrate"
    elif found in versions:
        text = f"names a database of an older version ({found}); make a backup, then run: clipbell migrate"
    else:
        text = f"names a database of a newer clipbell (schema {found}); install that version, or restore a backup"
    raise ConfigurationError([Problem("database_url", text)])


def _versions() -> list[str]:
    from alembic.script import ScriptDirectory

    return [each.revision for each in ScriptDirectory.from_config(_config()).walk_revisions()]


def _config() -> "Config":
    from alembic.config import Config

    config = Config()
    # a percent sign is the parser's own
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
