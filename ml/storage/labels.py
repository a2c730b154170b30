"""`moderation.human_label`: reviewers' labels, and the label that they resolve to.

The table is append-only; the database refuses all else. A reviewer who changes their mind adds a
row; an undone decision has a row in `moderation.decision_undo` and is not in the view
`moderation.active_label`, which the queries here read.
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection, func, text
from sqlalchemy.dialects.postgresql import insert

from ml.core.concurrency import batched
from ml.storage.rows import load_rows
from ml.storage.schema import human_label

ROUTES = ("uncertain", "violation", "spot_check", "active_learning", "second_review", "import")

_BATCH_SIZE = 1000  # rows per statement, well below the 65,535 values that one may have


@dataclass(frozen=True)
class NewLabel:
    """One reviewer's label of one content.

    `route` is how the photo was routed to the reviewer, `sampling_rate` (0 to 1) the
    probability that such a photo is reviewed. `decided_at` None is the database's now.
    """

    content_sha256: str
    label: str
    reviewer: str
    route: str
    decided_at: datetime | None
    sampling_rate: float = 1.0
    category: str | None = None
    task_id: int | None = None
    note: str = ""


@dataclass(frozen=True)
class ResolvedLabel:
    """The label of one content by the rule of `resolve_labels`."""

    content_sha256: str
    label: str
    category: str | None
    route: str
    sampling_rate: float
    decided_at: datetime
    reviewers: int
    contested: bool


def add_labels(connection: Connection, labels: Sequence[NewLabel]) -> int:
    """Append labels; returns how many are new. Idempotent.

    A label without a time is not new if it equals the reviewer's latest label, of the same task.
    """
    dated = [label for label in labels if label.decided_at is not None]
    new = dated + _without_repeats(connection, [label for label in labels if not label.decided_at])
    # In a fixed order, so that two writers of the same labels cannot deadlock.
    new.sort(key=lambda label: (label.content_sha256, label.reviewer, str(label.decided_at)))
    added = 0
    for part in batched(new, _BATCH_SIZE):
        rows = [asdict(label) | {"decided_at": label.decided_at or func.now()} for label in part]
        statement = insert(human_label).values(rows).on_conflict_do_nothing()
        added += len(connection.execute(statement.returning(human_label.c.label_id)).all())
    return added


def count_by_class(connection: Connection, start: datetime, end: datetime) -> dict[str, int]:
    """Numbers of labels that were given from `start` until before `end` and not undone."""
    query = text(
        "select label, count(*) as labels from moderation.active_label "
        "where decided_at >= :start and decided_at < :end group by label order by label"
    )
    return {
        row.label: row.labels for row in connection.execute(query, {"start": start, "end": end})
    }


def _without_repeats(connection: Connection, undated: Sequence[NewLabel]) -> list[NewLabel]:
    """Without those that repeat a decision of their task: now() would make each retry a new row."""
    latest = latest_labels(connection, [(u.content_sha256, u.reviewer) for u in undated])
    return [
        label
        for label in undated
        if label.task_id is None
        or latest.get((label.content_sha256, label.reviewer)) != (label.label, label.task_id)
    ]


_LATEST_LABELS = text(
    """
    select distinct on (l.content_sha256, l.reviewer)
        l.content_sha256, l.reviewer, l.label, l.task_id
    from unnest(cast(:contents as text[]), cast(:reviewers as text[]))
        as asked (content_sha256, reviewer)
    cross join lateral (
        select * from moderation.active_label l
        where l.content_sha256 = asked.content_sha256 and l.reviewer = asked.reviewer offset 0
    ) l
    order by l.content_sha256, l.reviewer, l.decided_at desc, l.label_id desc
    """
)


def latest_labels(
    connection: Connection, pairs: Collection[tuple[str, str]]
) -> dict[tuple[str, str], tuple[str, int | None]]:
    """The latest active label, and its task, of each (content, reviewer) that has one."""
    values = {"contents": [pair[0] for pair in pairs], "reviewers": [pair[1] for pair in pairs]}
    rows = connection.execute(_LATEST_LABELS, values)
    return {(content, reviewer): (label, task) for content, reviewer, label, task in rows}


# Undone labels are ignored, no matter when they were undone. A join, where the view
# `active_label` would look up each of all labels.
_RESOLVED = text(
    """
    with decided as (
        select *,
            row_number() over (
                partition by content_sha256, reviewer order by decided_at desc, label_id desc
            ) as recency,
            first_value(route) over first_seen as first_route,
            first_value(sampling_rate) over first_seen as first_rate
        from moderation.human_label h
        where decided_at < :as_of and not exists (
            select from moderation.decision_undo u where u.label_id = h.label_id
        )
        window first_seen as (partition by content_sha256 order by decided_at, label_id)
    ),
    voted as (
        select *,
            count(*) over (partition by content_sha256) as reviewers,
            count(*) over (partition by content_sha256, label) as votes,
            first_value(category) over (
                partition by content_sha256, label
                order by category is null, decided_at desc, label_id desc
            ) as voted_category
        from decided where recency = 1
    ),
    placed as (
        select *,
            row_number() over (
                partition by content_sha256 order by votes desc, decided_at desc, label_id desc
            ) as place
        from voted
    )
    select content_sha256, label, voted_category as category, first_route as route,
        first_rate as sampling_rate, decided_at, reviewers, votes < reviewers as contested
    from placed where place = 1
    order by content_sha256 collate "C"
    """
)


def resolve_labels(connection: Connection, *, as_of: datetime) -> list[ResolvedLabel]:
    """The label of each content from those decided before `as_of`; sorted by content hash.

    Each reviewer's latest decision counts once, most votes win, and a tie goes to the most recent
    decision. `decided_at` is that of the most recent decision for the winning label, `category` the
    latest one given with it. Route and sampling rate are those of the content's first label: how it
    was first routed to review.
    """
    return load_rows(connection, _RESOLVED, ResolvedLabel, as_of=as_of)
