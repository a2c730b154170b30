"""Decisions on review tasks (rows of `moderation.human_label` with a task) and their undos.

A decision is active unless it was undone (view `moderation.active_label`). Queries name the content
as well as the task: the table's index is by content.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, exists, func, insert, select
from sqlalchemy.dialects.postgresql import distinct_on

from ml.storage.review_tasks import NOT_GOLDEN, ReviewTask
from ml.storage.rows import columns_of, first_of, load_dict, load_row, load_value
from ml.storage.schema import active_label, decision_undo, human_label, review_task

_label = human_label.c
_active = active_label.c


@dataclass(frozen=True)
class ActiveDecision:
    """A decision that nobody undid."""

    label_id: int
    label: str
    reviewer: str
    decided_at: datetime


@dataclass(frozen=True)
class ReviewerLabel:
    """A reviewer's own decision on a task; `age` is the time since, by the database's clock."""

    label_id: int
    label: str
    decided_at: datetime
    age: timedelta
    is_undone: bool


def load_latest_decision(
    connection: Connection, task: ReviewTask, *, after_label_id: int = 0
) -> ActiveDecision | None:
    """The task's latest active decision of those after a label."""
    return _load_latest(connection, task, _active.task_id == task.task_id, after_label_id)


def load_latest_decision_on_object(
    connection: Connection, task: ReviewTask
) -> ActiveDecision | None:
    """The latest active decision on the task's object, in any of its tasks."""
    tasks = select(review_task.c.task_id).where(
        review_task.c.object_key == task.object_key, review_task.c.etag == task.etag, NOT_GOLDEN
    )
    return _load_latest(connection, task, _active.task_id.in_(tasks))


def _load_latest(
    connection: Connection,
    task: ReviewTask,
    condition: ColumnElement[bool],
    after_label_id: int = 0,
) -> ActiveDecision | None:
    query = select(*columns_of(active_label, ActiveDecision)).where(
        _active.content_sha256 == task.content_sha256, condition
    )
    latest = first_of(query, "label_id")
    return load_row(
        connection, latest.where(latest.selected_columns.label_id > after_label_id), ActiveDecision
    )


def load_last_label_id(connection: Connection, task: ReviewTask) -> int:
    """The `label_id` of the task's last decision, undone or not; 0 where there is none."""
    query = select(func.coalesce(func.max(_label.label_id), 0)).where(*_of_task(task))
    return int(connection.execute(query).scalar_one())


def has_decision(
    connection: Connection, task: ReviewTask, *, label: str, reviewer: str, decided_at: datetime
) -> bool:
    """Whether this very decision was written before, undone or not."""
    query = select(_label.label_id).where(
        *_of_task(task),
        _label.reviewer == reviewer,
        _label.label == label,
        _label.decided_at == decided_at,
    )
    return connection.execute(query).first() is not None


def load_deciders(connection: Connection, task: ReviewTask) -> set[str]:
    """All reviewers who decided the task, their undone decisions included."""
    query = select(_label.reviewer).where(*_of_task(task))
    return set(connection.execute(query).scalars())


def load_votes(connection: Connection, content_sha256: str) -> dict[str, str]:
    """Each reviewer's latest active label of a content, in any of its tasks."""
    query = (
        select(_active.reviewer, _active.label)
        .where(_active.content_sha256 == content_sha256)
        .ext(distinct_on(_active.reviewer))
        .order_by(_active.reviewer, _active.decided_at.desc(), _active.label_id.desc())
    )
    return load_dict(connection, query)


def load_reviewer_label(
    connection: Connection, task: ReviewTask, reviewer: str
) -> ReviewerLabel | None:
    """The reviewer's last decision on the task, undone or not."""
    is_undone = exists().where(decision_undo.c.label_id == _label.label_id)
    query = select(
        *_label["label_id", "label", "decided_at"],
        (func.clock_timestamp() - _label.decided_at).label("age"),
        is_undone.label("is_undone"),
    ).where(*_of_task(task), _label.reviewer == reviewer)
    return load_row(connection, first_of(query, "label_id"), ReviewerLabel)


def find_task_decided_after(connection: Connection, reviewer: str, *, label_id: int) -> int | None:
    """A task on which the reviewer wrote an active decision after a label."""
    return _find_task(connection, reviewer, _active.label_id > label_id)


def find_task_decided_since(
    connection: Connection, reviewer: str, *, since: datetime
) -> int | None:
    """A task on which the reviewer wrote an active decision after a point in time."""
    return _find_task(connection, reviewer, _active.decided_at > since)


def _find_task(connection: Connection, reviewer: str, condition: ColumnElement[bool]) -> int | None:
    query = select(_active.task_id).where(
        _active.reviewer == reviewer, _active.task_id.is_not(None), condition
    )
    return load_value(connection, query.limit(1), int)


def add_undo(connection: Connection, label_id: int, *, undone_by: str) -> None:
    """Mark a decision as undone; its label stays as history."""
    connection.execute(insert(decision_undo).values(label_id=label_id, undone_by=undone_by))


def _of_task(task: ReviewTask) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return _label.content_sha256 == task.content_sha256, _label.task_id == task.task_id
