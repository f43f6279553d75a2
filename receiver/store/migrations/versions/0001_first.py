"""The first schema."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

# ids have to sort as bytes do on both engines
word = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

LEDGER_GUARDS: Mapping[str, tuple[str, ...]] = {
    "sqlite": (
        "CREATE TRIGGER ledger_no_update BEFORE UPDATE ON ledger "
        "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END",
        "CREATE TRIGGER ledger_no_delete BEFORE DELETE ON ledger "
        "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END",
    ),
    "postgresql": (
        "CREATE FUNCTION ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the ledger is append-only' USING ERRCODE = 'integrity_constraint_violation'; END $$",
        "CREATE TRIGGER ledger_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger "
        "FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only()",
    ),
}


def upgrade() -> None:
    """Make all tables."""
    _jobs()
    _news()
    _deliveries()
    _money()
    _rest()


def only(where: str) -> Mapping[str, Any]:
    """The condition of a partial index."""
    return {"sqlite_where": sa.text(where), "postgresql_where": sa.text(where)}


def _jobs() -> None:
    """Orders and what became of them."""
    op.create_table(
        "bodies",
        sa.Column("sha256", word, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_bodies"),
    )
    op.create_table(
        "jobs",
        sa.Column("id", word, nullable=False),
        sa.Column("vendor", word, nullable=False),
        sa.Column("account", word, nullable=False),
        sa.Column("origin", word, nullable=False),
        sa.Column("state", word, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("vendor_job_id", word),
        sa.Column("model", word),
        sa.Column("batch", word),
        sa.Column("idempotency_key", word),
        sa.Column("order_sha256", word),
        sa.Column("seconds", sa.Integer),
        sa.Column("callback", sa.Integer, nullable=False),
        sa.Column("estimate_micros", sa.BigInteger),
        sa.Column("estimate_unit", word),
        sa.Column("cost_micros", sa.BigInteger),
        sa.Column("cost_unit", word),
        sa.Column("booked_micros", sa.BigInteger),
        sa.Column("booked_unit", word),
        sa.Column("settled_by", word),
        sa.Column("submitted_at", sa.BigInteger),
        sa.Column("settled_at", sa.BigInteger),
        sa.Column("overdue_at", sa.BigInteger),
        sa.Column("give_up_at", sa.BigInteger),
        sa.Column("next_at", sa.BigInteger),
        sa.Column("held_until", sa.BigInteger),
        sa.Column("looks", sa.Integer, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("fence", sa.BigInteger, nullable=False),
        sa.Column("ordered", word, nullable=False),
        sa.Column("outcome", word, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
    )
    op.create_index("ix_jobs_batch", "jobs", ["batch", "id"], **only("batch IS NOT NULL"))
    op.create_index("ix_jobs_created_at", "jobs", ["created_at"])
    op.create_index("ix_jobs_due", "jobs", ["next_at"], **only("next_at IS NOT NULL"))
    op.create_index("ix_jobs_state", "jobs", ["state", "id"])
    op.create_index(
        "uq_jobs_idempotency_key", "jobs", ["idempotency_key"], unique=True, **only("idempotency_key IS NOT NULL")
    )
    op.create_index(
        "uq_jobs_vendor_job_id", "jobs", ["account", "vendor_job_id"], unique=True, **only("vendor_job_id IS NOT NULL")
    )
    op.create_table(
        "job_tags",
        sa.Column("tag", word, nullable=False),
        sa.Column("job_id", word, nullable=False),
        sa.PrimaryKeyConstraint("tag", "job_id", name="pk_job_tags"),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_job_tags_job_id", ondelete="CASCADE"),
    )
    op.create_index("ix_job_tags_job_id", "job_tags", ["job_id"])


def _news() -> None:
    """What was sent to us, and what was told."""
    op.create_table(
        "evidence",
        sa.Column("id", word, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("job_id", word),
        sa.Column("account", word, nullable=False),
        sa.Column("kind", word, nullable=False),
        sa.Column("verdict", word, nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("headers", word, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("sha256", word, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_evidence"),
        sa.ForeignKeyConstraint(["sha256"], ["bodies.sha256"], name="fk_evidence_sha256"),
    )
    op.create_index("ix_evidence_job_id", "evidence", ["job_id", "id"])
    op.create_table(
        "events",
        sa.Column("id", word, nullable=False),
        sa.Column("type", word, nullable=False),
        sa.Column("job_id", word),
        sa.Column("vendor", word),
        sa.Column("account", word),
        sa.Column("batch", word),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        sa.Column("body", word, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
    )
    op.create_index("ix_events_job_id", "events", ["job_id", "id"])
    op.create_index(
        "uq_events_verdict", "events", ["job_id"], unique=True, **only("type IN ('video.completed', 'video.failed')")
    )


def _deliveries() -> None:
    """Who is told, and the attempts."""
    op.create_table(
        "deliveries",
        sa.Column("id", word, nullable=False),
        sa.Column("event_id", word, nullable=False),
        sa.Column("job_id", word),
        sa.Column("handler", word, nullable=False),
        sa.Column("target", word, nullable=False),
        sa.Column("state", word, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("next_at", sa.BigInteger),
        sa.Column("deadline", sa.BigInteger),
        sa.Column("fence", sa.BigInteger, nullable=False),
        sa.Column("claims", sa.Integer, nullable=False),
        sa.Column("replays", sa.Integer, nullable=False),
        sa.Column("skipped", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
        sa.UniqueConstraint("event_id", "handler", "target", name="uq_deliveries_event_id_handler_target"),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"], name="fk_deliveries_event_id"),
    )
    op.create_index(
        "ix_deliveries_patient",
        "deliveries",
        ["handler", "next_at"],
        **only("next_at IS NOT NULL AND deadline IS NULL"),
    )
    op.create_index(
        "ix_deliveries_perishable",
        "deliveries",
        ["handler", "deadline", "next_at"],
        **only("next_at IS NOT NULL AND deadline IS NOT NULL"),
    )
    op.create_index("ix_deliveries_stuck", "deliveries", ["state", "id"], **only("state IN ('dead', 'parked')"))
    op.create_table(
        "attempts",
        sa.Column("delivery_id", word, nullable=False),
        sa.Column("fence", sa.BigInteger, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("outcome", word, nullable=False),
        sa.Column("reason", word),
        sa.Column("answer", word),
        sa.PrimaryKeyConstraint("delivery_id", "fence", name="pk_attempts"),
        sa.ForeignKeyConstraint(["delivery_id"], ["deliveries.id"], name="fk_attempts_delivery_id"),
    )


def _money() -> None:
    """The ledger, which only ever grows."""
    op.create_table(
        "ledger",
        sa.Column("id", word, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("job_id", word, nullable=False),
        sa.Column("vendor", word, nullable=False),
        sa.Column("account", word, nullable=False),
        sa.Column("kind", word, nullable=False),
        sa.Column("micros", sa.BigInteger),
        sa.Column("unit", word),
        sa.Column("basis", word, nullable=False),
        sa.Column("evidence_id", word),
        sa.PrimaryKeyConstraint("id", name="pk_ledger"),
        sa.UniqueConstraint("job_id", "evidence_id", "kind", name="uq_ledger_job_id_evidence_id_kind"),
    )
    for guard in LEDGER_GUARDS[op.get_bind().dialect.name]:
        op.execute(guard)


def _rest() -> None:
    """Alerts, saved files, and what keeps processes apart."""
    op.create_table(
        "alerts",
        sa.Column("id", word, nullable=False),
        sa.Column("code", word, nullable=False),
        sa.Column("subject", word, nullable=False),
        sa.Column("job_id", word),
        sa.Column("text", word, nullable=False),
        sa.Column("next_step", word, nullable=False),
        sa.Column("raised_at", sa.BigInteger, nullable=False),
        sa.Column("cleared_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_alerts"),
    )
    op.create_index("uq_alerts_standing", "alerts", ["code", "subject"], unique=True, **only("cleared_at IS NULL"))
    op.create_table(
        "clips",
        sa.Column("id", word, nullable=False),
        sa.Column("job_id", word, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("handler", word, nullable=False),
        sa.Column("path", word, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("sha256", word, nullable=False),
        sa.Column("mime_type", word, nullable=False),
        sa.Column("poster", word),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_clips"),
        sa.UniqueConstraint("job_id", "number", "handler", name="uq_clips_job_id_number_handler"),
    )
    op.create_table(
        "turns",
        sa.Column("account", word, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("kind", word, nullable=False),
    )
    op.create_index("ix_turns_account", "turns", ["account", "at"])
    op.create_table(
        "latches",
        sa.Column("name", word, nullable=False),
        sa.Column("uses", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_latches"),
    )
