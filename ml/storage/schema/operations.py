"""What an operator keeps: alerts, keys of /predict, purges."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from ml.storage.schema.columns import metadata, time

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
    CheckConstraint("resolved_at >= raised_at", name="alert_times"),
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
    Column("rights", ARRAY(Text), nullable=False),
    Column("requests_per_minute", Integer),  # null: what the settings say
    Column("in_flight", Integer),  # as above
    time("created_at"),
    time("revoked_at", filled=False),
    CheckConstraint(
        "rights <@ array['predict', 'metrics'] and cardinality(rights) > 0", name="api_key_rights"
    ),
    CheckConstraint("length(secret_sha256) = 32", name="api_key_secret"),
    CheckConstraint("requests_per_minute > 0 and in_flight > 0", name="api_key_limits"),
    Index("api_key_name", "name", unique=True, postgresql_where=text("revoked_at is null")),
)

purge = Table(
    "purge",  # what a run of `purge_expired` deleted of each kind
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("cutoff", DateTime(timezone=True), nullable=False),
    Column("days", Integer, nullable=False),  # the policy's, before the cutoff
    Column("deleted", BigInteger, nullable=False, server_default="0"),  # rows or files
    Column("bytes", BigInteger, nullable=False, server_default="0"),
    time("started_at"),
)
