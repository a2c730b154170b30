"""`moderation.label_doubt`: labels that the photos speak against, and their second reviews."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection, select, text
from sqlalchemy.dialects.postgresql import insert

from ml.storage.retrain_runs import RetrainRun
from ml.storage.schema import human_label, label_doubt

# The object is the last one known with these bytes; photos that were imported have none.
_OPEN = text(
    """
    insert into moderation.review_task (
        object_key, etag, content_sha256, model_hash, policy_version, reasons, violation_score,
        priority, run_id, kind
    )
    select coalesce(object.object_key, photo.object_key), coalesce(object.etag, ''),
        photo.content_sha256, :model_hash, :policy_version, array['label_doubt:' || :likely_label],
        :violation_score, :violation_score, :run_id, 'second_review'
    from moderation.labelled_photo photo
    left join lateral (
        select object_key, etag from moderation.image
        where content_sha256 = photo.content_sha256
        order by uploaded_at desc, object_key, etag limit 1
    ) object on true
    where photo.content_sha256 = :content_sha256
    on conflict (object_key, etag, kind) where kind <> 'golden' do nothing
    """
)


@dataclass(frozen=True)
class Doubt:
    """One label that is probably wrong; `label_quality` 0..1, lower is more suspicious."""

    content_sha256: str
    label: str
    likely_label: str
    label_quality: float


def load_doubts(connection: Connection, snapshot_hash: str) -> dict[str, Doubt]:
    """The doubts about a snapshot's labels, by content hash and in its order."""
    columns = label_doubt.c
    query = (
        select(columns.content_sha256, columns.label, columns.likely_label, columns.label_quality)
        .where(columns.snapshot_hash == snapshot_hash)
        .order_by(columns.content_sha256)
    )
    return {row.content_sha256: Doubt(*row) for row in connection.execute(query)}


def write_doubts(connection: Connection, snapshot_hash: str, doubts: Sequence[Doubt]) -> None:
    """Write the doubts; again is no change."""
    if doubts:
        rows = [{"snapshot_hash": snapshot_hash, **asdict(doubt)} for doubt in doubts]
        connection.execute(insert(label_doubt).on_conflict_do_nothing(), rows)


def open_second_reviews(
    connection: Connection,
    run: RetrainRun,
    doubts: Sequence[Doubt],
    violation_scores: Mapping[str, float],
) -> None:
    """Open a task for each doubt, with the photo's violation score; a photo keeps the one it has.

    The run must have a champion: its features raised the doubts.
    """
    rows = [
        {
            "content_sha256": doubt.content_sha256,
            "likely_label": doubt.likely_label,
            "model_hash": run.champion_hash,
            "policy_version": run.policy.version,
            "violation_score": violation_scores[doubt.content_sha256],
            "run_id": run.run_id,
        }
        for doubt in doubts
    ]
    if rows:
        connection.execute(_OPEN, rows)


def looked_at_twice(connection: Connection, as_of: datetime) -> set[str]:
    """Content hashes of the photos that a second review was decided of before `as_of`."""
    columns = human_label.c
    query = select(columns.content_sha256).where(
        columns.route == "second_review", columns.decided_at < as_of
    )
    return set(connection.execute(query).scalars())
