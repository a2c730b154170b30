"""Model versions, the champion, and how it came to be."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Identity,
    Integer,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import JSONB

from ml.storage.schema.columns import metadata, time

retrain_run = Table(
    "retrain_run",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("as_of", DateTime(timezone=True), nullable=False),
    Column("policy_version", Text, nullable=False),
    Column("policy", JSONB, nullable=False),
    Column("preset", Text, nullable=False),
    Column("seed", Integer, nullable=False),
    Column("champion_hash", Text, ForeignKey("moderation.model_version.model_hash")),
    Column("snapshot_hash", Text, ForeignKey("moderation.label_snapshot.snapshot_hash")),
    Column("candidate_hash", Text, ForeignKey("moderation.model_version.model_hash")),
    Column("state", Text, nullable=False, server_default="running"),
    Column("reason", Text, nullable=False, server_default=""),
    time("started_at"),
    time("finished_at", filled=False),
    CheckConstraint(
        "state in ('running', 'skipped', 'held', 'rejected', 'promoted')", name="retrain_run_state"
    ),
)

training_epoch = Table(
    "training_epoch",
    metadata,
    Column("run_id", Text, ForeignKey("moderation.retrain_run.run_id"), primary_key=True),
    Column("epoch", Integer, primary_key=True),
    Column("train_loss", Float, nullable=False),
    Column("train_accuracy", Float, nullable=False),
    Column("validation_loss", Float, nullable=False),
    Column("validation_accuracy", Float, nullable=False),
    Column("learning_rate", Float, nullable=False),
    Column("seconds", Float, nullable=False),
)


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
    Column(
        "singleton", Boolean, CheckConstraint("singleton"), primary_key=True, server_default="true"
    ),
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
