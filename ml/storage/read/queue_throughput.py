"""How fast reviewers decide, from the activity log."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, text

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


def count_latest_decisions(
    connection: Connection, *, span: timedelta, max_age: timedelta
) -> tuple[int, int, int, datetime] | None:
    """(decisions, reviewers, clock hours with a decision, latest) of `span` up to the latest.

    None where the latest decision is older than `max_age`.
    """
    values = {"max_age": max_age, "span": span}
    decisions, reviewers, hours, latest = connection.execute(_THROUGHPUT, values).one()
    return (decisions, reviewers, hours, latest) if decisions else None
