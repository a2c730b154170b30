"""The tables of schema `moderation`, as SQLAlchemy Core; `migrations/` creates them."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

metadata = MetaData(schema="moderation")

_NOW = func.now()


def _key(name: str = "object_key", *, primary_key: bool = False) -> Column[str]:
    # S3 lists keys in byte order; the database must cut shards in the same order.
    return Column(name, Text(collation="C"), nullable=False, primary_key=primary_key)


def _time(name: str, *, filled: bool = True) -> Column[object]:
    default = _NOW if filled else None
    return Column(name, DateTime(timezone=True), server_default=default, nullable=not filled)


image = Table(
    "image",
    metadata,
    _key(primary_key=True),
    Column("etag", Text, primary_key=True),  # "" for a commerce row whose object was never seen
    Column("size_bytes", BigInteger, nullable=False),
    Column("uploaded_at", DateTime(timezone=True), nullable=False),
    Column("content_sha256", Text),
    Column("pdq", Text),
    Column("pdq_quality", SmallInteger),
    Column("width", Integer),
    Column("height", Integer),
    Column("state", Text, nullable=False, server_default="listed"),
    Column("written_status", Text),  # what we last wrote to the commerce row, and when:
    Column("written_at", DateTime(timezone=True)),  # tells our own writing from other people's
    CheckConstraint("state in ('listed', 'judged', 'quarantined')", name="image_state"),
    Index("image_content", "content_sha256"),
)

model_version = Table(
    "model_version",
    metadata,
    Column("model_hash", Text, primary_key=True),
    Column("weights_sha256", Text, nullable=False),
    Column("card", JSONB, nullable=False),
    _time("registered_at"),
    # What `retrain_model` found; null for a version trained by hand.
    Column("snapshot_hash", Text, ForeignKey("moderation.label_snapshot.snapshot_hash")),
    Column("compared_with", Text, ForeignKey("moderation.model_version.model_hash")),
    Column("evaluation", JSONB),
    Column("gates", JSONB),
    Column("gate_decision", Text),
    CheckConstraint("gate_decision in ('promote', 'hold')", name="model_version_gate_decision"),
)

champion = Table(
    "champion",
    metadata,
    Column("one_row", Boolean, CheckConstraint("one_row"), primary_key=True, server_default="true"),
    Column("model_hash", Text, ForeignKey("moderation.model_version.model_hash"), nullable=False),
)

promotion = Table(
    "promotion",
    metadata,
    Column("promotion_id", BigInteger, Identity(always=True), primary_key=True),
    Column("model_hash", Text, ForeignKey("moderation.model_version.model_hash"), nullable=False),
    Column("previous_hash", Text, ForeignKey("moderation.model_version.model_hash")),
    Column("promoted_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    _time("promoted_at"),
    Column("kind", Text, nullable=False, server_default="promote"),
    CheckConstraint("kind in ('promote', 'rollback')", name="promotion_kind"),
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
    _time("started_at"),
    _time("reconciled_at", filled=False),
    Column("shadow_hash", Text, ForeignKey("moderation.model_version.model_hash")),
    # From then on its rows may have gone by the policy's retention: the stored account holds.
    _time("expired_at", filled=False),
    CheckConstraint("window_start < window_end", name="audit_run_window"),
    CheckConstraint("state in ('running', 'reconciled', 'failed')", name="audit_run_state"),
)

audit_image = Table(
    "audit_image",
    metadata,
    Column("run_id", Text, ForeignKey("moderation.audit_run.run_id"), primary_key=True),
    _key(primary_key=True),
    Column("etag", Text, nullable=False),
    Column("outcome", Text),  # null: still to judge
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
    _key("first_key"),
    _key("last_key"),
    Column("images", Integer, nullable=False),
    # Summed over the attempts of the shard's task: stage -> seconds.
    Column("seconds", JSONB, nullable=False, server_default="{}"),
)

verdict = Table(
    "verdict",
    metadata,
    Column("content_sha256", Text, primary_key=True),
    Column("model_hash", Text, ForeignKey("moderation.model_version.model_hash"), primary_key=True),
    Column("policy_version", Text, primary_key=True),
    Column("decision", Text, nullable=False),
    Column("reasons", ARRAY(Text), nullable=False),
    Column("scores", JSONB, nullable=False),
    Column("violation_score", Float, nullable=False),
    Column("pass_confidence", Float, nullable=False),
    Column("screens", JSONB, nullable=False, server_default="{}"),
    Column("libraries", JSONB, nullable=False),
    Column("run_id", Text, nullable=False),
    _time("judged_at"),
    CheckConstraint("decision in ('pass', 'review', 'block')", name="verdict_decision"),
)

quarantine = Table(
    "quarantine",
    metadata,
    _key(primary_key=True),
    Column("etag", Text, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False, server_default=""),
    Column("run_id", Text, nullable=False),
    _time("quarantined_at"),
    Column("released_by", Text),  # the run that could judge it after all
)

review_task = Table(
    "review_task",
    metadata,
    Column("task_id", BigInteger, Identity(always=True), primary_key=True),
    _key(),
    Column("etag", Text, nullable=False),
    Column("content_sha256", Text, nullable=False),
    Column("model_hash", Text, nullable=False),
    Column("policy_version", Text, nullable=False),
    Column("reasons", ARRAY(Text), nullable=False),
    Column("violation_score", Float, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("state", Text, nullable=False, server_default="open"),
    _time("created_at"),
    Column("kind", Text, nullable=False, server_default="verdict"),
    Column("claimed_by", Text),  # the lease: whose, and until when
    Column("claimed_until", DateTime(timezone=True)),
    Column("skipped_by", ARRAY(Text), nullable=False, server_default="{}"),
    _time("opened_at"),  # `created_at` until an appeal opens the task again
    Column("priority", Float, nullable=False),  # the violation score, or a number drawn to hide one
    Column("route", Text),  # null: as the reasons say, a violation or an uncertain photo
    Column("sampling_rate", Float, nullable=False, server_default="1"),  # share of its route asked
    Column("not_for", ARRAY(Text), nullable=False, server_default="{}"),  # never these reviewers
    CheckConstraint(
        "kind in ('verdict', 'second_review', 'blind', 'golden')", name="review_task_kind"
    ),
    CheckConstraint("route in ('random_audit', 'second_review')", name="review_task_route"),
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
    # A golden photo is asked of many people; all else is asked once a photo.
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
    Index("review_task_audit", "created_at", postgresql_where=text("route = 'random_audit'")),
)

audit_key = Table(
    "audit_key",  # of the hash that draws the random audit; made by the migration, never changed
    metadata,
    Column("one_row", Boolean, CheckConstraint("one_row"), primary_key=True, server_default="true"),
    Column("key", LargeBinary, nullable=False),
)

leak_estimate = Table(
    "leak_estimate",  # what people said of the random audit's photos
    metadata,
    Column("month", Date, primary_key=True),  # its first day
    Column("decision", Text, primary_key=True),  # of the photos that were drawn
    Column("class", Text, primary_key=True),  # of the wrong ones among them; "": any
    Column("asked", Integer, nullable=False),
    Column("answered", Integer, nullable=False),
    Column("wrong", Integer, nullable=False),
    Column("rate", Float),  # wrong / answered; null: no answer yet
    Column("low", Float, nullable=False),  # exact interval of the rate, two-sided
    Column("high", Float, nullable=False),
    Column("confidence", Float, nullable=False),
    _time("computed_at"),
    CheckConstraint("decision in ('pass', 'block')", name="leak_estimate_decision"),
    CheckConstraint("wrong <= answered and answered <= asked", name="leak_estimate_counts"),
)

human_label = Table(
    "human_label",
    metadata,
    Column("label_id", BigInteger, Identity(always=True), primary_key=True),
    Column("content_sha256", Text, nullable=False),
    Column("label", Text, nullable=False),  # a class of the policy
    Column("category", Text),  # finer than the class, where the person said so
    Column("reviewer", Text, nullable=False),
    _time("decided_at"),
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
    _key(),
    Column("review_id", Text),
    Column("size_bytes", BigInteger, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("pdq", Text, nullable=False),
    Column("pdq_quality", SmallInteger, nullable=False),
    _time("stored_at"),
    # The bytes went by the policy's retention, as of then; the rest of the row stays.
    _time("deleted_at", filled=False),
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
    _time("added_at"),
)

golden_set = Table(
    "golden_set",  # its photos are listed in the model bucket under golden/<hash>.json
    metadata,
    Column("golden_hash", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("parent_hash", Text, ForeignKey("moderation.golden_set.golden_hash")),
    Column("photos", Integer, nullable=False),
    Column("added", Integer, nullable=False),
    _time("created_at"),
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
    _time("created_at"),
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

retrain_run = Table(
    "retrain_run",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("as_of", DateTime(timezone=True), nullable=False),
    Column("policy_version", Text, nullable=False),
    Column("policy", JSONB, nullable=False),
    Column("preset", Text, nullable=False),
    Column("seed", Integer, nullable=False),
    Column("champion_hash", Text, ForeignKey("moderation.model_version.model_hash")),
    Column("snapshot_hash", Text, ForeignKey("moderation.label_snapshot.snapshot_hash")),
    Column("candidate_hash", Text, ForeignKey("moderation.model_version.model_hash")),
    Column("state", Text, nullable=False, server_default="running"),
    Column("reason", Text, nullable=False, server_default=""),
    _time("started_at"),
    _time("finished_at", filled=False),
    CheckConstraint(
        "state in ('running', 'skipped', 'held', 'rejected', 'promoted')", name="retrain_run_state"
    ),
)

training_epoch = Table(
    "training_epoch",
    metadata,
    Column("run_id", Text, ForeignKey("moderation.retrain_run.run_id"), primary_key=True),
    Column("epoch", Integer, primary_key=True),
    Column("train_loss", Float, nullable=False),
    Column("train_accuracy", Float, nullable=False),
    Column("validation_loss", Float, nullable=False),
    Column("validation_accuracy", Float, nullable=False),
    Column("learning_rate", Float, nullable=False),
    Column("seconds", Float, nullable=False),
)

shadow = Table(
    "shadow",  # the candidate that the next night judges with, too, without effect
    metadata,
    Column("one_row", Boolean, CheckConstraint("one_row"), primary_key=True, server_default="true"),
    Column("model_hash", Text, ForeignKey("moderation.model_version.model_hash"), nullable=False),
    _time("requested_at"),
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

decision_undo = Table(
    "decision_undo",  # labels that their reviewer took back; human_label itself is append-only
    metadata,
    Column("label_id", BigInteger, ForeignKey("moderation.human_label.label_id"), primary_key=True),
    Column("undone_by", Text, nullable=False),
    _time("undone_at"),
)

appeal = Table(
    "appeal",
    metadata,
    Column("appeal_id", BigInteger, Identity(always=True), primary_key=True),
    Column("task_id", BigInteger, ForeignKey("moderation.review_task.task_id"), nullable=False),
    Column("reason", Text, nullable=False),
    Column("appealed_by", Text, nullable=False),
    Column("after_label", BigInteger, nullable=False),  # the task's last label then; 0: none
    _time("appealed_at"),
    Index("appeal_task", "task_id"),
)

activity = Table(
    "activity",  # who did what to what, when
    metadata,
    Column("activity_id", BigInteger, Identity(always=True), primary_key=True),
    Column("who", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("detail", JSONB, nullable=False, server_default="{}"),
    _time("done_at"),
    Index("activity_target", "target", "activity_id"),
    Index("activity_who", "who", "activity_id"),
    Index("activity_when", "done_at"),
)

golden_answer = Table(
    "golden_answer",  # answers to hidden golden items measure people; they are no labels
    metadata,
    Column("task_id", BigInteger, ForeignKey("moderation.review_task.task_id"), primary_key=True),
    Column("content_sha256", Text, nullable=False),
    Column("golden_hash", Text, ForeignKey("moderation.golden_set.golden_hash"), nullable=False),
    Column("truth", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("reviewer", Text, nullable=False),
    _time("answered_at"),
    Index("golden_answer_reviewer", "reviewer", "answered_at"),
)

purge = Table(
    "purge",  # what a run of `purge_expired` deleted of each kind
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("cut_off", DateTime(timezone=True), nullable=False),
    Column("days", Integer, nullable=False),  # the policy's, before the cut-off
    Column("deleted", BigInteger, nullable=False, server_default="0"),  # rows or files
    Column("bytes", BigInteger, nullable=False, server_default="0"),
    _time("begun_at"),
)

reviewer_preference = Table(
    "reviewer_preference",
    metadata,
    Column("reviewer", Text, primary_key=True),
    Column("preferences", JSONB, nullable=False, server_default="{}"),
    _time("changed_at"),
)

alert = Table(
    "alert",  # what was wrong, from when to when, and what its receiver was told
    metadata,
    Column("alert_id", BigInteger, Identity(always=True), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("fact", Text, nullable=False),
    Column("details", JSONB, nullable=False),
    _time("raised_at"),
    _time("resolved_at", filled=False),
    _time("told_at", filled=False),  # that it was raised
    _time("told_over_at", filled=False),  # that it is resolved
    Column("last_error", Text),  # of the last delivery, where that failed
    CheckConstraint("resolved_at >= raised_at", name="alert_times"),
    Index("alert_open", "kind", "fact", unique=True, postgresql_where=text("resolved_at is null")),
    Index(
        "alert_to_tell",
        "alert_id",
        postgresql_where=text(
            "resolved_at is null and told_at is null"
            " or resolved_at is not null and told_at is not null and told_over_at is null"
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
    _time("created_at"),
    _time("revoked_at", filled=False),
    CheckConstraint(
        "rights <@ array['predict', 'metrics'] and cardinality(rights) > 0", name="api_key_rights"
    ),
    CheckConstraint("length(secret_sha256) = 32", name="api_key_secret"),
    CheckConstraint("requests_per_minute > 0 and in_flight > 0", name="api_key_limits"),
    Index("api_key_name", "name", unique=True, postgresql_where=text("revoked_at is null")),
)
