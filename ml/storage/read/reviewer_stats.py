"""What reviewers labelled, answered and did in a span of time (`since` inclusive, `until` not)."""

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, text

_LABELS = text(
    """
    select reviewer, content_sha256, label from moderation.active_label
    where decided_at >= :since and decided_at < :until and route <> 'import'
    order by decided_at, label_id
    """
)
_ANSWERS = text(
    """
    select reviewer, content_sha256, label, truth from moderation.golden_answer
    where answered_at >= :since and answered_at < :until
    order by answered_at, task_id
    """
)
_ACTIVITY = text(
    """
    with act as (
        select actor, action, (occurred_at at time zone :timezone)::date as day,
            extract(epoch from occurred_at - lag(occurred_at) over (
                partition by actor, action order by occurred_at, activity_id
            )) as gap
        from moderation.activity
        where occurred_at >= :since and occurred_at < :until and action in ('decide', 'undo')
    )
    select actor, action, day, count(*) as times,
        count(*) filter (where gap <= :max_gap) as steps,
        coalesce(sum(gap) filter (where gap <= :max_gap), 0) as seconds
    from act group by actor, action, day order by actor, day
    """
)


@dataclass(frozen=True)
class GivenLabel:
    """A reviewer's label of a content."""

    reviewer: str
    content_sha256: str
    label: str


@dataclass(frozen=True)
class AnsweredPhoto:
    """A reviewer's answer to a golden task, and the right one."""

    reviewer: str
    content_sha256: str
    label: str
    truth: str


@dataclass(frozen=True)
class DailyActivity:
    """How often a reviewer decided or undid (`action`) on a day.

    `steps` of the `times` came after a gap of at most `max_gap_seconds` since the same reviewer's
    last such action; `seconds` is the sum of these gaps.
    """

    actor: str
    action: str
    day: date
    times: int
    steps: int
    seconds: float


def load_labels(connection: Connection, *, since: datetime, until: datetime) -> list[GivenLabel]:
    """Active labels that were not imported, in the order of the decisions."""
    rows = connection.execute(_LABELS, {"since": since, "until": until})
    return [GivenLabel(*row) for row in rows]


def load_golden_answers(
    connection: Connection, *, since: datetime, until: datetime
) -> list[AnsweredPhoto]:
    """Answers to golden tasks, in the order in which they were given."""
    rows = connection.execute(_ANSWERS, {"since": since, "until": until})
    return [AnsweredPhoto(*row) for row in rows]


def load_daily_activity(
    connection: Connection,
    *,
    since: datetime,
    until: datetime,
    timezone: str,
    max_gap_seconds: float,
) -> list[DailyActivity]:
    """Decisions and undos by reviewer and day (of `timezone`), in this order."""
    values = {"since": since, "until": until, "timezone": timezone, "max_gap": max_gap_seconds}
    rows = connection.execute(_ACTIVITY, values).mappings()
    return [DailyActivity(**{**row, "seconds": float(row["seconds"])}) for row in rows]
