"""Why a photo was routed to review, and what was decided on it so far."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

# The verdict that opened the task, else the newest on the same content; the photo's hash, else the
# archived photo's.
_TASK = text(
    """
    select t.content_sha256, t.kind, t.route, t.reasons, v.decision, v.scores,
        v.pass_confidence, v.screens,
        coalesce(v.model_hash, t.model_hash) as model_hash,
        coalesce(v.policy_version, t.policy_version) as policy_version,
        coalesce(i.pdq, p.pdq) as pdq, coalesce(i.pdq_quality, p.pdq_quality) as pdq_quality,
        m.card -> 'classes' as classes
    from moderation.review_task t
    left join lateral (
        select * from moderation.verdict as any_verdict
        where any_verdict.content_sha256 = t.content_sha256
        order by any_verdict.model_hash = t.model_hash
            and any_verdict.policy_version = t.policy_version desc, any_verdict.judged_at desc
        limit 1
    ) v on true
    left join moderation.image i on i.object_key = t.object_key and i.etag = t.etag
    left join moderation.archived_photo p on p.content_sha256 = t.content_sha256
    left join moderation.model_version m
        on m.model_hash = coalesce(v.model_hash, t.model_hash)
    where t.task_id = :task_id
    """
)

# Read the activity log first: undos and appeals are recorded only there. Answers to golden tasks
# are no decisions; a label without a task was imported, and imports are not in the activity log.
_HISTORY = text(
    """
    select a.action, a.actor, a.occurred_at as at, a.detail ->> 'label' as label,
        coalesce(a.detail ->> 'note', a.detail ->> 'reason', '') as note
    from moderation.review_task t
    join moderation.activity a on a.target = 'review_task:' || t.task_id
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


def load_task_verdict(connection: Connection, task_id: int) -> TaskVerdict | None:
    """A task with the verdict behind it; None where there is no such task."""
    row = connection.execute(_TASK, {"task_id": task_id}).mappings().first()
    return None if row is None else TaskVerdict(**{**row, "reasons": tuple(row["reasons"])})


def load_decision_history(connection: Connection, content_sha256: str) -> list[HistoryEntry]:
    """All decisions, undos, appeals and imports of a content, in any of its tasks, oldest first."""
    rows = connection.execute(_HISTORY, {"content": content_sha256})
    return [HistoryEntry(*row) for row in rows]
