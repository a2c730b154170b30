"""Spot checks and the labels that settle them: counts, leaked photos, and the stored estimates."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, DateTime, Text, bindparam, func, select, text
from sqlalchemy.dialects.postgresql import insert

from ml.storage.rows import load_rows
from ml.storage.schema import leak_estimate

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
        cross join lateral (
            select decision from moderation.verdict v where v.content_sha256 = t.content_sha256
                and v.model_hash = t.model_hash and v.policy_version = t.policy_version offset 0
        ) v
        left join lateral (
            select label, decided_at from (
                select label, decided_at, label_id, bool_or(task_id = t.task_id) over () as answers
                from moderation.human_label
                where content_sha256 = t.content_sha256
            ) l
            where answers and not exists (
                select from moderation.decision_undo u where u.label_id = l.label_id offset 0
            )
            order by decided_at desc, label_id desc limit 1
        ) active on true
        where t.route = 'spot_check' and t.created_at >= :since
        """
    )
    .bindparams(bindparam("since", type_=DateTime(timezone=True)))
    .columns(
        object_key=Text,
        created_at=DateTime(timezone=True),
        decision=Text,
        label=Text,
        decided_at=DateTime(timezone=True),
    )
    .cte("spot_check")
    .c
)


def count_spot_checks(
    connection: Connection, *, timezone: str, since: datetime
) -> list[tuple[str, str, str | None, int]]:
    """(month, decision, label, photos) of the spot checks opened since the month of a moment.

    The month is its first day, such as 2026-11-01; the label is None where none is active yet.
    """
    month = func.to_char(func.timezone(timezone, _spot_check.created_at), "YYYY-MM-01")
    query = select(
        month.label("month"), _spot_check.decision, _spot_check.label, func.count()
    ).group_by("month", _spot_check.decision, _spot_check.label)
    local = since.astimezone(ZoneInfo(timezone))
    first = local.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return [tuple(row) for row in connection.execute(query, {"since": first})]


def list_leaked_photos(
    connection: Connection, *, since: datetime, violations: Iterable[str]
) -> list[str]:
    """Object keys of passed photos that spot checks found to be violations, the latest first.

    Of the tasks created since a moment; `violations` are the labels that are violations.
    """
    query = (
        select(_spot_check.object_key)
        .where(
            _spot_check.decision == "pass",
            _spot_check.label.in_(sorted(violations)),
        )
        .order_by(_spot_check.decided_at.desc(), _spot_check.object_key)
        .limit(MAX_PHOTOS)
    )
    return list(connection.execute(query, {"since": since}).scalars())


_LATEST = text(
    """
    select to_char(month, 'YYYY-MM') as month, decision, class, sampled, reviewed, violations, rate,
        low, high, confidence
    from moderation.leak_estimate
    where month > cast(:until as date) - interval '12 months' and month <= cast(:until as date)
    order by moderation.leak_estimate.month desc, decision desc, class
    """
)
_KEY = ("month", "decision", "class")


def write_estimates(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert or replace estimates, one row a month, decision and class. Idempotent."""
    if rows:
        new = insert(leak_estimate)
        replaced = {column.name: column for column in new.excluded if column.name not in _KEY}
        statement = new.on_conflict_do_update(index_elements=_KEY, set_=replaced)
        connection.execute(statement, rows)


def leak_of_a_year(connection: Connection, *, until: str) -> list[dict[str, Any]]:
    """The estimates of the twelve months up to a day (ISO), the latest month first."""
    return load_rows(connection, _LATEST, dict, until=until)
