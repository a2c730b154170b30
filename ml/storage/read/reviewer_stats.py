"""What reviewers labeled, answered and did in a span of time (`since` inclusive, `until` not)."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import Connection, text

from ml.storage.rows import load_rows

_LABELS = text(
    """
    select reviewer, content_sha256, label from moderation.human_label h
    where decided_at >= :since and decided_at < :until and route <> 'import' and not exists (
        select from moderation.decision_undo u where u.label_id = h.label_id
    )
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
        coalesce(sum(gap) filter (where gap <= :max_gap), 0)::float as seconds
    from act group by actor, action, day order by actor, day
    """
)
# The latest decision by the index on time, backwards; then one span of it.
_THROUGHPUT = text(
    """
    with latest as (
        select max(occurred_at) as at from moderation.activity
        where action = 'decide' and occurred_at > now() - cast(:max_age as interval)
    )
    select count(*), count(distinct actor), count(distinct date_trunc('hour', occurred_at)), max(at)
    from moderation.activity, latest
    where action = 'decide' and occurred_at > at - cast(:span as interval) and occurred_at <= at
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
    return load_rows(connection, _LABELS, GivenLabel, since=since, until=until)


def load_golden_answers(
    connection: Connection, *, since: datetime, until: datetime
) -> list[AnsweredPhoto]:
    """Answers to golden tasks, in the order in which they were given."""
    return load_rows(connection, _ANSWERS, AnsweredPhoto, since=since, until=until)


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
    return load_rows(connection, _ACTIVITY, DailyActivity, **values)


def count_latest_decisions(
    connection: Connection, *, span: timedelta, max_age: timedelta
) -> tuple[int, int, int, datetime] | None:
    """(decisions, reviewers, clock hours with a decision, latest) of `span` up to the latest.

    None where the latest decision is older than `max_age`.
    """
    values = {"max_age": max_age, "span": span}
    decisions, reviewers, hours, latest = connection.execute(_THROUGHPUT, values).one()
    return (decisions, reviewers, hours, latest) if decisions else None
