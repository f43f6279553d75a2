"""The tables, in SQLAlchemy Core. The same for both engines; `migrations/` must lead to exactly this.

The triggers that keep the ledger append-only are the first migration's alone.

Times are integer microseconds since 1970 UTC, money integer millionths of its unit. No CHECK on words: SQLite would
have to rebuild a table for a new one. Evidence refers to no job, because it outlives jobs and may come for none.
Text compares byte by byte on both engines, so that ids sort as they were made.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    }
)

#: What is not UTF-8 order by default on PostgreSQL: ids have to sort as bytes do.
Word = Text().with_variant(Text(collation="C"), "postgresql")

bodies = Table(
    "bodies",
    metadata,
    Column("sha256", Word, primary_key=True),
    Column("body", LargeBinary, nullable=False),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", Word, primary_key=True),
    Column("vendor", Word, nullable=False),
    Column("account", Word, nullable=False),
    Column("origin", Word, nullable=False),
    Column("state", Word, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("vendor_job_id", Word),
    Column("model", Word),
    Column("batch", Word),
    Column("idempotency_key", Word),
    Column("order_sha256", Word),
    Column("seconds", Integer),
    Column("callback", Integer, nullable=False),
    Column("estimate_micros", BigInteger),
    Column("estimate_unit", Word),
    Column("cost_micros", BigInteger),
    Column("cost_unit", Word),
    Column("booked_micros", BigInteger),
    Column("booked_unit", Word),
    Column("settled_by", Word),
    Column("submitted_at", BigInteger),
    Column("settled_at", BigInteger),
    Column("overdue_at", BigInteger),
    Column("give_up_at", BigInteger),
    Column("next_at", BigInteger),
    # until when a worker holds it; NULL where next_at is a plan and no lease
    Column("held_until", BigInteger),
    Column("looks", Integer, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("fence", BigInteger, nullable=False),
    # JSON: prompt, params, tags, metadata; never changes in the usual life of a job
    Column("ordered", Word, nullable=False),
    # JSON: videos, failure, claim
    Column("outcome", Word, nullable=False),
    # when an order that waited in the queue was let go
    Column("sent_at", BigInteger),
    # the estimate as it was when the order was placed
    Column("quote_micros", BigInteger),
    Column("quote_unit", Word),
    # of the account, the model and a prompt that is not empty
    Column("prompt_sha256", Word),
    Index("ix_jobs_state", "state", "id"),
    Index("ix_jobs_account", "account", "id"),
    Index("ix_jobs_order_sha256", "order_sha256"),
)
Index(
    "uq_jobs_vendor_job_id",
    jobs.c.account,
    jobs.c.vendor_job_id,
    unique=True,
    sqlite_where=text("vendor_job_id IS NOT NULL"),
    postgresql_where=text("vendor_job_id IS NOT NULL"),
)
Index(
    "uq_jobs_idempotency_key",
    jobs.c.idempotency_key,
    unique=True,
    sqlite_where=text("idempotency_key IS NOT NULL"),
    postgresql_where=text("idempotency_key IS NOT NULL"),
)
Index(
    "ix_jobs_due",
    jobs.c.next_at,
    sqlite_where=text("next_at IS NOT NULL"),
    postgresql_where=text("next_at IS NOT NULL"),
)
Index(
    "ix_jobs_prompt",
    jobs.c.prompt_sha256,
    jobs.c.id,
    sqlite_where=text("prompt_sha256 IS NOT NULL"),
    postgresql_where=text("prompt_sha256 IS NOT NULL"),
)
Index(
    "ix_jobs_batch",
    jobs.c.batch,
    jobs.c.id,
    sqlite_where=text("batch IS NOT NULL"),
    postgresql_where=text("batch IS NOT NULL"),
)

#: What is still to be moved along; the same words in every statement, so that each finds the index.
OPEN_JOBS = "state IN ('queued', 'submitting', 'running', 'unknown')"
Index(
    "ix_jobs_open",
    jobs.c.account,
    jobs.c.state,
    jobs.c.callback,
    sqlite_where=text(OPEN_JOBS),
    postgresql_where=text(OPEN_JOBS),
)

#: A queued order that waits for nothing but its turn.
IN_LINE = "state = 'queued' AND next_at IS NULL"
Index(
    "ix_jobs_line",
    jobs.c.account,
    jobs.c.id,
    sqlite_where=text(IN_LINE),
    postgresql_where=text(IN_LINE),
)

#: A job that holds a place at its vendor; one whose fate is unknown only until it is overdue, and one that another
#: program will order not before its vendor's id is known.
HOLDS_A_PLACE = (
    "(state = 'submitting' OR (state = 'unknown' AND overdue_at IS NULL) "
    "OR (state = 'running' AND (origin <> 'expected' OR vendor_job_id IS NOT NULL)))"
)

job_tags = Table(
    "job_tags",
    metadata,
    Column("tag", Word, primary_key=True),
    Column("job_id", Word, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Index("ix_job_tags_job_id", "job_id"),
)

evidence = Table(
    "evidence",
    metadata,
    Column("id", Word, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("job_id", Word),
    Column("account", Word, nullable=False),
    Column("kind", Word, nullable=False),
    Column("verdict", Word, nullable=False),
    Column("status", Integer),
    Column("headers", Word, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", Word, ForeignKey("bodies.sha256"), nullable=False),
    Index("ix_evidence_job_id", "job_id", "id"),
    Index("ix_evidence_sha256", "sha256"),
)

events = Table(
    "events",
    metadata,
    Column("id", Word, primary_key=True),
    Column("type", Word, nullable=False),
    Column("job_id", Word),
    Column("vendor", Word),
    Column("account", Word),
    Column("batch", Word),
    Column("received_at", BigInteger, nullable=False),
    # the event in the contract's JSON
    Column("body", Word, nullable=False),
    Index("ix_events_job_id", "job_id", "id"),
)
VERDICT_EVENT = "type IN ('video.completed', 'video.failed')"
Index(
    "uq_events_verdict",
    events.c.job_id,
    unique=True,
    sqlite_where=text(VERDICT_EVENT),
    postgresql_where=text(VERDICT_EVENT),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Word, primary_key=True),
    Column("event_id", Word, ForeignKey("events.id"), nullable=False),
    Column("job_id", Word),
    Column("handler", Word, nullable=False),
    Column("target", Word, nullable=False),
    Column("state", Word, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("next_at", BigInteger),
    Column("deadline", BigInteger),
    Column("fence", BigInteger, nullable=False),
    Column("claims", Integer, nullable=False),
    Column("replays", Integer, nullable=False),
    Column("skipped", Integer, nullable=False),
    # 0: news; 1: delivered again by a person's wish, or after its handler was paused
    Column("lane", Integer, nullable=False, server_default="0"),
    UniqueConstraint("event_id", "handler", "target"),
)
# two queues for each handler: what perishes by its end, the rest by lane and turn; both hold only what is not over
PERISHABLE = "next_at IS NOT NULL AND deadline IS NOT NULL"
PATIENT = "next_at IS NOT NULL AND deadline IS NULL"
STUCK = "state IN ('dead', 'parked')"
Index(
    "ix_deliveries_perishable",
    deliveries.c.handler,
    deliveries.c.deadline,
    deliveries.c.next_at,
    sqlite_where=text(PERISHABLE),
    postgresql_where=text(PERISHABLE),
)
Index(
    "ix_deliveries_patient",
    deliveries.c.handler,
    deliveries.c.lane,
    deliveries.c.next_at,
    sqlite_where=text(PATIENT),
    postgresql_where=text(PATIENT),
)
Index(
    "ix_deliveries_stuck",
    deliveries.c.state,
    deliveries.c.id,
    sqlite_where=text(STUCK),
    postgresql_where=text(STUCK),
)

attempts = Table(
    "attempts",
    metadata,
    Column("delivery_id", Word, ForeignKey("deliveries.id"), primary_key=True),
    # the fence under which it was made: an attempt cannot be recorded twice
    Column("fence", BigInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("outcome", Word, nullable=False),
    Column("reason", Word),
    Column("answer", Word),
)

ledger = Table(
    "ledger",
    metadata,
    Column("id", Word, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("job_id", Word, nullable=False),
    Column("vendor", Word, nullable=False),
    Column("account", Word, nullable=False),
    Column("kind", Word, nullable=False),
    Column("micros", BigInteger),
    Column("unit", Word),
    Column("basis", Word, nullable=False),
    Column("evidence_id", Word),
    # when its order went out: the day and the month whose budget it counts for, also once the job is gone
    Column("counts_at", BigInteger),
    Index("ix_ledger_counts_at", "counts_at", "account", "unit", "micros"),
    # NULLs differ from one another: lines without evidence are told apart by their ids alone
    UniqueConstraint("job_id", "evidence_id", "kind"),
)

alerts = Table(
    "alerts",
    metadata,
    Column("id", Word, primary_key=True),
    Column("code", Word, nullable=False),
    Column("subject", Word, nullable=False),
    Column("job_id", Word),
    Column("text", Word, nullable=False),
    Column("next_step", Word, nullable=False),
    Column("raised_at", BigInteger, nullable=False),
    Column("cleared_at", BigInteger),
)
Index(
    "uq_alerts_standing",
    alerts.c.code,
    alerts.c.subject,
    unique=True,
    sqlite_where=text("cleared_at IS NULL"),
    postgresql_where=text("cleared_at IS NULL"),
)

clips = Table(
    "clips",
    metadata,
    Column("id", Word, primary_key=True),
    Column("job_id", Word, nullable=False),
    Column("number", Integer, nullable=False),
    Column("handler", Word, nullable=False),
    Column("path", Word, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("sha256", Word, nullable=False),
    Column("mime_type", Word, nullable=False),
    Column("poster", Word),
    Column("at", BigInteger, nullable=False),
    UniqueConstraint("job_id", "number", "handler"),
)

turns = Table(
    "turns",
    metadata,
    Column("account", Word, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("kind", Word, nullable=False),
    Index("ix_turns_account", "account", "at"),
)

# kinds of calls that were refused a turn, and how long they are held to be waiting for one
waits = Table(
    "waits",
    metadata,
    Column("account", Word, primary_key=True),
    Column("kind", Word, primary_key=True),
    Column("until", BigInteger, nullable=False),
)

# accounts that were told to wait, or that refuse us until a person acts
gates = Table(
    "gates",
    metadata,
    Column("account", Word, primary_key=True),
    # of calls; empty: of any
    Column("kind", Word, primary_key=True),
    Column("until", BigInteger, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("reason", Word, nullable=False),
    Column("stopped", Integer, nullable=False),
    Column("probes", Integer, nullable=False),
)

# handlers that are left alone for a while (until NULL: until they are configured again)
pauses = Table(
    "pauses",
    metadata,
    Column("handler", Word, primary_key=True),
    Column("since", BigInteger, nullable=False),
    Column("until", BigInteger),
    Column("reason", Word, nullable=False),
    Column("pauses", Integer, nullable=False),
)

# jobs whose living link shall not open any more; kept when the job goes, since its files stay
revoked_links = Table(
    "revoked_links",
    metadata,
    Column("job_id", Word, primary_key=True),
    Column("at", BigInteger, nullable=False),
)

# a row per thing that only one process may do at a time, and the row that check() writes
latches = Table(
    "latches",
    metadata,
    Column("name", Word, primary_key=True),
    Column("uses", BigInteger, nullable=False),
)
