"""Reviewers' labels and the sets made of them; model versions, and the runs that train them."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from ml.storage.schema.photos import key, metadata, time, view

human_label = Table(
    "human_label",
    metadata,
    Column("label_id", BigInteger, Identity(always=True), primary_key=True),
    Column("content_sha256", Text, nullable=False),
    Column("label", Text, nullable=False),  # a class of the policy
    Column("category", Text),  # finer than the class, where the reviewer gave one
    Column("reviewer", Text, nullable=False),
    time("decided_at"),
    Column("route", Text, nullable=False),  # how the photo was routed to review
    Column("sampling_rate", Float, nullable=False),  # share of its route's photos under review
    Column("task_id", BigInteger, ForeignKey("moderation.review_task.task_id")),
    Column("note", Text, nullable=False),
    UniqueConstraint("content_sha256", "reviewer", "decided_at", "label", name="human_label_once"),
    Index("human_label_content", "content_sha256", "decided_at"),
    Index("human_label_decided", "decided_at"),
    Index(
        "human_label_reviewer",
        "reviewer",
        "label_id",
        postgresql_where=text("task_id is not null"),
    ),
)

active_label = view("active_label", human_label.columns)  # the labels that nobody undid

archived_photo = Table(
    "archived_photo",  # bytes of labeled photos, in the model bucket under labelled/<sha256>
    metadata,
    Column("content_sha256", Text, primary_key=True),
    key(),
    Column("review_id", Text),
    Column("size_bytes", BigInteger, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("pdq", Text, nullable=False),
    Column("pdq_quality", SmallInteger, nullable=False),
    time("stored_at"),
    # When retention deleted the bytes; the rest of the row stays.
    time("deleted_at", filled=False),
)

blocklist_photo = Table(
    "blocklist_photo",  # photos that no promoted version may ever pass
    metadata,
    Column("content_sha256", ForeignKey(archived_photo.c.content_sha256), primary_key=True),
    Column("added_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    time("added_at"),
)

golden_set = Table(
    "golden_set",  # its photos are listed in the model bucket under golden/<hash>.json
    metadata,
    Column("golden_hash", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("parent_hash", Text, ForeignKey("moderation.golden_set.golden_hash")),
    Column("photos", Integer, nullable=False),
    Column("added", Integer, nullable=False),
    time("created_at"),
    UniqueConstraint("name", name="golden_set_name"),
)

golden_photo = Table(
    "golden_photo",  # what golden/<hash>.json lists, for queries
    metadata,
    Column("golden_hash", ForeignKey(golden_set.c.golden_hash), primary_key=True),
    Column("content_sha256", Text, primary_key=True),
    Column("label", Text, nullable=False),
    Index("golden_photo_content", "content_sha256"),
)

label_snapshot = Table(
    "label_snapshot",  # its manifest is in the model bucket under snapshots/<hash>.json
    metadata,
    Column("snapshot_hash", Text, primary_key=True),
    time("as_of"),
    Column("golden_hash", ForeignKey(golden_set.c.golden_hash), nullable=False),
    Column("photos", Integer, nullable=False),
    Column("new_photos", Integer, nullable=False),
    time("created_at"),
)

label_issue = Table(
    "label_issue",  # suspected label errors
    metadata,
    Column("snapshot_hash", ForeignKey(label_snapshot.c.snapshot_hash), primary_key=True),
    Column("content_sha256", Text, primary_key=True),
    Column("label", Text, nullable=False),
    Column("likely_label", Text, nullable=False),
    Column("label_quality", Float, nullable=False),  # 0..1, lower is more suspicious
)

model_version = Table(
    "model_version",
    metadata,
    Column("model_hash", Text, primary_key=True),
    Column("weights_sha256", Text, nullable=False),
    Column("card", JSONB, nullable=False),
    time("registered_at"),
    # What `retrain_model` found; null for a version that no retraining run trained.
    Column("snapshot_hash", ForeignKey(label_snapshot.c.snapshot_hash)),
    Column("compared_with", Text, ForeignKey("moderation.model_version.model_hash")),
    Column("evaluation", JSONB),
    Column("gates", JSONB),
    Column("gate_decision", Text),  # promote or hold
)

retrain_run = Table(
    "retrain_run",
    metadata,
    Column("run_id", Text, primary_key=True),
    time("as_of"),
    Column("policy_version", Text, nullable=False),
    Column("policy", JSONB, nullable=False),
    Column("preset", Text, nullable=False),
    Column("seed", Integer, nullable=False),
    Column("champion_hash", ForeignKey(model_version.c.model_hash)),
    Column("snapshot_hash", ForeignKey(label_snapshot.c.snapshot_hash)),
    Column("candidate_hash", ForeignKey(model_version.c.model_hash)),
    Column("state", Text, nullable=False),  # running, skipped, held, rejected or promoted
    Column("reason", Text, nullable=False),
    time("started_at"),
    time("finished_at", filled=False),
)

training_epoch = Table(
    "training_epoch",
    metadata,
    Column("run_id", ForeignKey(retrain_run.c.run_id), primary_key=True),
    Column("epoch", Integer, primary_key=True),
    Column("train_loss", Float, nullable=False),
    Column("train_accuracy", Float, nullable=False),
    Column("validation_loss", Float, nullable=False),
    Column("validation_accuracy", Float, nullable=False),
    Column("learning_rate", Float, nullable=False),
    Column("seconds", Float, nullable=False),
)

champion = Table(
    "champion",
    metadata,
    Column("singleton", Boolean, primary_key=True),
    Column("model_hash", ForeignKey(model_version.c.model_hash), nullable=False),
)

promotion = Table(
    "promotion",
    metadata,
    Column("promotion_id", BigInteger, Identity(always=True), primary_key=True),
    Column("model_hash", ForeignKey(model_version.c.model_hash), nullable=False),
    Column("previous_hash", ForeignKey(model_version.c.model_hash)),
    Column("promoted_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    time("promoted_at"),
    Column("kind", Text, nullable=False),  # promote or rollback
)
