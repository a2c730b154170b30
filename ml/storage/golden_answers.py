"""Answers to golden tasks, the labels that they are compared with, and all opinions on a photo."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, func, insert, select, text

from ml.policy.golden_labels import Opinion
from ml.storage.review_tasks import ReviewTask
from ml.storage.rows import load_row, load_value
from ml.storage.schema import golden_answer, golden_photo, golden_set

_answer = golden_answer.c

# An answer is found by the tasks of its photo: its table has no index by content.
_OPINIONS = text(
    """
    select asked.content_sha256, given.reviewer, given.label, given.given_at, given.is_imported,
        given.is_blind
    from unnest(cast(:contents as text[])) as asked (content_sha256)
    cross join lateral (
        select h.reviewer, h.label, h.decided_at as given_at, h.route = 'import' as is_imported,
            false as is_blind, h.label_id as place
        from moderation.active_label h
        where h.content_sha256 = asked.content_sha256 and h.decided_at < :as_of
        union all
        select a.reviewer, a.label, a.answered_at, false, true, t.task_id
        from moderation.review_task t
        cross join lateral (
            select * from moderation.golden_answer a where a.task_id = t.task_id offset 0
        ) a
        where t.content_sha256 = asked.content_sha256 and a.answered_at < :as_of
        offset 0
    ) given
    order by given.given_at, given.is_blind, given.place
    """
)


@dataclass(frozen=True)
class GoldenAnswer:
    """A reviewer's answer to a golden task; `age` by the database's clock."""

    label: str
    reviewer: str
    answered_at: datetime
    age: timedelta


@dataclass(frozen=True)
class GoldenTruth:
    """The label of a photo in the newest golden set that has it."""

    golden_hash: str
    label: str


def load_truth(connection: Connection, content_sha256: str) -> GoldenTruth | None:
    """The photo's label in the newest golden set that has it."""
    query = (
        select(golden_photo.c.golden_hash, golden_photo.c.label)
        .join(golden_set, golden_set.c.golden_hash == golden_photo.c.golden_hash)
        .where(golden_photo.c.content_sha256 == content_sha256)
        .order_by(golden_set.c.created_at.desc(), golden_set.c.golden_hash)
        .limit(1)
    )
    return load_row(connection, query, GoldenTruth)


def load_answer(connection: Connection, task_id: int) -> GoldenAnswer | None:
    """The answer to a golden task, if there is one."""
    age = (func.clock_timestamp() - _answer.answered_at).label("age")
    query = select(*_answer["label", "reviewer", "answered_at"], age)
    return load_row(connection, query.where(_answer.task_id == task_id), GoldenAnswer)


def add_answer(
    connection: Connection, task: ReviewTask, truth: GoldenTruth, *, label: str, reviewer: str
) -> None:
    """Write the answer to a golden task."""
    row = insert(golden_answer).values(
        task_id=task.task_id,
        content_sha256=task.content_sha256,
        golden_hash=truth.golden_hash,
        truth=truth.label,
        label=label,
        reviewer=reviewer,
        answered_at=func.clock_timestamp(),
    )
    connection.execute(row)


def delete_answer(connection: Connection, task_id: int) -> None:
    """Delete the answer to a golden task."""
    connection.execute(delete(golden_answer).where(_answer.task_id == task_id))


def load_opinions(
    connection: Connection, contents: Sequence[str], *, as_of: datetime
) -> dict[str, list[Opinion]]:
    """All active labels and golden answers from before `as_of`, by content, the oldest first."""
    opinions: dict[str, list[Opinion]] = {content: [] for content in contents}
    rows = connection.execute(_OPINIONS, {"contents": list(contents), "as_of": as_of})
    for content, *values in rows:
        opinions[content].append(Opinion(*values))
    return opinions


def find_golden_task_answered_since(
    connection: Connection, reviewer: str, *, since: datetime
) -> int | None:
    """A golden task that the reviewer answered after a point in time."""
    query = select(_answer.task_id).where(_answer.reviewer == reviewer, _answer.answered_at > since)
    return load_value(connection, query.limit(1), int)
