"""Photos, the nightly runs that cover them, and what these found; with what all tables share.

Constraints and defaults of the columns are in `migrations/sql/0001_moderation.sql` alone.
"""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.types import TypeEngine

metadata = MetaData(schema="moderation")
TIME = DateTime(timezone=True)
TEXTS = ARRAY(Text, as_tuple=True)

_Type = type[TypeEngine[Any]] | TypeEngine[Any]


def required(of_type: _Type, *names: str) -> list[Column[Any]]:
    """Columns that are never null."""
    return [Column(name, of_type, nullable=False) for name in names]


def optional(of_type: _Type, *names: str) -> list[Column[Any]]:
    """Columns that may be null."""
    return [Column(name, of_type) for name in names]


def primary(of_type: _Type, *names: str) -> list[Column[Any]]:
    """Columns of the primary key, without a generated one."""
    return [Column(name, of_type, primary_key=True) for name in names]


def reference(
    of_type: _Type, name: str, target: str, *, primary_key: bool = False, nullable: bool = False
) -> Column[Any]:
    """A column that refers to `table.column` of this schema."""
    column = ForeignKey(f"moderation.{target}")
    return Column(name, of_type, column, primary_key=primary_key, nullable=nullable)


def key(name: str = "object_key", *, primary_key: bool = False) -> Column[str]:
    """A photo's key in its bucket."""
    # S3 lists keys in byte order; the database must cut shards in the same order.
    return Column(name, Text(collation="C"), nullable=False, primary_key=primary_key)


def view(name: str, columns: Iterable[Column[Any]]) -> Table:
    """A view with columns of these names and types."""
    # In a MetaData of its own: migrations compare the other one with the database.
    return Table(name, MetaData(schema="moderation"), *(Column(c.name, c.type) for c in columns))


image = Table(
    "image",
    metadata,
    key(primary_key=True),
    *primary(Text, "etag"),  # "" for a commerce row whose object was never seen
    *required(BigInteger, "size_bytes"),
    *required(TIME, "uploaded_at"),
    *required(Text, "state"),  # listed, judged or quarantined
    *optional(Text, "content_sha256", "pdq"),
    *optional(SmallInteger, "pdq_quality"),
    *optional(Integer, "width", "height"),
    # What we last wrote to the commerce row, and when: distinguishes our writes from others'.
    *optional(Text, "written_status"),
    *optional(TIME, "written_at"),
    Index("image_content", "content_sha256"),
)

verdict = Table(
    "verdict",
    metadata,
    *primary(Text, "content_sha256", "policy_version"),
    reference(Text, "model_hash", "model_version.model_hash", primary_key=True),
    *required(Text, "decision", "run_id"),  # decision: pass, review or block
    *required(TEXTS, "reasons"),
    *required(Float, "violation_score", "pass_confidence"),
    *required(JSONB, "scores", "screens", "runtime_versions"),
    *required(TIME, "judged_at"),
)

quarantine = Table(
    "quarantine",
    metadata,
    key(primary_key=True),
    *primary(Text, "etag"),
    *required(Text, "reason", "detail", "run_id"),
    *required(TIME, "quarantined_at"),
    *optional(Text, "released_by"),  # the later run that could score it
)

audit_run = Table(
    "audit_run",
    metadata,
    *primary(Text, "run_id"),
    *required(TIME, "window_start", "window_end", "started_at"),
    reference(Text, "model_hash", "model_version.model_hash"),
    reference(Text, "shadow_hash", "model_version.model_hash", nullable=True),
    *required(Text, "policy_version", "device", "state"),  # state: running, reconciled or failed
    *required(JSONB, "policy"),
    # `listed` is null until `discover` has committed, the others until `reconcile` has.
    *optional(BigInteger, "listed", "judged", "quarantined", "already_judged"),
    *optional(TIME, "reconciled_at"),
    *optional(JSONB, "report"),
    *optional(TIME, "expired_at"),  # retention may have deleted its rows: the report holds
)

audit_image = Table(
    "audit_image",
    metadata,
    reference(Text, "run_id", "audit_run.run_id", primary_key=True),
    key(primary_key=True),
    *required(Text, "etag"),
    *optional(Text, "outcome"),  # judged, quarantined or already_judged; null: not scored yet
    *required(SmallInteger, "fetch_failures"),
    # The human decision on the same content that takes the place of the verdict, and its effect.
    reference(BigInteger, "reused_label", "human_label.label_id", nullable=True),
    *optional(Text, "reused_decision"),  # pass or block
    Index("audit_image_key", "object_key"),
)

# The outcome of each image of a run, with the verdict of the run's model and policy on it.
audit_result = view(
    "audit_result",
    (
        *audit_image.c["run_id", "object_key", "etag", "outcome", "reused_label"],
        *image.c["uploaded_at", "content_sha256"],
        *verdict.c["model_hash", "policy_version", "decision", "reasons", "scores"],
        *verdict.c["violation_score", "judged_at"],
        Column("machine_decision", Text),  # without regard to a reused decision
    ),
)

audit_shard = Table(
    "audit_shard",
    metadata,
    reference(Text, "run_id", "audit_run.run_id", primary_key=True),
    *primary(Integer, "shard_index"),
    key("first_key"),
    key("last_key"),
    *required(Integer, "images"),
    *required(JSONB, "seconds"),  # by stage, summed over the attempts of the shard's task
)

shadow = Table(
    "shadow",  # the candidate that the next nightly run scores with, too, without effect
    metadata,
    *primary(Boolean, "singleton"),
    reference(Text, "model_hash", "model_version.model_hash"),
    *required(TIME, "requested_at"),
)

shadow_verdict = Table(
    "shadow_verdict",  # of the run's shadow_hash; never applied
    metadata,
    reference(Text, "run_id", "audit_run.run_id", primary_key=True),
    *primary(Text, "content_sha256"),
    *required(Text, "decision"),  # pass, review or block
    *required(JSONB, "scores"),
    *required(Float, "violation_score"),
)

sampling_key = Table(
    "sampling_key",  # of the hash that draws the spot checks; made by the migration, never changed
    metadata,
    *primary(Boolean, "singleton"),
    *required(LargeBinary, "key"),
)

leak_estimate = Table(
    "leak_estimate",  # results of the spot checks
    metadata,
    *primary(Date, "month"),  # its first day
    # The decision (pass or block) of the photos that were drawn, and the class of the wrong ones
    # among them; "": any.
    *primary(Text, "decision", "class"),
    *required(Integer, "sampled", "reviewed", "violations"),
    *optional(Float, "rate"),  # violations / reviewed; null: none reviewed yet
    *required(Float, "low", "high", "confidence"),  # exact interval of the rate, two-sided
    *required(TIME, "computed_at"),
)
