"""What an order was expected to cost when it was placed, to be held against what it did."""

import sqlalchemy as sa
from alembic import op

Word = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add it. Of jobs from before it is not known any more where their vendor gave a figure of its own."""
    op.add_column("jobs", sa.Column("quote_micros", sa.BigInteger))
    op.add_column("jobs", sa.Column("quote_unit", Word))
