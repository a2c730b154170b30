"""A month: its run and its epochs."""

from sqlalchemy import CheckConstraint, Column, DateTime, Float, ForeignKey, Integer, Table, Text
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
