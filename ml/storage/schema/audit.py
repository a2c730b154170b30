"""A nightly run: its photos, its shards, its shadow model."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import JSONB

from ml.storage.schema.columns import key, metadata, time

sampling_key = Table(
    "sampling_key",  # of the hash that draws the random audit; made by the migration, never changed
    metadata,
    Column(
        "singleton", Boolean, CheckConstraint("singleton"), primary_key=True, server_default="true"
    ),
    Column("key", LargeBinary, nullable=False),
)

leak_estimate = Table(
    "leak_estimate",  # results of the spot checks
    metadata,
    Column("month", Date, primary_key=True),  # its first day
    Column("decision", Text, primary_key=True),  # of the photos that were drawn
    Column("class", Text, primary_key=True),  # of the wrong ones among them; "": any
    Column("sampled", Integer, nullable=False),
    Column("reviewed", Integer, nullable=False),
    Column("violations", Integer, nullable=False),
    Column("rate", Float),  # violations / reviewed; null: none reviewed yet
    Column("low", Float, nullable=False),  # exact interval of the rate, two-sided
    Column("high", Float, nullable=False),
    Column("confidence", Float, nullable=False),
    time("computed_at"),
    CheckConstraint("decision in ('pass', 'block')", name="leak_estimate_decision"),
    CheckConstraint("violations <= reviewed and reviewed <= sampled", name="leak_estimate_counts"),
)


audit_run = Table(
    "audit_run",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("window_start", DateTime(timezone=True), nullable=False),
    Column("window_end", DateTime(timezone=True), nullable=False),
    Column("model_hash", Text, ForeignKey("moderation.model_version.model_hash"), nullable=False),
    Column("policy_version", Text, nullable=False),
    Column("policy", JSONB, nullable=False),
    Column("device", Text, nullable=False),
    Column("state", Text, nullable=False, server_default="running"),
    Column("listed", BigInteger),  # null until `discover` has committed
    Column("judged", BigInteger),
    Column("quarantined", BigInteger),
    Column("already_judged", BigInteger),
    Column("report", JSONB),
    time("started_at"),
    time("reconciled_at", filled=False),
    Column("shadow_hash", Text, ForeignKey("moderation.model_version.model_hash")),
    # From then on retention may have deleted its rows: the stored report holds.
    time("expired_at", filled=False),
    CheckConstraint("window_start < window_end", name="audit_run_window"),
    CheckConstraint("state in ('running', 'reconciled', 'failed')", name="audit_run_state"),
)

audit_image = Table(
    "audit_image",
    metadata,
    Column("run_id", Text, ForeignKey("moderation.audit_run.run_id"), primary_key=True),
    key(primary_key=True),
    Column("etag", Text, nullable=False),
    Column("outcome", Text),  # null: not scored yet
    Column("fetch_failures", SmallInteger, nullable=False, server_default="0"),
    # The human decision on the same content that stands in place of the verdict, and its effect.
    Column("reused_label", BigInteger, ForeignKey("moderation.human_label.label_id")),
    Column("reused_decision", Text),
    CheckConstraint(
        "outcome in ('judged', 'quarantined', 'already_judged')", name="audit_image_outcome"
    ),
    CheckConstraint(
        "(reused_label is null) = (reused_decision is null)"
        " and reused_decision in ('pass', 'block')",
        name="audit_image_reused",
    ),
    Index("audit_image_key", "object_key"),
)

audit_shard = Table(
    "audit_shard",
    metadata,
    Column("run_id", Text, ForeignKey("moderation.audit_run.run_id"), primary_key=True),
    Column("shard_index", Integer, primary_key=True),
    key("first_key"),
    key("last_key"),
    Column("images", Integer, nullable=False),
    # Summed over the attempts of the shard's task: stage -> seconds.
    Column("seconds", JSONB, nullable=False, server_default="{}"),
)

shadow = Table(
    "shadow",  # the candidate that the next nightly run scores with, too, without effect
    metadata,
    Column(
        "singleton", Boolean, CheckConstraint("singleton"), primary_key=True, server_default="true"
    ),
    Column("model_hash", Text, ForeignKey("moderation.model_version.model_hash"), nullable=False),
    time("requested_at"),
)

shadow_verdict = Table(
    "shadow_verdict",  # of the run's shadow_hash; never applied
    metadata,
    Column("run_id", Text, ForeignKey("moderation.audit_run.run_id"), primary_key=True),
    Column("content_sha256", Text, primary_key=True),
    Column("decision", Text, nullable=False),
    Column("scores", JSONB, nullable=False),
    Column("violation_score", Float, nullable=False),
    CheckConstraint("decision in ('pass', 'review', 'block')", name="shadow_verdict_decision"),
)
