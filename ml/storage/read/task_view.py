"""What the review page shows of a task: photo, scores, commerce row, explanation and history."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Table, Text, cast, select, text

from ml.storage.commerce import rows_of_keys
from ml.storage.rows import load_row, load_rows
from ml.storage.schema import TEXTS

# Of the verdicts on a content, the one that opened the task, else the newest: a task opened for a
# label issue names a model that may have no verdict on it. The photo is the task's object, or else
# the archived photo.
_WITH_VERDICT_AND_PHOTO = """
    left join lateral (
        select * from moderation.verdict as any_verdict
        where any_verdict.content_sha256 = t.content_sha256
        order by any_verdict.model_hash = t.model_hash
            and any_verdict.policy_version = t.policy_version desc, any_verdict.judged_at desc
        limit 1
    ) v on true
    left join moderation.image i on i.object_key = t.object_key and i.etag = t.etag
    left join moderation.archived_photo p on p.content_sha256 = t.content_sha256
"""

_TASKS = text(
    f"""
    select t.task_id, t.kind, t.route, t.content_sha256, t.object_key, t.reasons,
        t.violation_score, t.model_hash, t.opened_at, t.claimed_until, v.scores,
        coalesce(i.width, p.width) as width, coalesce(i.height, p.height) as height
    from unnest(cast(:task_ids as bigint[])) with ordinality as wanted (task_id, place)
    join moderation.review_task t on t.task_id = wanted.task_id
    {_WITH_VERDICT_AND_PHOTO}
    order by wanted.place
    """  # noqa: S608 - built from constants
).columns(reasons=TEXTS)

_TASK_VERDICT = text(
    f"""
    select t.content_sha256, t.kind, t.route, t.reasons, v.decision, v.scores,
        v.pass_confidence, v.screens,
        coalesce(v.model_hash, t.model_hash) as model_hash,
        coalesce(v.policy_version, t.policy_version) as policy_version,
        coalesce(i.pdq, p.pdq) as pdq, coalesce(i.pdq_quality, p.pdq_quality) as pdq_quality,
        m.card -> 'classes' as classes
    from moderation.review_task t
    {_WITH_VERDICT_AND_PHOTO}
    left join moderation.model_version m
        on m.model_hash = coalesce(v.model_hash, t.model_hash)
    where t.task_id = :task_id
    """  # noqa: S608 - built from constants
).columns(reasons=TEXTS)

# Read the activity log first: undos and appeals are recorded only there. Answers to golden tasks
# are no decisions; a label without a task was imported, and imports are not in the activity log.
_HISTORY = text(
    """
    select a.action, a.actor, a.occurred_at as at, a.detail ->> 'label' as label,
        coalesce(a.detail ->> 'note', a.detail ->> 'reason', '') as note
    from moderation.review_task t
    cross join lateral (
        select * from moderation.activity a where a.target = 'review_task:' || t.task_id offset 0
    ) a
    where t.content_sha256 = :content and t.kind <> 'golden'
        and a.action in ('decide', 'undo', 'appeal', 'contest')
    union all
    select 'decide', h.reviewer, h.decided_at, h.label, h.note
    from moderation.human_label h
    where h.content_sha256 = :content and h.task_id is null
    order by at
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


@dataclass(frozen=True)
class TaskVerdict:
    """A task with the verdict behind it and its photo's PDQ hash.

    `decision` to `screens` are None where the photo has no verdict, `pdq` and `pdq_quality` where
    it was never decoded, `classes` (of the model) where the model is not registered. `screens` is
    JSON of any form: rows outlive the code that wrote them.
    """

    content_sha256: str
    kind: str
    route: str | None
    reasons: tuple[str, ...]
    decision: str | None
    scores: Mapping[str, float] | None
    pass_confidence: float | None
    screens: object
    model_hash: str
    policy_version: str
    pdq: str | None
    pdq_quality: int | None
    classes: Sequence[str] | None


@dataclass(frozen=True)
class HistoryEntry:
    """`action` is `decide`, `undo`, `appeal` or `contest`; `label` is None for the last two."""

    action: str
    actor: str
    at: datetime
    label: str | None
    note: str


def load_task_photos(connection: Connection, task_ids: Sequence[int]) -> list[TaskPhoto]:
    """The tasks in the order given; unknown ones are left out."""
    return load_rows(connection, _TASKS, TaskPhoto, task_ids=list(task_ids))


def load_commerce_photos(
    connection: Connection, commerce: Table, object_keys: set[str]
) -> dict[str, CommercePhoto]:
    """The newest commerce row of each object key that has one."""
    row = rows_of_keys(commerce, object_keys).c
    columns = (row.key, _text(row.product_id), _text(row.review_id), row.uploaded_at)
    query = select(*columns).order_by(row.uploaded_at)
    return {key: CommercePhoto(*values) for key, *values in connection.execute(query)}


def _text(column: ColumnElement[object]) -> ColumnElement[str]:
    return cast(column, Text)


def load_task_verdict(connection: Connection, task_id: int) -> TaskVerdict | None:
    """A task with the verdict behind it; None where there is no such task."""
    return load_row(connection, _TASK_VERDICT, TaskVerdict, task_id=task_id)


def load_decision_history(connection: Connection, content_sha256: str) -> list[HistoryEntry]:
    """All decisions, undos, appeals and imports of a content, in any of its tasks, oldest first."""
    return load_rows(connection, _HISTORY, HistoryEntry, content=content_sha256)
