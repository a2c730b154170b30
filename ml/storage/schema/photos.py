"""Photos, the nightly runs that cover them, and what these found; with what all tables share.

The constraints and defaults of the columns are in `migrations/sql/0001_moderation.sql` alone.
"""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

metadata = MetaData(schema="moderation")
TEXTS = ARRAY(Text, as_tuple=True)


def key(name: str = "object_key", *, primary_key: bool = False) -> Column[str]:
    """A photo's key in its bucket."""
    # S3 lists keys in byte order; the database must cut shards in the same order.
    return Column(name, Text(collation="C"), nullable=False, primary_key=primary_key)


def time(name: str, *, filled: bool = True) -> Column[object]:
    """A point in time; `filled` False: null until it comes."""
    return Column(name, DateTime(timezone=True), nullable=not filled)


def view(name: str, columns: Iterable[Column[Any]]) -> Table:
    """A view with columns of these names and types."""
    # In a MetaData of its own: migrations compare the other one with the database.
    return Table(name, MetaData(schema="moderation"), *(Column(c.name, c.type) for c in columns))


image = Table(
    "image",
    metadata,
    key(primary_key=True),
    Column("etag", Text, primary_key=True),  # "" for a commerce row whose object was never seen
    Column("size_bytes", BigInteger, nullable=False),
    time("uploaded_at"),
    Column("content_sha256", Text),
    Column("pdq", Text),
    Column("pdq_quality", SmallInteger),
    Column("width", Integer),
    Column("height", Integer),
    Column("state", Text, nullable=False),  # listed, judged or quarantined
    Column("written_status", Text),  # what we last wrote to the commerce row, and when:
    time("written_at", filled=False),  # distinguishes our own writes from others'
    Index("image_content", "content_sha256"),
)

verdict = Table(
    "verdict",
    metadata,
    Column("content_sha256", Text, primary_key=True),
    Column("model_hash", Text, ForeignKey("moderation.model_version.model_hash"), primary_key=True),
    Column("policy_version", Text, primary_key=True),
    Column("decision", Text, nullable=False),  # pass, review or block
    Column("reasons", TEXTS, nullable=False),
    Column("scores", JSONB, nullable=False),
    Column("violation_score", Float, nullable=False),
    Column("pass_confidence", Float, nullable=False),
    Column("screens", JSONB, nullable=False),
    Column("runtime_versions", JSONB, nullable=False),
    Column("run_id", Text, nullable=False),
    time("judged_at"),
)

quarantine = Table(
    "quarantine",
    metadata,
    key(primary_key=True),
    Column("etag", Text, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("run_id", Text, nullable=False),
    time("quarantined_at"),
    Column("released_by", Text),  # the later run that could score it
)

audit_run = Table(
    "audit_run",
    metadata,
    Column("run_id", Text, primary_key=True),
    time("window_start"),
    time("window_end"),
    Column("model_hash", Text, ForeignKey("moderation.model_version.model_hash"), nullable=False),
    Column("policy_version", Text, nullable=False),
    Column("policy", JSONB, nullable=False),
    Column("device", Text, nullable=False),
    Column("state", Text, nullable=False),  # running, reconciled or failed
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
)

audit_image = Table(
    "audit_image",
    metadata,
    Column("run_id", ForeignKey(audit_run.c.run_id), primary_key=True),
    key(primary_key=True),
    Column("etag", Text, nullable=False),
    Column("outcome", Text),  # judged, quarantined or already_judged; null: not scored yet
    Column("fetch_failures", SmallInteger, nullable=False),
    # The human decision on the same content that takes the place of the verdict, and its effect.
    Column("reused_label", BigInteger, ForeignKey("moderation.human_label.label_id")),
    Column("reused_decision", Text),  # pass or block
    Index("audit_image_key", "object_key"),
)

# The outcome of each image of a run, with the verdict of the run's model and policy on it.
audit_result = view(
    "audit_result",
    (
        *audit_image.c["run_id", "object_key", "etag", "outcome", "reused_label"],
        *image.c["uploaded_at", "content_sha256"],
        *verdict.c["model_hash", "policy_version", "decision", "reasons", "scores"],
        *verdict.c["violation_score", "judged_at"],
        Column("machine_decision", Text),  # without regard to a reused decision
    ),
)

audit_shard = Table(
    "audit_shard",
    metadata,
    Column("run_id", ForeignKey(audit_run.c.run_id), primary_key=True),
    Column("shard_index", Integer, primary_key=True),
    key("first_key"),
    key("last_key"),
    Column("images", Integer, nullable=False),
    # Summed over the attempts of the shard's task: stage -> seconds.
    Column("seconds", JSONB, nullable=False),
)

shadow = Table(
    "shadow",  # the candidate that the next nightly run scores with, too, without effect
    metadata,
    Column("singleton", Boolean, primary_key=True),
    Column("model_hash", Text, ForeignKey("moderation.model_version.model_hash"), nullable=False),
    time("requested_at"),
)

shadow_verdict = Table(
    "shadow_verdict",  # of the run's shadow_hash; never applied
    metadata,
    Column("run_id", ForeignKey(audit_run.c.run_id), primary_key=True),
    Column("content_sha256", Text, primary_key=True),
    Column("decision", Text, nullable=False),  # pass, review or block
    Column("scores", JSONB, nullable=False),
    Column("violation_score", Float, nullable=False),
)

sampling_key = Table(
    "sampling_key",  # of the hash that draws the spot checks; made by the migration, never changed
    metadata,
    Column("singleton", Boolean, primary_key=True),
    Column("key", LargeBinary, nullable=False),
)

leak_estimate = Table(
    "leak_estimate",  # results of the spot checks
    metadata,
    Column("month", Date, primary_key=True),  # its first day
    Column("decision", Text, primary_key=True),  # pass or block: of the photos that were drawn
    Column("class", Text, primary_key=True),  # of the wrong ones among them; "": any
    Column("sampled", Integer, nullable=False),
    Column("reviewed", Integer, nullable=False),
    Column("violations", Integer, nullable=False),
    Column("rate", Float),  # violations / reviewed; null: none reviewed yet
    Column("low", Float, nullable=False),  # exact interval of the rate, two-sided
    Column("high", Float, nullable=False),
    Column("confidence", Float, nullable=False),
    time("computed_at"),
)
