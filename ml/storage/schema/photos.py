"""Photos: what is known of each, their verdicts, and their quarantine."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from ml.storage.schema.columns import key, metadata, time

image = Table(
    "image",
    metadata,
    key(primary_key=True),
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
    Column("written_at", DateTime(timezone=True)),  # distinguishes our own writes from others'
    CheckConstraint("state in ('listed', 'judged', 'quarantined')", name="image_state"),
    Index("image_content", "content_sha256"),
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
    Column("runtime_versions", JSONB, nullable=False),
    Column("run_id", Text, nullable=False),
    time("judged_at"),
    CheckConstraint("decision in ('pass', 'review', 'block')", name="verdict_decision"),
)

quarantine = Table(
    "quarantine",
    metadata,
    key(primary_key=True),
    Column("etag", Text, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False, server_default=""),
    Column("run_id", Text, nullable=False),
    time("quarantined_at"),
    Column("released_by", Text),  # the later run that could score it
)
