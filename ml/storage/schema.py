"""The tables of schema `moderation`, as SQLAlchemy Core; `migrations/` creates them."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    func,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

metadata = MetaData(schema="moderation")

_NOW = func.now()


def _key(name: str = "object_key", *, primary_key: bool = False) -> Column[str]:
    # S3 lists keys in byte order; the database must cut shards in the same order.
    return Column(name, Text(collation="C"), nullable=False, primary_key=primary_key)


def _time(name: str, *, filled: bool = True) -> Column[object]:
    default = _NOW if filled else None
    return Column(name, DateTime(timezone=True), server_default=default, nullable=not filled)


image = Table(
    "image",
    metadata,
    _key(primary_key=True),
    Column("etag", Text, primary_key=True),  # "" for a commerce row whose object was never seen
    Column("size_bytes", BigInteger, nullable=False),
    Column("uploaded_at", DateTime(timezone=True), nullable=False),
    Column("content_sha256", Text),
    Column("pdq", Text),
    Column("pdq_quality", SmallInteger),
    Column("width", Integer),
    Column("height", Integer),
    Column("state", Text, nullable=False, server_default="listed"),
    Column("written_status", Text),  # what we last wrote to the commerce row, and when:
    Column("written_at", DateTime(timezone=True)),  # tells our own writing from other people's
    CheckConstraint("state in ('listed', 'judged', 'quarantined')", name="image_state"),
    Index("image_content", "content_sha256"),
)

model_version = Table(
    "model_version",
    metadata,
    Column("model_hash", Text, primary_key=True),
    Column("weights_sha256", Text, nullable=False),
    Column("card", JSONB, nullable=False),
    _time("registered_at"),
)

champion = Table(
    "champion",
    metadata,
    Column("one_row", Boolean, CheckConstraint("one_row"), primary_key=True, server_default="true"),
    Column("model_hash", Text, ForeignKey("moderation.model_version.model_hash"), nullable=False),
)

promotion = Table(
    "promotion",
    metadata,
    Column("promotion_id", BigInteger, Identity(always=True), primary_key=True),
    Column("model_hash", Text, ForeignKey("moderation.model_version.model_hash"), nullable=False),
    Column("previous_hash", Text, ForeignKey("moderation.model_version.model_hash")),
    Column("promoted_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    _time("promoted_at"),
)

audit_run = Table(
    "audit_run",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("window_start", DateTime(timezone=True), nullable=False),
    Column("window_end", DateTime(timezone=True), nullable=False),
    Column("model_hash", Text, ForeignKey("moderation.model_version.model_hash"), nullable=False),
    Column("policy_version", Text, nullable=False),
    Column("policy", JSONB, nullable=False),
    Column("device", Text, nullable=False),
    Column("state", Text, nullable=False, server_default="running"),
    Column("listed", BigInteger),  # null until `discover` has committed
    Column("judged", BigInteger),
    Column("quarantined", BigInteger),
    Column("already_judged", BigInteger),
    Column("report", JSONB),
    _time("started_at"),
    _time("reconciled_at", filled=False),
    CheckConstraint("window_start < window_end", name="audit_run_window"),
    CheckConstraint("state in ('running', 'reconciled', 'failed')", name="audit_run_state"),
)

audit_image = Table(
    "audit_image",
    metadata,
    Column("run_id", Text, ForeignKey("moderation.audit_run.run_id"), primary_key=True),
    _key(primary_key=True),
    Column("etag", Text, nullable=False),
    Column("outcome", Text),  # null: still to judge
    Column("fetch_failures", SmallInteger, nullable=False, server_default="0"),
    CheckConstraint(
        "outcome in ('judged', 'quarantined', 'already_judged')", name="audit_image_outcome"
    ),
)

audit_shard = Table(
    "audit_shard",
    metadata,
    Column("run_id", Text, ForeignKey("moderation.audit_run.run_id"), primary_key=True),
    Column("shard_index", Integer, primary_key=True),
    _key("first_key"),
    _key("last_key"),
    Column("images", Integer, nullable=False),
    # Summed over the attempts of the shard's task: stage -> seconds.
    Column("seconds", JSONB, nullable=False, server_default="{}"),
)

verdict = Table(
    "verdict",
    metadata,
    Column("content_sha256", Text, primary_key=True),
    Column("model_hash", Text, ForeignKey("moderation.model_version.model_hash"), primary_key=True),
    Column("policy_version", Text, primary_key=True),
    Column("decision", Text, nullable=False),
    Column("reasons", ARRAY(Text), nullable=False),
    Column("scores", JSONB, nullable=False),
    Column("violation_score", Float, nullable=False),
    Column("pass_confidence", Float, nullable=False),
    Column("screens", JSONB, nullable=False, server_default="{}"),
    Column("libraries", JSONB, nullable=False),
    Column("run_id", Text, nullable=False),
    _time("judged_at"),
    CheckConstraint("decision in ('pass', 'review', 'block')", name="verdict_decision"),
)

quarantine = Table(
    "quarantine",
    metadata,
    _key(primary_key=True),
    Column("etag", Text, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False, server_default=""),
    Column("run_id", Text, nullable=False),
    _time("quarantined_at"),
    Column("released_by", Text),  # the run that could judge it after all
)

review_task = Table(
    "review_task",
    metadata,
    Column("task_id", BigInteger, Identity(always=True), primary_key=True),
    _key(),
    Column("etag", Text, nullable=False),
    Column("content_sha256", Text, nullable=False),
    Column("model_hash", Text, nullable=False),
    Column("policy_version", Text, nullable=False),
    Column("reasons", ARRAY(Text), nullable=False),
    Column("violation_score", Float, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("state", Text, nullable=False, server_default="open"),
    _time("created_at"),
    UniqueConstraint("object_key", "etag", name="review_task_object"),
    CheckConstraint("state in ('open', 'claimed', 'decided')", name="review_task_state"),
)
