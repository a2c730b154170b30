"""People's labels, the photos that they are about, and sets of them."""

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
    Column("category", Text),  # finer than the class, where the person said so
    Column("reviewer", Text, nullable=False),
    time("decided_at"),
    Column("route", Text, nullable=False),  # how the image came before a person
    Column("sampling_rate", Float, nullable=False, server_default="1"),  # share of its route seen
    Column("task_id", BigInteger, ForeignKey("moderation.review_task.task_id")),
    Column("note", Text, nullable=False, server_default=""),
    UniqueConstraint("content_sha256", "reviewer", "decided_at", "label", name="human_label_once"),
    CheckConstraint(
        "route in ('uncertain', 'violation', 'random_audit', 'second_review', 'import')",
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

labelled_photo = Table(
    "labelled_photo",  # bytes that people judged, kept in the model bucket under labelled/<sha256>
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
    # The bytes went by the policy's retention, as of then; the rest of the row stays.
    time("deleted_at", filled=False),
)

known_bad = Table(
    "known_bad",  # photos that no promoted version may ever pass
    metadata,
    Column(
        "content_sha256",
        Text,
        ForeignKey("moderation.labelled_photo.content_sha256"),
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
    "golden_photo",  # what golden/<hash>.json lists, where a claim can ask for it
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

label_doubt = Table(
    "label_doubt",  # labels that the photos themselves speak against
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
