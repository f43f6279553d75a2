"""What Alembic runs for each command: our migrations, on the connection and in the transaction that it was given."""

from alembic import context

from receiver.store.schema import VERSION_TABLE
from receiver.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, version_table=VERSION_TABLE
)
context.run_migrations()
