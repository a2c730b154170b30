"""What signals found on photos that reviewers decided, and what the reports of runs counted."""

from dataclasses import dataclass

from sqlalchemy import Connection, text

from ml.core.window import Window
from ml.storage.rows import load_dict, load_rows

MAX_LABELS = 20_000  # the newest ones of the period


@dataclass(frozen=True)
class SignalAnswers:
    """Decided photos with the same result of a signal's screen, task and label.

    `raised_class` is the class of the output that fired; None if none did. `passed` is whether the
    verdict passed the photo, so that a spot check drew it.
    """

    screen: str
    state: str
    raised_class: str | None
    passed: bool
    label: str
    photos: int


# Begins with the labels of the period. The label that counts is the content's latest active one. A
# verdict is looked up task by task: `offset 0` keeps the planner from joining whole tables.
_ANSWERS = text(
    """
    with answered as (
        select distinct task_id from (
            select task_id from moderation.human_label
            where decided_at >= :since and decided_at < :until
            order by decided_at desc limit :max_labels
        ) newest
        where task_id is not null
    )
    select screen, outcome ->> 'state' as state, outcome -> 'evidence' ->> 'class' as raised_class,
        t.is_spot_check and v.decision <> 'block' as passed, l.label, count(*) as photos
    from answered a
    cross join lateral (
        select *, coalesce(route = 'spot_check', false) as is_spot_check
        from moderation.review_task
        where task_id = a.task_id and kind = 'verdict' offset 0
    ) t
    cross join lateral (
        select decision, screens from moderation.verdict v
        where v.content_sha256 = t.content_sha256 and v.model_hash = t.model_hash
            and v.policy_version = t.policy_version offset 0
    ) v
    cross join lateral jsonb_each(v.screens) as each_screen (screen, outcome)
    cross join lateral (
        select label from (
            select * from moderation.human_label
            where content_sha256 = t.content_sha256 offset 0
        ) h
        where not exists (
            select from moderation.decision_undo u where u.label_id = h.label_id offset 0
        )
        order by decided_at desc, label_id desc limit 1
    ) l
    where starts_with(screen, 'signal:')
    group by 1, 2, 3, 4, 5 order by 1, 2, 3, 4, 5
    """
)

_RAISED = text(
    """
    select screen, sum(coalesce((states ->> 'fired')::bigint, 0))::bigint
    from moderation.audit_run r
    cross join lateral jsonb_each(r.report -> 'screens') as each_screen (screen, states)
    where r.started_at >= :since and r.started_at < :until and r.report is not null
        and starts_with(screen, 'signal:')
    group by 1 order by 1
    """
)


def load_signal_answers(connection: Connection, window: Window) -> list[SignalAnswers]:
    """Photos decided in a window on which a signal has a result, counted."""
    values = {"since": window.start, "until": window.end, "max_labels": MAX_LABELS}
    return load_rows(connection, _ANSWERS, SignalAnswers, **values)


def count_raised(connection: Connection, window: Window) -> dict[str, int]:
    """Contents that a signal's screen fired on, in the reports of runs that began in a window."""
    return load_dict(connection, _RAISED, since=window.start, until=window.end)
