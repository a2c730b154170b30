"""The review queue and what reviewers do in it; and what operators keep: alerts, keys, purges."""

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from ml.storage.schema.photos import TEXTS, key, metadata, time

_IS_OPEN = text("state = 'open'")

review_task = Table(
    "review_task",
    metadata,
    Column("task_id", BigInteger, Identity(always=True), primary_key=True),
    key(),
    Column("etag", Text, nullable=False),
    Column("content_sha256", Text, nullable=False),
    Column("model_hash", Text, nullable=False),
    Column("policy_version", Text, nullable=False),
    Column("reasons", TEXTS, nullable=False),
    Column("violation_score", Float, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("state", Text, nullable=False),  # open, claimed or decided
    time("created_at"),
    Column("kind", Text, nullable=False),  # verdict, second_review, blind or golden
    Column("claimed_by", Text),  # the lease's holder and end
    time("claimed_until", filled=False),
    Column("skipped_by", TEXTS, nullable=False),
    time("opened_at"),  # `created_at` until the task is reopened
    # The violation score, or a drawn number that looks like one.
    Column("priority", Float, nullable=False),
    # spot_check or second_review; null: a violation or an uncertain photo, as the reasons say.
    Column("route", Text),
    Column("sampling_rate", Float, nullable=False),  # share of its route
    Column("excluded_reviewers", TEXTS, nullable=False),  # never offered to these
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
    Column("label_id", BigInteger, ForeignKey("moderation.human_label.label_id"), primary_key=True),
    Column("undone_by", Text, nullable=False),
    time("undone_at"),
)

appeal = Table(
    "appeal",
    metadata,
    Column("appeal_id", BigInteger, Identity(always=True), primary_key=True),
    Column("task_id", ForeignKey(review_task.c.task_id), nullable=False),
    Column("reason", Text, nullable=False),
    Column("appealed_by", Text, nullable=False),
    # The task's last label at the time of the appeal; 0: none.
    Column("superseded_label_id", BigInteger, nullable=False),
    time("appealed_at"),
    Index("appeal_task", "task_id"),
)

golden_answer = Table(
    "golden_answer",  # answers to hidden golden tasks measure reviewers; they are no labels
    metadata,
    Column("task_id", ForeignKey(review_task.c.task_id), primary_key=True),
    Column("content_sha256", Text, nullable=False),
    Column("golden_hash", Text, ForeignKey("moderation.golden_set.golden_hash"), nullable=False),
    Column("truth", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("reviewer", Text, nullable=False),
    time("answered_at"),
    Index("golden_answer_reviewer", "reviewer", "answered_at"),
)

reviewer_preference = Table(
    "reviewer_preference",
    metadata,
    Column("reviewer", Text, primary_key=True),
    Column("settings", JSONB, nullable=False),
    time("changed_at"),
)

activity = Table(
    "activity",  # who did what to what, when
    metadata,
    Column("activity_id", BigInteger, Identity(always=True), primary_key=True),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("detail", JSONB, nullable=False),
    time("occurred_at"),
    Index("activity_target", "target", "activity_id"),
    Index("activity_actor", "actor", "activity_id"),
    Index("activity_time", "occurred_at"),
)

alert = Table(
    "alert",  # what was wrong, from when to when, and what was delivered
    metadata,
    Column("alert_id", BigInteger, Identity(always=True), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("dedup_key", Text, nullable=False),
    Column("details", JSONB, nullable=False),
    time("raised_at"),
    time("resolved_at", filled=False),
    time("notified_at", filled=False),  # that it was raised
    time("resolution_notified_at", filled=False),  # that it is resolved
    Column("last_error", Text),  # of the last delivery, where that failed
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
    Column("key_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("secret_sha256", LargeBinary, nullable=False),
    Column("rights", TEXTS, nullable=False),  # predict, metrics
    Column("requests_per_minute", Integer),  # null: what the settings say
    Column("in_flight", Integer),  # as above
    time("created_at"),
    time("revoked_at", filled=False),
    Index("api_key_name", "name", unique=True, postgresql_where=text("revoked_at is null")),
)

purge = Table(
    "purge",  # what a run of `purge_expired` deleted of each kind
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    time("cutoff"),
    Column("days", Integer, nullable=False),  # the policy's, before the cutoff
    Column("deleted", BigInteger, nullable=False),  # rows or files
    Column("bytes", BigInteger, nullable=False),
    time("started_at"),
)
