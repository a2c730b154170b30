"""Model versions, the champion, and how it came to be."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import JSONB

from ml.storage.schema.columns import metadata, time

model_version = Table(
    "model_version",
    metadata,
    Column("model_hash", Text, primary_key=True),
    Column("weights_sha256", Text, nullable=False),
    Column("card", JSONB, nullable=False),
    time("registered_at"),
    # What `retrain_model` found; null for a version trained by hand.
    Column("snapshot_hash", Text, ForeignKey("moderation.label_snapshot.snapshot_hash")),
    Column("compared_with", Text, ForeignKey("moderation.model_version.model_hash")),
    Column("evaluation", JSONB),
    Column("gates", JSONB),
    Column("gate_decision", Text),
    CheckConstraint("gate_decision in ('promote', 'hold')", name="model_version_gate_decision"),
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
    time("promoted_at"),
    Column("kind", Text, nullable=False, server_default="promote"),
    CheckConstraint("kind in ('promote', 'rollback')", name="promotion_kind"),
)
