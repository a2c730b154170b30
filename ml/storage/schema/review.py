"""The review queue, and what reviewers do in it apart from labelling."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Identity,
    Index,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from ml.storage.schema.columns import key, metadata, time

review_task = Table(
    "review_task",
    metadata,
    Column("task_id", BigInteger, Identity(always=True), primary_key=True),
    key(),
    Column("etag", Text, nullable=False),
    Column("content_sha256", Text, nullable=False),
    Column("model_hash", Text, nullable=False),
    Column("policy_version", Text, nullable=False),
    Column("reasons", ARRAY(Text), nullable=False),
    Column("violation_score", Float, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("state", Text, nullable=False, server_default="open"),
    time("created_at"),
    Column("kind", Text, nullable=False, server_default="verdict"),
    Column("claimed_by", Text),  # the lease's holder and end
    Column("claimed_until", DateTime(timezone=True)),
    Column("skipped_by", ARRAY(Text), nullable=False, server_default="{}"),
    time("opened_at"),  # `created_at` until the task is reopened
    # The violation score, or a drawn number that looks like one.
    Column("priority", Float, nullable=False),
    Column("route", Text),  # null: a violation or an uncertain photo, as the reasons say
    Column("sampling_rate", Float, nullable=False, server_default="1"),  # share of its route
    # Never offered to these.
    Column("excluded_reviewers", ARRAY(Text), nullable=False, server_default="{}"),
    CheckConstraint(
        "kind in ('verdict', 'second_review', 'blind', 'golden')", name="review_task_kind"
    ),
    CheckConstraint("route in ('spot_check', 'second_review')", name="review_task_route"),
    CheckConstraint("sampling_rate > 0 and sampling_rate <= 1", name="review_task_sampling_rate"),
    CheckConstraint("state in ('open', 'claimed', 'decided')", name="review_task_state"),
    CheckConstraint(
        "(state = 'claimed') = (claimed_by is not null)"
        " and (state = 'claimed') = (claimed_until is not null)",
        name="review_task_lease",
    ),
    Index(
        "review_task_priority",
        text("(kind = 'second_review'::text)"),
        text("priority DESC"),
        "task_id",
        postgresql_where=text("state = 'open'"),
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
    Index("review_task_oldest", "opened_at", "task_id", postgresql_where=text("state = 'open'")),
    Index(
        "review_task_skipped",
        "task_id",
        postgresql_where=text("state = 'open' and skipped_by <> '{}'"),
    ),
    Index(
        "review_task_reasons",
        "reasons",
        postgresql_using="gin",
        postgresql_where=text("state = 'open'"),
    ),
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
    Column("task_id", BigInteger, ForeignKey("moderation.review_task.task_id"), nullable=False),
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
    Column("task_id", BigInteger, ForeignKey("moderation.review_task.task_id"), primary_key=True),
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
    Column("settings", JSONB, nullable=False, server_default="{}"),
    time("changed_at"),
)

activity = Table(
    "activity",  # who did what to what, when
    metadata,
    Column("activity_id", BigInteger, Identity(always=True), primary_key=True),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("detail", JSONB, nullable=False, server_default="{}"),
    time("occurred_at"),
    Index("activity_target", "target", "activity_id"),
    Index("activity_actor", "actor", "activity_id"),
    Index("activity_time", "occurred_at"),
)
