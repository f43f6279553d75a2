"""Handlers that are paused, deliveries that stand behind new ones, links that were revoked."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

word = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
PATIENT = "next_at IS NOT NULL AND deadline IS NULL"


def upgrade() -> None:
    """Make them."""
    op.add_column("deliveries", sa.Column("lane", sa.Integer, nullable=False, server_default="0"))
    op.drop_index("ix_deliveries_patient", "deliveries")
    op.create_index(
        "ix_deliveries_patient",
        "deliveries",
        ["handler", "lane", "next_at"],
        sqlite_where=sa.text(PATIENT),
        postgresql_where=sa.text(PATIENT),
    )
    op.create_table(
        "pauses",
        sa.Column("handler", word, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("until", sa.BigInteger),
        sa.Column("reason", word, nullable=False),
        sa.Column("pauses", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("handler", name="pk_pauses"),
    )
    op.create_table(
        "revoked_links",
        sa.Column("job_id", word, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("job_id", name="pk_revoked_links"),
    )
