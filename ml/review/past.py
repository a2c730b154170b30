"""What people did with a photo so far."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

# Activity first: it alone knows undos and appeals. Answers to golden items are no decisions; and
# a label without a task was imported, which no activity tells of.
_PAST = text(
    """
    select a.what, a.who, a.done_at as at, a.detail ->> 'label' as label,
        coalesce(a.detail ->> 'note', a.detail ->> 'reason', '') as note
    from moderation.review_task t
    join moderation.activity a on a.target = 'review_task:' || t.task_id
    where t.content_sha256 = :content and t.kind <> 'golden'
        and a.what in ('decide', 'undo', 'appeal', 'contest')
    union all
    select 'decide', h.reviewer, h.decided_at, h.label, h.note
    from moderation.human_label h
    where h.content_sha256 = :content and h.task_id is null
    order by at
    """
)


@dataclass(frozen=True)
class PastAct:
    """`what` is `decide`, `undo`, `appeal` or `contest`; `label` is None for the last two."""

    what: str
    who: str
    at: datetime
    label: str | None
    note: str


def past_of(connection: Connection, content_sha256: str) -> list[PastAct]:
    """All decisions, undos and appeals on a content, in whichever of its tasks, oldest first."""
    return [PastAct(*row) for row in connection.execute(_PAST, {"content": content_sha256})]
