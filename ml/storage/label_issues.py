"""`moderation.label_issue`: suspected label errors, and the second reviews opened for them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from ml.storage.photo_archive import latest_objects
from ml.storage.retrain_runs import RetrainRun
from ml.storage.review_tasks import add_tasks
from ml.storage.rows import columns_of, insert_new, load_dict, load_rows
from ml.storage.schema import human_label, label_issue


@dataclass(frozen=True)
class LabelIssue:
    """One label that is probably wrong; `label_quality` 0..1, lower is more suspicious."""

    content_sha256: str
    label: str
    likely_label: str
    label_quality: float


def load_label_issues(connection: Connection, snapshot_hash: str) -> dict[str, LabelIssue]:
    """The label issues of a snapshot by content hash, in its order."""
    query = (
        select(*columns_of(label_issue, LabelIssue))
        .where(label_issue.c.snapshot_hash == snapshot_hash)
        .order_by(label_issue.c.content_sha256)
    )
    return {issue.content_sha256: issue for issue in load_rows(connection, query, LabelIssue)}


def count_label_issues(connection: Connection, snapshot_hash: str) -> dict[str, int]:
    """The number of label issues of a snapshot, by the label in question."""
    query = (
        select(label_issue.c.label, func.count())
        .where(label_issue.c.snapshot_hash == snapshot_hash)
        .group_by(label_issue.c.label)
    )
    return load_dict(connection, query)


def write_label_issues(
    connection: Connection, snapshot_hash: str, issues: Sequence[LabelIssue]
) -> None:
    """Write the label issues of a snapshot. Idempotent."""
    rows = [{"snapshot_hash": snapshot_hash, **asdict(issue)} for issue in issues]
    insert_new(connection, label_issue, rows)


def open_second_reviews(
    connection: Connection,
    run: RetrainRun,
    issues: Sequence[LabelIssue],
    violation_scores: Mapping[str, float],
) -> None:
    """Open a task for each issue, with the photo's violation score; an existing task stays.

    The run must have a champion: the issues come from its features.
    """
    hashes = [issue.content_sha256 for issue in issues]
    objects = latest_objects(connection, hashes)
    rows = [
        {
            "object_key": objects[issue.content_sha256][0],
            "etag": objects[issue.content_sha256][1],
            "content_sha256": issue.content_sha256,
            "model_hash": run.champion_hash,
            "policy_version": run.policy.version,
            "reasons": [f"label_issue:{issue.likely_label}"],
            "violation_score": violation_scores[issue.content_sha256],
            "priority": violation_scores[issue.content_sha256],
            "run_id": run.run_id,
            "kind": "second_review",
        }
        for issue in issues
        if issue.content_sha256 in objects
    ]
    add_tasks(connection, rows)


def double_reviewed(connection: Connection, as_of: datetime) -> set[str]:
    """Content hashes of the photos whose second review was decided before `as_of`."""
    columns = human_label.c
    query = select(columns.content_sha256).where(
        columns.route == "second_review", columns.decided_at < as_of
    )
    return set(connection.execute(query).scalars())
