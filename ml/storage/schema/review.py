"""The review queue and what reviewers do in it; and what operators keep: alerts, keys, purges."""

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    text,
)
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

_IS_OPEN = text("state = 'open'")

review_task = Table(
    "review_task",
    metadata,
    Column("task_id", BigInteger, Identity(always=True), primary_key=True),
    key(),
    *required(Text, "etag", "content_sha256", "model_hash", "policy_version", "run_id"),
    *required(TEXTS, "reasons"),
    *required(Float, "violation_score"),
    *required(Text, "state"),  # open, claimed or decided
    *required(Text, "kind"),  # verdict, second_review, blind or golden
    # spot_check or second_review; null: a violation or an uncertain photo, as the reasons say.
    *optional(Text, "route"),
    *required(Float, "sampling_rate"),  # share of its route's photos that are reviewed
    *required(TIME, "created_at", "opened_at"),  # they are equal until the task is reopened
    *optional(Text, "claimed_by"),  # the lease's holder and end
    *optional(TIME, "claimed_until"),
    *required(TEXTS, "skipped_by", "excluded_reviewers"),  # it is never offered to the latter
    *required(Float, "priority"),  # the violation score, or a drawn number that looks like one
    Index(
        "review_task_priority",
        text("(kind = 'second_review'::text)"),
        text("priority DESC"),
        "task_id",
        postgresql_where=_IS_OPEN,
    ),
    # An object has one task of each kind, but many golden ones: one per reviewer and time.
    Index(
        "review_task_object",
        "object_key",
        "etag",
        "kind",
        unique=True,
        postgresql_where=text("kind <> 'golden'"),
    ),
    Index("review_task_content", "content_sha256"),
    Index("review_task_oldest", "opened_at", "task_id", postgresql_where=_IS_OPEN),
    Index(
        "review_task_skipped",
        "task_id",
        postgresql_where=text("state = 'open' and skipped_by <> '{}'"),
    ),
    Index("review_task_reasons", "reasons", postgresql_using="gin", postgresql_where=_IS_OPEN),
    Index("review_task_lease_end", "claimed_until", postgresql_where=text("state = 'claimed'")),
    Index("review_task_spot_check", "created_at", postgresql_where=text("route = 'spot_check'")),
)

decision_undo = Table(
    "decision_undo",  # labels that their reviewer undid; human_label itself is append-only
    metadata,
    reference(BigInteger, "label_id", "human_label.label_id", primary_key=True),
    *required(Text, "undone_by"),
    *required(TIME, "undone_at"),
)

appeal = Table(
    "appeal",
    metadata,
    Column("appeal_id", BigInteger, Identity(always=True), primary_key=True),
    reference(BigInteger, "task_id", "review_task.task_id"),
    *required(Text, "reason", "appealed_by"),
    # The task's last label at the time of the appeal; 0: none.
    *required(BigInteger, "superseded_label_id"),
    *required(TIME, "appealed_at"),
    Index("appeal_task", "task_id"),
)

golden_answer = Table(
    "golden_answer",  # answers to hidden golden tasks measure reviewers; they are no labels
    metadata,
    reference(BigInteger, "task_id", "review_task.task_id", primary_key=True),
    reference(Text, "golden_hash", "golden_set.golden_hash"),
    *required(Text, "content_sha256", "truth", "label", "reviewer"),
    *required(TIME, "answered_at"),
    Index("golden_answer_reviewer", "reviewer", "answered_at"),
)

reviewer_preference = Table(
    "reviewer_preference",
    metadata,
    *primary(Text, "reviewer"),
    *required(JSONB, "settings"),
    *required(TIME, "changed_at"),
)

activity = Table(
    "activity",  # who did what to what, when
    metadata,
    Column("activity_id", BigInteger, Identity(always=True), primary_key=True),
    *required(Text, "actor", "action", "target"),
    *required(JSONB, "detail"),
    *required(TIME, "occurred_at"),
    Index("activity_target", "target", "activity_id"),
    Index("activity_actor", "actor", "activity_id"),
    Index("activity_time", "occurred_at"),
)

alert = Table(
    "alert",  # what was wrong, from when to when, and what was delivered
    metadata,
    Column("alert_id", BigInteger, Identity(always=True), primary_key=True),
    *required(Text, "kind", "dedup_key"),
    *required(JSONB, "details"),
    *required(TIME, "raised_at"),
    # The last two: when the receiver was notified that it was raised, and resolved.
    *optional(TIME, "resolved_at", "notified_at", "resolution_notified_at"),
    *optional(Text, "last_error"),  # of the last delivery, where that failed
    Index(
        "alert_open", "kind", "dedup_key", unique=True, postgresql_where=text("resolved_at is null")
    ),
    Index(
        "alert_undelivered",
        "alert_id",
        postgresql_where=text(
            "resolved_at is null and notified_at is null"
            " or resolved_at is not null and notified_at is not null"
            " and resolution_notified_at is null"
        ),
    ),
)

api_key = Table(
    "api_key",  # who may call /predict; the secret itself is nowhere
    metadata,
    *primary(Text, "key_id"),
    *required(Text, "name"),
    *required(LargeBinary, "secret_sha256"),
    *required(TEXTS, "rights"),  # predict, metrics
    *optional(Integer, "requests_per_minute", "in_flight"),  # null: what the settings say
    *required(TIME, "created_at"),
    *optional(TIME, "revoked_at"),
    Index("api_key_name", "name", unique=True, postgresql_where=text("revoked_at is null")),
)

purge = Table(
    "purge",  # what a run of `purge_expired` deleted of each kind
    metadata,
    *primary(Text, "run_id", "kind"),
    *required(TIME, "cutoff", "started_at"),
    *required(Integer, "days"),  # the policy's, before the cutoff
    *required(BigInteger, "deleted", "bytes"),  # rows or files, and their bytes
)
