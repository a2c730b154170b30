"""Spot checks and the labels that settle them: counts by month, and the photos that leaked."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, DateTime, Text, column, func, select, text

MAX_PHOTOS = 20

# The month is that of the nightly run, in the time zone of the deployment. The label is the latest
# active one on the content, whoever gave it: a second look may correct the first. Whether the photo
# was passed or blocked is what the verdict said that the task was drawn from; one that was passed
# may ask for a review by now. The route is a literal, for the partial index of such tasks.
_spot_check = (
    text(
        """
        select t.object_key, t.created_at,
            case v.decision when 'block' then 'block' else 'pass' end as decision,
            active.label, active.decided_at
        from moderation.review_task t
        join moderation.verdict v on v.content_sha256 = t.content_sha256
            and v.model_hash = t.model_hash and v.policy_version = t.policy_version
        left join lateral (
            select l.label, l.decided_at from moderation.active_label l
            where l.content_sha256 = t.content_sha256
                and exists (
                    select from moderation.human_label own
                    where own.content_sha256 = t.content_sha256 and own.task_id = t.task_id
                )
            order by l.decided_at desc, l.label_id desc limit 1
        ) active on true
        where t.route = 'spot_check'
        """
    )
    .columns(
        column("object_key", Text),
        column("created_at", DateTime(timezone=True)),
        column("decision", Text),
        column("label", Text),
        column("decided_at", DateTime(timezone=True)),
    )
    .cte("spot_check")
    .c
)


def count_spot_checks(
    connection: Connection, *, timezone: str
) -> list[tuple[str, str, str | None, int]]:
    """(month, decision, label, photos) of all spot checks.

    The month is its first day, such as 2026-11-01; the label is None where none is active yet.
    """
    month = func.to_char(func.timezone(timezone, _spot_check.created_at), "YYYY-MM-01")
    query = select(
        month.label("month"), _spot_check.decision, _spot_check.label, func.count()
    ).group_by("month", _spot_check.decision, _spot_check.label)
    return [tuple(row) for row in connection.execute(query)]


def list_leaked_photos(
    connection: Connection, *, since: datetime, violations: Iterable[str], limit: int = MAX_PHOTOS
) -> list[str]:
    """Object keys of passed photos that spot checks found to be violations, the latest first.

    Args:
        connection: of the transaction.
        since: when the earliest task was created.
        violations: the labels that are violations.
        limit: number of keys.
    """
    query = (
        select(_spot_check.object_key)
        .where(
            _spot_check.created_at >= since,
            _spot_check.decision == "pass",
            _spot_check.label.in_(sorted(violations)),
        )
        .order_by(_spot_check.decided_at.desc(), _spot_check.object_key)
        .limit(limit)
    )
    return list(connection.execute(query).scalars())
