"""When a queued order was let go, and indexes for its line, for accounts, and for what bytes are referred to by."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

IN_LINE = "state = 'queued' AND next_at IS NULL"
WAS_SENT = "sent_at IS NOT NULL"


def upgrade() -> None:
    """Make them."""
    op.add_column("jobs", sa.Column("sent_at", sa.BigInteger))
    op.create_index("ix_jobs_account", "jobs", ["account", "id"])
    op.create_index("ix_jobs_order_sha256", "jobs", ["order_sha256"])
    for name, columns, where in (
        ("ix_jobs_line", ["account", "id"], IN_LINE),
        ("ix_jobs_sent_at", ["sent_at"], WAS_SENT),
    ):
        op.create_index(name, "jobs", columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
    op.create_index("ix_evidence_sha256", "evidence", ["sha256"])
