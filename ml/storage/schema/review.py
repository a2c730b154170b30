"""The review queue and what reviewers do in it; and what operators keep: alerts, keys, purges."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from ml.storage.schema.photos import (
    TEXTS,
    TIME,
    key,
    metadata,
    optional,
    primary,
    reference,
    required,
)

_IS_OPEN = sa.text("state = 'open'")

review_task = sa.Table(
    "review_task",
    metadata,
    sa.Column("task_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    key(),
    *required(sa.Text, "etag", "content_sha256", "model_hash", "policy_version", "run_id"),
    *required(TEXTS, "reasons"),
    *required(sa.Float, "violation_score"),
    *required(sa.Text, "state"),  # open, claimed or decided
    *required(sa.Text, "kind"),  # verdict, second_review, blind or golden
    # spot_check, active_learning or second_review; null: a violation or an uncertain photo, as the
    # reasons say.
    *optional(sa.Text, "route"),
    *required(sa.Float, "sampling_rate"),  # probability that such a photo is reviewed
    *required(TIME, "created_at", "opened_at"),  # they are equal until the task is reopened
    *optional(sa.Text, "claimed_by"),  # the lease's holder and end
    *optional(TIME, "claimed_until"),
    *required(TEXTS, "skipped_by", "excluded_reviewers"),  # it is never offered to the latter
    *required(sa.Float, "priority"),  # the violation score, or a drawn number that looks like one
    sa.Index(
        "review_task_priority",
        sa.text("(kind = 'second_review'::text)"),
        sa.text("priority DESC"),
        "task_id",
        postgresql_where=_IS_OPEN,
    ),
    # An object has one task of each kind, but many golden ones: one per reviewer and time.
    sa.Index(
        "review_task_object",
        "object_key",
        "etag",
        "kind",
        unique=True,
        postgresql_where=sa.text("kind <> 'golden'"),
    ),
    sa.Index("review_task_content", "content_sha256"),
    sa.Index("review_task_oldest", "opened_at", "task_id", postgresql_where=_IS_OPEN),
    sa.Index(
        "review_task_skipped",
        "task_id",
        postgresql_where=sa.text("state = 'open' and skipped_by <> '{}'"),
    ),
    sa.Index("review_task_reasons", "reasons", postgresql_using="gin", postgresql_where=_IS_OPEN),
    sa.Index(
        "review_task_lease_end", "claimed_until", postgresql_where=sa.text("state = 'claimed'")
    ),
    sa.Index(
        "review_task_spot_check", "created_at", postgresql_where=sa.text("route = 'spot_check'")
    ),
    sa.Index(
        "review_task_active_learning",
        "created_at",
        postgresql_where=sa.text("route = 'active_learning'"),
    ),
)

decision_undo = sa.Table(
    "decision_undo",  # labels that their reviewer undid; human_label itself is append-only
    metadata,
    reference(sa.BigInteger, "label_id", "human_label.label_id", primary_key=True),
    *required(sa.Text, "undone_by"),
    *required(TIME, "undone_at"),
)

appeal = sa.Table(
    "appeal",
    metadata,
    sa.Column("appeal_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    reference(sa.BigInteger, "task_id", "review_task.task_id"),
    *required(sa.Text, "reason", "appealed_by"),
    # The task's last label at the time of the appeal; 0: none.
    *required(sa.BigInteger, "superseded_label_id"),
    *required(TIME, "appealed_at"),
    sa.Index("appeal_task", "task_id"),
)

golden_answer = sa.Table(
    "golden_answer",  # answers to hidden golden tasks measure reviewers; they are no labels
    metadata,
    reference(sa.BigInteger, "task_id", "review_task.task_id", primary_key=True),
    reference(sa.Text, "golden_hash", "golden_set.golden_hash"),
    *required(sa.Text, "content_sha256", "truth", "label", "reviewer"),
    *required(TIME, "answered_at"),
    sa.Index("golden_answer_reviewer", "reviewer", "answered_at"),
)

reviewer_preference = sa.Table(
    "reviewer_preference",
    metadata,
    *primary(sa.Text, "reviewer"),
    *required(JSONB, "settings"),
    *required(TIME, "changed_at"),
)

activity = sa.Table(
    "activity",  # who did what to what, when
    metadata,
    sa.Column("activity_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    *required(sa.Text, "actor", "action", "target"),
    *required(JSONB, "detail"),
    *required(TIME, "occurred_at"),
    sa.Index("activity_target", "target", "activity_id"),
    sa.Index("activity_actor", "actor", "activity_id"),
    sa.Index("activity_time", "occurred_at"),
)

alert = sa.Table(
    "alert",  # what was wrong, from when to when, and what was delivered
    metadata,
    sa.Column("alert_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    *required(sa.Text, "kind", "dedup_key"),
    *required(JSONB, "details"),
    *required(TIME, "raised_at"),
    # The last two: when the receiver was notified that it was raised, and resolved.
    *optional(TIME, "resolved_at", "notified_at", "resolution_notified_at"),
    *optional(sa.Text, "last_error"),  # of the last delivery, where that failed
    sa.Index(
        "alert_open",
        "kind",
        "dedup_key",
        unique=True,
        postgresql_where=sa.text("resolved_at is null"),
    ),
    sa.Index(
        "alert_undelivered",
        "alert_id",
        postgresql_where=sa.text(
            "resolved_at is null and notified_at is null"
            " or resolved_at is not null and notified_at is not null"
            " and resolution_notified_at is null"
        ),
    ),
)

api_key = sa.Table(
    "api_key",  # who may call /predict; the secret itself is nowhere
    metadata,
    *primary(sa.Text, "key_id"),
    *required(sa.Text, "name"),
    *required(sa.LargeBinary, "secret_sha256"),
    *required(TEXTS, "rights"),  # predict, metrics
    *optional(sa.Integer, "requests_per_minute", "in_flight"),  # null: what the settings say
    *required(TIME, "created_at"),
    *optional(TIME, "revoked_at"),
    sa.Index("api_key_name", "name", unique=True, postgresql_where=sa.text("revoked_at is null")),
)

purge = sa.Table(
    "purge",  # what a run of `purge_expired` deleted of each kind
    metadata,
    *primary(sa.Text, "run_id", "kind"),
    *required(TIME, "cutoff", "started_at"),
    *required(sa.Integer, "days"),  # the policy's, before the cutoff
    *required(sa.BigInteger, "deleted", "bytes"),  # rows or files, and their bytes
)
