"""The tables of schema `moderation`, as SQLAlchemy Core; `migrations/` creates them."""

from ml.storage.schema.audit import (
    audit_image,
    audit_run,
    audit_shard,
    leak_estimate,
    sampling_key,
    shadow,
    shadow_verdict,
)
from ml.storage.schema.columns import metadata
from ml.storage.schema.labels import (
    active_label,
    archived_photo,
    blocklist_photo,
    golden_photo,
    golden_set,
    human_label,
    label_issue,
    label_snapshot,
)
from ml.storage.schema.models import champion, model_version, promotion, retrain_run, training_epoch
from ml.storage.schema.operations import alert, api_key, purge
from ml.storage.schema.photos import image, quarantine, verdict
from ml.storage.schema.review import (
    activity,
    appeal,
    decision_undo,
    golden_answer,
    review_task,
    reviewer_preference,
)

__all__ = [
    "active_label",
    "activity",
    "alert",
    "api_key",
    "appeal",
    "archived_photo",
    "audit_image",
    "audit_run",
    "audit_shard",
    "blocklist_photo",
    "champion",
    "decision_undo",
    "golden_answer",
    "golden_photo",
    "golden_set",
    "human_label",
    "image",
    "label_issue",
    "label_snapshot",
    "leak_estimate",
    "metadata",
    "model_version",
    "promotion",
    "purge",
    "quarantine",
    "retrain_run",
    "review_task",
    "reviewer_preference",
    "sampling_key",
    "shadow",
    "shadow_verdict",
    "training_epoch",
    "verdict",
]
