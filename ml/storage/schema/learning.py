"""Reviewers' labels and the sets made of them; model versions, and the runs that train them."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
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

from ml.storage.schema.photos import (
    TIME,
    key,
    metadata,
    optional,
    primary,
    reference,
    required,
    view,
)

human_label = Table(
    "human_label",
    metadata,
    Column("label_id", BigInteger, Identity(always=True), primary_key=True),
    *required(Text, "content_sha256", "label", "reviewer", "note"),  # label: a class of the policy
    *optional(Text, "category"),  # finer than the class, where the reviewer gave one
    *required(TIME, "decided_at"),
    *required(Text, "route"),  # how the photo was routed to review
    *required(Float, "sampling_rate"),  # share of its route's photos that are reviewed
    reference(BigInteger, "task_id", "review_task.task_id", nullable=True),
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
    *primary(Text, "content_sha256"),
    key(),
    *optional(Text, "review_id"),
    *required(BigInteger, "size_bytes"),
    *required(Integer, "width", "height"),
    *required(Text, "pdq"),
    *required(SmallInteger, "pdq_quality"),
    *required(TIME, "stored_at"),
    *optional(TIME, "deleted_at"),  # when retention deleted the bytes; the row stays
)

blocklist_photo = Table(
    "blocklist_photo",  # photos that no promoted version may ever pass
    metadata,
    reference(Text, "content_sha256", "archived_photo.content_sha256", primary_key=True),
    *required(Text, "added_by", "reason"),
    *required(TIME, "added_at"),
)

golden_set = Table(
    "golden_set",  # its photos are listed in the model bucket under golden/<hash>.json
    metadata,
    *primary(Text, "golden_hash"),
    *required(Text, "name"),
    reference(Text, "parent_hash", "golden_set.golden_hash", nullable=True),
    *required(Integer, "photos", "added"),
    *required(TIME, "created_at"),
    UniqueConstraint("name", name="golden_set_name"),
)

golden_photo = Table(
    "golden_photo",  # what golden/<hash>.json lists, for queries
    metadata,
    reference(Text, "golden_hash", "golden_set.golden_hash", primary_key=True),
    *primary(Text, "content_sha256"),
    *required(Text, "label"),
    Index("golden_photo_content", "content_sha256"),
)

label_snapshot = Table(
    "label_snapshot",  # its manifest is in the model bucket under snapshots/<hash>.json
    metadata,
    *primary(Text, "snapshot_hash"),
    *required(TIME, "as_of", "created_at"),
    reference(Text, "golden_hash", "golden_set.golden_hash"),
    *required(Integer, "photos", "new_photos"),
)

label_issue = Table(
    "label_issue",  # suspected label errors
    metadata,
    reference(Text, "snapshot_hash", "label_snapshot.snapshot_hash", primary_key=True),
    *primary(Text, "content_sha256"),
    *required(Text, "label", "likely_label"),
    *required(Float, "label_quality"),  # 0..1, lower is more suspicious
)

model_version = Table(
    "model_version",
    metadata,
    *primary(Text, "model_hash"),
    *required(Text, "weights_sha256"),
    *required(JSONB, "card"),
    *required(TIME, "registered_at"),
    # What `retrain_model` found; null for a version that no retraining run trained.
    reference(Text, "snapshot_hash", "label_snapshot.snapshot_hash", nullable=True),
    reference(Text, "compared_with", "model_version.model_hash", nullable=True),
    *optional(JSONB, "evaluation", "gates"),
    *optional(Text, "gate_decision"),  # promote or hold
)

retrain_run = Table(
    "retrain_run",
    metadata,
    *primary(Text, "run_id"),
    *required(TIME, "as_of", "started_at"),
    *required(Text, "policy_version", "preset"),
    *required(JSONB, "policy"),
    *required(Integer, "seed"),
    reference(Text, "champion_hash", "model_version.model_hash", nullable=True),
    reference(Text, "snapshot_hash", "label_snapshot.snapshot_hash", nullable=True),
    reference(Text, "candidate_hash", "model_version.model_hash", nullable=True),
    # The state is running, skipped, held, rejected or promoted.
    *required(Text, "state", "reason"),
    *optional(TIME, "finished_at"),
)

training_epoch = Table(
    "training_epoch",
    metadata,
    reference(Text, "run_id", "retrain_run.run_id", primary_key=True),
    *primary(Integer, "epoch"),
    *required(Float, "train_loss", "train_accuracy", "validation_loss", "validation_accuracy"),
    *required(Float, "learning_rate", "seconds"),
)

champion = Table(
    "champion",
    metadata,
    *primary(Boolean, "singleton"),
    reference(Text, "model_hash", "model_version.model_hash"),
)

promotion = Table(
    "promotion",
    metadata,
    Column("promotion_id", BigInteger, Identity(always=True), primary_key=True),
    reference(Text, "model_hash", "model_version.model_hash"),
    reference(Text, "previous_hash", "model_version.model_hash", nullable=True),
    *required(Text, "promoted_by", "reason", "kind"),  # kind: promote or rollback
    *required(TIME, "promoted_at"),
)
