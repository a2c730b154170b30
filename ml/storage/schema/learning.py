"""Reviewers' labels and the sets made of them; model versions, and the runs that train them."""

import sqlalchemy as sa
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

human_label = sa.Table(
    "human_label",
    metadata,
    sa.Column("label_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    *required(
        sa.Text, "content_sha256", "label", "reviewer", "note"
    ),  # label: a class of the policy
    *optional(sa.Text, "category"),  # finer than the class, where the reviewer gave one
    *required(TIME, "decided_at"),
    *required(sa.Text, "route"),  # how the photo was routed to review
    *required(sa.Float, "sampling_rate"),  # share of its route's photos that are reviewed
    reference(sa.BigInteger, "task_id", "review_task.task_id", nullable=True),
    sa.UniqueConstraint(
        "content_sha256", "reviewer", "decided_at", "label", name="human_label_once"
    ),
    sa.Index("human_label_content", "content_sha256", "decided_at"),
    sa.Index("human_label_decided", "decided_at"),
    sa.Index(
        "human_label_reviewer",
        "reviewer",
        "label_id",
        postgresql_where=sa.text("task_id is not null"),
    ),
)

active_label = view("active_label", human_label.columns)  # the labels that nobody undid

archived_photo = sa.Table(
    "archived_photo",  # bytes of labeled photos, in the model bucket under labelled/<sha256>
    metadata,
    *primary(sa.Text, "content_sha256"),
    key(),
    *optional(sa.Text, "review_id"),
    *required(sa.BigInteger, "size_bytes"),
    *required(sa.Integer, "width", "height"),
    *required(sa.Text, "pdq"),
    *required(sa.SmallInteger, "pdq_quality"),
    *required(TIME, "stored_at"),
    *optional(TIME, "deleted_at"),  # when retention deleted the bytes; the row stays
)

blocklist_photo = sa.Table(
    "blocklist_photo",  # photos that no promoted version may ever pass
    metadata,
    reference(sa.Text, "content_sha256", "archived_photo.content_sha256", primary_key=True),
    *required(sa.Text, "added_by", "reason"),
    *required(TIME, "added_at"),
)

blocklist_hash = sa.Table(
    "blocklist_hash",  # hashes of outside lists
    metadata,
    *primary(sa.Text, "kind", "hash", "source"),  # kind: pdq, md5 or sha256; hash: hexadecimal
    *required(sa.Text, "added_by"),
    *required(TIME, "added_at"),
    sa.Index("blocklist_hash_source", "source"),
)

golden_set = sa.Table(
    "golden_set",  # its photos are listed in the model bucket under golden/<hash>.json
    metadata,
    *primary(sa.Text, "golden_hash"),
    *required(sa.Text, "name"),
    reference(sa.Text, "parent_hash", "golden_set.golden_hash", nullable=True),
    *required(sa.Integer, "photos", "added"),
    *required(TIME, "created_at"),
    sa.UniqueConstraint("name", name="golden_set_name"),
)

golden_photo = sa.Table(
    "golden_photo",  # what golden/<hash>.json lists, for queries
    metadata,
    reference(sa.Text, "golden_hash", "golden_set.golden_hash", primary_key=True),
    *primary(sa.Text, "content_sha256"),
    *required(sa.Text, "label"),
    sa.Index("golden_photo_content", "content_sha256"),
)

label_snapshot = sa.Table(
    "label_snapshot",  # its manifest is in the model bucket under snapshots/<hash>.json
    metadata,
    *primary(sa.Text, "snapshot_hash"),
    *required(TIME, "as_of", "created_at"),
    reference(sa.Text, "golden_hash", "golden_set.golden_hash"),
    *required(sa.Integer, "photos", "new_photos"),
)

label_issue = sa.Table(
    "label_issue",  # suspected label errors
    metadata,
    reference(sa.Text, "snapshot_hash", "label_snapshot.snapshot_hash", primary_key=True),
    *primary(sa.Text, "content_sha256"),
    *required(sa.Text, "label", "likely_label"),
    *required(sa.Float, "label_quality"),  # 0..1, lower is more suspicious
)

model_version = sa.Table(
    "model_version",
    metadata,
    *primary(sa.Text, "model_hash"),
    *required(sa.Text, "weights_sha256"),
    *required(JSONB, "card"),
    *required(TIME, "registered_at"),
    # What `retrain_model` found; null for a version that no retraining run trained.
    reference(sa.Text, "snapshot_hash", "label_snapshot.snapshot_hash", nullable=True),
    reference(sa.Text, "compared_with", "model_version.model_hash", nullable=True),
    *optional(JSONB, "evaluation", "gates"),
    *optional(sa.Text, "gate_decision"),  # promote or hold
)

pretrained_weights = sa.Table(
    "pretrained_weights",  # distilled on the shop's own photos; in the model bucket
    metadata,
    *primary(sa.Text, "weights_sha256"),
    key(),
    *required(JSONB, "card"),
    *required(sa.Text, "run_id"),  # the retraining run that distilled them
    *required(TIME, "registered_at"),
    sa.Index("pretrained_weights_run", "run_id"),
)

retrain_run = sa.Table(
    "retrain_run",
    metadata,
    *primary(sa.Text, "run_id"),
    *required(TIME, "as_of", "started_at"),
    *required(sa.Text, "policy_version", "preset"),
    *required(JSONB, "policy"),
    *required(sa.Integer, "seed"),
    reference(sa.Text, "champion_hash", "model_version.model_hash", nullable=True),
    reference(sa.Text, "snapshot_hash", "label_snapshot.snapshot_hash", nullable=True),
    reference(sa.Text, "candidate_hash", "model_version.model_hash", nullable=True),
    # An input: weights that an earlier run distilled, one more start. And the comparison of all.
    reference(sa.Text, "weights_sha256", "pretrained_weights.weights_sha256", nullable=True),
    *optional(JSONB, "starts"),
    *optional(sa.Text, "photo_list_hash"),  # of the photos that it distills on
    # The state is running, skipped, held, rejected or promoted.
    *required(sa.Text, "state", "reason"),
    *optional(TIME, "finished_at"),
)

training_epoch = sa.Table(
    "training_epoch",
    metadata,
    reference(sa.Text, "run_id", "retrain_run.run_id", primary_key=True),
    *primary(sa.Integer, "epoch"),
    *required(sa.Float, "train_loss", "train_accuracy", "validation_loss", "validation_accuracy"),
    *required(sa.Float, "learning_rate", "seconds"),
)

champion = sa.Table(
    "champion",
    metadata,
    *primary(sa.Boolean, "singleton"),
    reference(sa.Text, "model_hash", "model_version.model_hash"),
)

promotion = sa.Table(
    "promotion",
    metadata,
    sa.Column("promotion_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    reference(sa.Text, "model_hash", "model_version.model_hash"),
    reference(sa.Text, "previous_hash", "model_version.model_hash", nullable=True),
    *required(sa.Text, "promoted_by", "reason", "kind"),  # kind: promote or rollback
    *required(TIME, "promoted_at"),
)
