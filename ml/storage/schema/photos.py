"""Photos, the nightly runs that cover them, and what these found; with what all tables share.

Constraints and defaults of the columns are in `migrations/sql` alone.
"""

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.types import TypeEngine

metadata = sa.MetaData(schema="moderation")
TIME = sa.DateTime(timezone=True)
TEXTS = ARRAY(sa.Text, as_tuple=True)

_Type = type[TypeEngine[Any]] | TypeEngine[Any]


def required(of_type: _Type, *names: str) -> list[sa.Column[Any]]:
    """Columns that are never null."""
    return [sa.Column(name, of_type, nullable=False) for name in names]


def optional(of_type: _Type, *names: str) -> list[sa.Column[Any]]:
    """Columns that may be null."""
    return [sa.Column(name, of_type) for name in names]


def primary(of_type: _Type, *names: str) -> list[sa.Column[Any]]:
    """Columns of the primary key, without a generated one."""
    return [sa.Column(name, of_type, primary_key=True) for name in names]


def reference(
    of_type: _Type, name: str, target: str, *, primary_key: bool = False, nullable: bool = False
) -> sa.Column[Any]:
    """A column that refers to `table.column` of this schema."""
    column = sa.ForeignKey(f"moderation.{target}")
    return sa.Column(name, of_type, column, primary_key=primary_key, nullable=nullable)


def key(name: str = "object_key", *, primary_key: bool = False) -> sa.Column[str]:
    """A photo's key in its bucket."""
    # S3 lists keys in byte order; the database must cut shards in the same order.
    return sa.Column(name, sa.Text(collation="C"), nullable=False, primary_key=primary_key)


def view(name: str, columns: Iterable[sa.Column[Any]]) -> sa.Table:
    """A view with columns of these names and types."""
    # In a MetaData of its own: migrations compare the other one with the database.
    return sa.Table(
        name, sa.MetaData(schema="moderation"), *(sa.Column(c.name, c.type) for c in columns)
    )


image = sa.Table(
    "image",
    metadata,
    key(primary_key=True),
    *primary(sa.Text, "etag"),  # "" for a commerce row whose object was never seen
    *required(sa.BigInteger, "size_bytes"),
    *required(TIME, "uploaded_at"),
    *required(sa.Text, "state"),  # listed, judged or quarantined
    *optional(sa.Text, "content_sha256", "pdq"),
    *optional(sa.SmallInteger, "pdq_quality"),
    *optional(sa.Integer, "width", "height"),
    # What we last wrote to the commerce row, and when: distinguishes our writes from others'.
    *optional(sa.Text, "written_status"),
    *optional(TIME, "written_at"),
    sa.Index("image_content", "content_sha256"),
)

verdict = sa.Table(
    "verdict",
    metadata,
    *primary(sa.Text, "content_sha256", "policy_version"),
    reference(sa.Text, "model_hash", "model_version.model_hash", primary_key=True),
    *required(sa.Text, "decision", "run_id"),  # decision: pass, review or block
    *required(TEXTS, "reasons"),
    *required(sa.Float, "violation_score", "pass_confidence"),
    *required(JSONB, "scores", "screens", "runtime_versions"),
    *required(TIME, "judged_at"),
)

photo_feature = sa.Table(
    "photo_feature",
    metadata,
    *primary(sa.Text, "source", "content_sha256"),  # source: the network, and how it computes
    *required(sa.LargeBinary, "features"),  # float16
    *required(TIME, "computed_at"),
    sa.Index("photo_feature_content", "content_sha256"),
    sa.Index("photo_feature_computed", "source", "computed_at"),
)

photo_picture = sa.Table(
    "photo_picture",  # decided photos as the model saw them, small and gray
    metadata,
    *primary(sa.Text, "content_sha256"),
    *required(sa.LargeBinary, "picture"),  # a file; empty of a photo that cannot be decoded
)

quarantine = sa.Table(
    "quarantine",
    metadata,
    key(primary_key=True),
    *primary(sa.Text, "etag"),
    *required(sa.Text, "reason", "detail", "run_id"),
    *required(TIME, "quarantined_at"),
    *optional(sa.Text, "released_by"),  # the later run that could score it
)

audit_run = sa.Table(
    "audit_run",
    metadata,
    *primary(sa.Text, "run_id"),
    *required(TIME, "window_start", "window_end", "started_at"),
    reference(sa.Text, "model_hash", "model_version.model_hash"),
    reference(sa.Text, "shadow_hash", "model_version.model_hash", nullable=True),
    *required(sa.Text, "policy_version", "device", "state"),  # state: running, reconciled or failed
    *required(JSONB, "policy"),
    # How its scores are computed, and what was not used although it came first; null before 0003.
    *optional(sa.Text, "backend", "number_type", "variant", "fallback"),
    *optional(sa.Integer, "batch_size"),  # null before 0004
    # `listed` is null until `discover` has committed, the others until `reconcile` has.
    *optional(sa.BigInteger, "listed", "judged", "quarantined", "already_judged"),
    # Pending commerce rows that name no object, counted by `discover`; no part of the accounting.
    *optional(sa.BigInteger, "rows_without_key"),
    *optional(TIME, "reconciled_at"),
    *optional(JSONB, "report"),
    *optional(TIME, "expired_at"),  # retention may have deleted its rows: the report holds
)

audit_image = sa.Table(
    "audit_image",
    metadata,
    reference(sa.Text, "run_id", "audit_run.run_id", primary_key=True),
    key(primary_key=True),
    *required(sa.Text, "etag"),
    *optional(sa.Text, "outcome"),  # judged, quarantined or already_judged; null: not scored yet
    *required(sa.SmallInteger, "fetch_failures"),
    # The human decision on the same content that takes the place of the verdict, and its effect.
    reference(sa.BigInteger, "reused_label", "human_label.label_id", nullable=True),
    *optional(sa.Text, "reused_decision"),  # pass or block
    sa.Index("audit_image_key", "object_key"),
)

# The outcome of each image of a run, with the verdict of the run's model and policy on it.
audit_result = view(
    "audit_result",
    (
        *audit_image.c["run_id", "object_key", "etag", "outcome", "reused_label"],
        *image.c["uploaded_at", "content_sha256"],
        *verdict.c["model_hash", "policy_version", "decision", "reasons", "scores"],
        *verdict.c["violation_score", "judged_at", "screens"],
        sa.Column("machine_decision", sa.Text),  # without regard to a reused decision
    ),
)

audit_shard = sa.Table(
    "audit_shard",
    metadata,
    reference(sa.Text, "run_id", "audit_run.run_id", primary_key=True),
    *primary(sa.Integer, "shard_index"),
    key("first_key"),
    key("last_key"),
    *required(sa.Integer, "images"),
    *required(JSONB, "seconds"),  # by stage, summed over the attempts of the shard's task
)

shadow = sa.Table(
    "shadow",  # the candidate that the next nightly run scores with, too, without effect
    metadata,
    *primary(sa.Boolean, "singleton"),
    reference(sa.Text, "model_hash", "model_version.model_hash"),
    *required(TIME, "requested_at"),
)

shadow_verdict = sa.Table(
    "shadow_verdict",  # of the run's shadow_hash; never applied
    metadata,
    reference(sa.Text, "run_id", "audit_run.run_id", primary_key=True),
    *primary(sa.Text, "content_sha256"),
    *required(sa.Text, "decision"),  # pass, review or block
    *required(JSONB, "scores"),
    *required(sa.Float, "violation_score"),
)

sampling_key = sa.Table(
    "sampling_key",  # of the hash that draws the spot checks; made by the migration, never changed
    metadata,
    *primary(sa.Boolean, "singleton"),
    *required(sa.LargeBinary, "key"),
)

leak_estimate = sa.Table(
    "leak_estimate",  # results of the spot checks
    metadata,
    *primary(sa.Date, "month"),  # its first day
    # The decision (pass or block) of the photos that were drawn, and the class of the wrong ones
    # among them; "": any.
    *primary(sa.Text, "decision", "class"),
    *required(sa.Integer, "sampled", "reviewed", "violations"),
    *optional(sa.Float, "rate"),  # violations / reviewed; null: none reviewed yet
    *required(sa.Float, "low", "high", "confidence"),  # exact interval of the rate, two-sided
    *required(TIME, "computed_at"),
)
