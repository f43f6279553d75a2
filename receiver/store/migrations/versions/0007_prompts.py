"""By what orders of the same prompt are found, however many there are of others."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

Word = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

revision = "0007"
down_revision = "0006"

_AT_ONCE = 1000
_NAMES = ("id", "account", "model", "ordered", "prompt_sha256")
_jobs = sa.table("jobs", *[sa.column(name, Word) for name in _NAMES])


def upgrade() -> None:
    """Add it, and work it out for what is there."""
    op.add_column("jobs", sa.Column("prompt_sha256", Word))
    after = ""
    while rows := _some(after):
        found = [{"of": row[0], "sha256": _sha256(row[1], row[2], json.loads(row[3])["prompt"])} for row in rows]
        update = _jobs.update().where(_jobs.c.id == sa.bindparam("of"))
        op.get_bind().execute(update.values(prompt_sha256=sa.bindparam("sha256")), found)
        after = rows[-1][0]
    op.create_index(
        "ix_jobs_prompt",
        "jobs",
        ["prompt_sha256", "id"],
        sqlite_where=sa.text("prompt_sha256 IS NOT NULL"),
        postgresql_where=sa.text("prompt_sha256 IS NOT NULL"),
    )


def _some(after: str) -> Sequence[Any]:
    some = sa.select(*[_jobs.c[name] for name in _NAMES[:4]]).where(_jobs.c.id > after)
    return op.get_bind().execute(some.order_by(_jobs.c.id).limit(_AT_ONCE)).fetchall()


def _sha256(account: str, model: str | None, prompt: str | None) -> str | None:
    whole = "\0".join((account, model or "", prompt or ""))
    return hashlib.sha256(whole.encode("utf-16-le", "surrogatepass")).hexdigest() if prompt else None
