"""What the review page shows of tasks: their photos, scores, and rows of the commerce database."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Table, select, text

# Of the verdicts on a content, the one that opened the task, else the newest: a task opened for a
# label issue names a model that may have no verdict on it.
_TASKS = text(
    """
    select t.task_id, t.kind, t.route, t.content_sha256, t.object_key, t.reasons,
        t.violation_score, t.model_hash, t.opened_at, t.claimed_until, v.scores,
        coalesce(i.width, p.width) as width, coalesce(i.height, p.height) as height
    from unnest(cast(:task_ids as bigint[])) with ordinality as wanted (task_id, place)
    join moderation.review_task t on t.task_id = wanted.task_id
    left join moderation.image i on i.object_key = t.object_key and i.etag = t.etag
    left join moderation.archived_photo p on p.content_sha256 = t.content_sha256
    left join lateral (
        select scores from moderation.verdict as any_verdict
        where any_verdict.content_sha256 = t.content_sha256
        order by any_verdict.model_hash = t.model_hash
            and any_verdict.policy_version = t.policy_version desc, any_verdict.judged_at desc
        limit 1
    ) v on true
    order by wanted.place
    """
)


@dataclass(frozen=True)
class TaskPhoto:
    """A task with its photo; `scores` (class -> 0..1), `width` and `height` are None where unknown.

    `width` and `height` are pixels of the upright original.
    """

    task_id: int
    kind: str
    route: str | None
    content_sha256: str
    object_key: str
    reasons: tuple[str, ...]
    violation_score: float
    model_hash: str
    opened_at: datetime
    claimed_until: datetime | None
    scores: Mapping[str, float] | None
    width: int | None
    height: int | None


@dataclass(frozen=True)
class CommercePhoto:
    """The commerce database's row of an object; ids as text, whatever type they have there."""

    product_id: str | None
    review_id: str | None
    uploaded_at: datetime | None


def load_task_photos(connection: Connection, task_ids: Sequence[int]) -> list[TaskPhoto]:
    """The tasks in the order given; unknown ones are left out."""
    rows = connection.execute(_TASKS, {"task_ids": list(task_ids)}).mappings()
    return [TaskPhoto(**{**row, "reasons": tuple(row["reasons"])}) for row in rows]


def load_commerce_photos(
    connection: Connection, commerce: Table, object_keys: set[str]
) -> dict[str, CommercePhoto]:
    """The newest commerce row of each object key that has one."""
    columns = commerce.c
    # Values and not a join: the two tables' collations differ, and a join could not use the
    # commerce table's index.
    query = (
        select(columns.object_key, columns.product_id, columns.review_id, columns.uploaded_at)
        .where(columns.object_key.in_(sorted(object_keys)))
        .order_by(columns.uploaded_at)
    )
    return {
        object_key: CommercePhoto(_as_text(product_id), _as_text(review_id), uploaded_at)
        for object_key, product_id, review_id, uploaded_at in connection.execute(query)
    }


def _as_text(value: object) -> str | None:
    return None if value is None else str(value)
