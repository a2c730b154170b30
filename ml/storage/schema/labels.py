"""Reviewers' labels, the labelled photos, and sets of them."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from ml.storage.schema.columns import key, metadata, time

human_label = Table(
    "human_label",
    metadata,
    Column("label_id", BigInteger, Identity(always=True), primary_key=True),
    Column("content_sha256", Text, nullable=False),
    Column("label", Text, nullable=False),  # a class of the policy
    Column("category", Text),  # finer than the class, where the reviewer gave one
    Column("reviewer", Text, nullable=False),
    time("decided_at"),
    Column("route", Text, nullable=False),  # how the photo was routed to review
    # Share of its route's photos that are reviewed.
    Column("sampling_rate", Float, nullable=False, server_default="1"),
    Column("task_id", BigInteger, ForeignKey("moderation.review_task.task_id")),
    Column("note", Text, nullable=False, server_default=""),
    UniqueConstraint("content_sha256", "reviewer", "decided_at", "label", name="human_label_once"),
    CheckConstraint(
        "route in ('uncertain', 'violation', 'spot_check', 'second_review', 'import')",
        name="human_label_route",
    ),
    CheckConstraint("sampling_rate > 0 and sampling_rate <= 1", name="human_label_sampling_rate"),
    Index("human_label_content", "content_sha256", "decided_at"),
    Index("human_label_decided", "decided_at"),
    Index(
        "human_label_reviewer",
        "reviewer",
        "label_id",
        postgresql_where=text("task_id is not null"),
    ),
)

# A view: the labels that nobody undid. In a MetaData of its own: migrations compare the other one
# with the database, table by table.
active_label = Table(
    "active_label",
    MetaData(schema="moderation"),
    *(Column(column.name, column.type) for column in human_label.columns),
)

archived_photo = Table(
    "archived_photo",  # bytes of labelled photos, in the model bucket under labelled/<sha256>
    metadata,
    Column("content_sha256", Text, primary_key=True),
    key(),
    Column("review_id", Text),
    Column("size_bytes", BigInteger, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("pdq", Text, nullable=False),
    Column("pdq_quality", SmallInteger, nullable=False),
    time("stored_at"),
    # When retention deleted the bytes; the rest of the row stays.
    time("deleted_at", filled=False),
)

blocklist_photo = Table(
    "blocklist_photo",  # photos that no promoted version may ever pass
    metadata,
    Column(
        "content_sha256",
        Text,
        ForeignKey("moderation.archived_photo.content_sha256"),
        primary_key=True,
    ),
    Column("added_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    time("added_at"),
)

golden_set = Table(
    "golden_set",  # its photos are listed in the model bucket under golden/<hash>.json
    metadata,
    Column("golden_hash", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("parent_hash", Text, ForeignKey("moderation.golden_set.golden_hash")),
    Column("photos", Integer, nullable=False),
    Column("added", Integer, nullable=False),
    time("created_at"),
    UniqueConstraint("name", name="golden_set_name"),
)

golden_photo = Table(
    "golden_photo",  # what golden/<hash>.json lists, for queries
    metadata,
    Column("golden_hash", Text, ForeignKey("moderation.golden_set.golden_hash"), primary_key=True),
    Column("content_sha256", Text, primary_key=True),
    Column("label", Text, nullable=False),
    Index("golden_photo_content", "content_sha256"),
)

label_snapshot = Table(
    "label_snapshot",  # its manifest is in the model bucket under snapshots/<hash>.json
    metadata,
    Column("snapshot_hash", Text, primary_key=True),
    Column("as_of", DateTime(timezone=True), nullable=False),
    Column("golden_hash", Text, ForeignKey("moderation.golden_set.golden_hash"), nullable=False),
    Column("photos", Integer, nullable=False),
    Column("new_photos", Integer, nullable=False),
    time("created_at"),
)

label_issue = Table(
    "label_issue",  # suspected label errors
    metadata,
    Column(
        "snapshot_hash",
        Text,
        ForeignKey("moderation.label_snapshot.snapshot_hash"),
        primary_key=True,
    ),
    Column("content_sha256", Text, primary_key=True),
    Column("label", Text, nullable=False),
    Column("likely_label", Text, nullable=False),
    Column("label_quality", Float, nullable=False),  # 0..1, lower is more suspicious
)
