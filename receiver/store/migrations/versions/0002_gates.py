"""Accounts that are closed, calls that wait for a turn, and an index over open jobs."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

word = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
OPEN_JOBS = "state IN ('queued', 'submitting', 'running', 'unknown')"


def upgrade() -> None:
    """Make them."""
    op.create_index(
        "ix_jobs_open",
        "jobs",
        ["account", "state", "callback"],
        sqlite_where=sa.text(OPEN_JOBS),
        postgresql_where=sa.text(OPEN_JOBS),
    )
    op.create_table(
        "waits",
        sa.Column("account", word, nullable=False),
        sa.Column("kind", word, nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("account", "kind", name="pk_waits"),
    )
    op.create_table(
        "gates",
        sa.Column("account", word, nullable=False),
        sa.Column("kind", word, nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("reason", word, nullable=False),
        sa.Column("stopped", sa.Integer, nullable=False),
        sa.Column("probes", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("account", "kind", name="pk_gates"),
    )
