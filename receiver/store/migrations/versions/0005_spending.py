"""When a line of the ledger counts for a budget; what this was read from before needs no index any more."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add it. Lines from before stay as they are: the ledger takes no change, and their days are over."""
    op.add_column("ledger", sa.Column("counts_at", sa.BigInteger))
    op.create_index("ix_ledger_counts_at", "ledger", ["counts_at", "account", "unit", "micros"])
    op.drop_index("ix_jobs_created_at", "jobs")
    op.drop_index("ix_jobs_sent_at", "jobs")
