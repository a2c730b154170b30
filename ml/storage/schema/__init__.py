"""The tables of schema `moderation`, as SQLAlchemy Core; `migrations/` creates them."""

from ml.storage.schema.audit import audit_image, audit_run, audit_shard, shadow, shadow_verdict
from ml.storage.schema.columns import metadata
from ml.storage.schema.labels import (
    golden_photo,
    golden_set,
    human_label,
    known_bad,
    label_doubt,
    label_snapshot,
    labelled_photo,
)
from ml.storage.schema.models import champion, model_version, promotion
from ml.storage.schema.operations import alert, api_key, purge
from ml.storage.schema.photos import image, quarantine, verdict
from ml.storage.schema.random_audit import audit_key, leak_estimate
from ml.storage.schema.retraining import retrain_run, training_epoch
from ml.storage.schema.review import (
    activity,
    appeal,
    decision_undo,
    golden_answer,
    review_task,
    reviewer_preference,
)

__all__ = [
    "activity",
    "alert",
    "api_key",
    "appeal",
    "audit_image",
    "audit_key",
    "audit_run",
    "audit_shard",
    "champion",
    "decision_undo",
    "golden_answer",
    "golden_photo",
    "golden_set",
    "human_label",
    "image",
    "known_bad",
    "label_doubt",
    "label_snapshot",
    "labelled_photo",
    "leak_estimate",
    "metadata",
    "model_version",
    "promotion",
    "purge",
    "quarantine",
    "retrain_run",
    "review_task",
    "reviewer_preference",
    "shadow",
    "shadow_verdict",
    "training_epoch",
    "verdict",
]
