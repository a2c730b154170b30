"""The decisions on a task that nobody took back."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, RowMapping, func, select

from ml.storage.schema import appeal, decision_undo, human_label, review_task

APPEAL = "appeal"  # the reason that an appeal adds to its task


@dataclass(frozen=True)
class Standing:
    """A decision that nobody took back."""

    label_id: int
    label: str
    reviewer: str
    decided_at: datetime


def undone() -> ColumnElement[bool]:
    """Whether a row of `human_label` was taken back."""
    same = decision_undo.c.label_id == human_label.c.label_id
    return select(decision_undo.c.label_id).where(same).exists()


def last_standing(
    connection: Connection, task: RowMapping, *, after_label: int = 0
) -> Standing | None:
    """The task's last decision that stands, of those after a label."""
    mine = human_label.c.task_id == task["task_id"]
    return _last(connection, task, mine & (human_label.c.label_id > after_label))


def last_standing_of_object(connection: Connection, task: RowMapping) -> Standing | None:
    """The last decision that stands on the task's object, in whichever of its tasks."""
    columns = review_task.c
    tasks = select(columns.task_id).where(
        columns.object_key == task["object_key"], columns.etag == task["etag"]
    )
    return _last(connection, task, human_label.c.task_id.in_(tasks))


def _last(
    connection: Connection, task: RowMapping, condition: ColumnElement[bool]
) -> Standing | None:
    columns = human_label.c
    query = (
        select(columns.label_id, columns.label, columns.reviewer, columns.decided_at)
        .where(columns.content_sha256 == task["content_sha256"], condition, ~undone())
        .order_by(columns.label_id.desc())
        .limit(1)
    )
    found = connection.execute(query).mappings().first()
    return Standing(**found) if found else None


def last_label(connection: Connection, task: RowMapping) -> int:
    """The `label_id` of the task's last decision, undone or not; 0 where there is none."""
    columns = human_label.c
    query = select(func.coalesce(func.max(columns.label_id), 0)).where(
        columns.content_sha256 == task["content_sha256"], columns.task_id == task["task_id"]
    )
    found: int = connection.execute(query).scalar_one()
    return found


def appealed_after(connection: Connection, task_id: int) -> int:
    """The task's last decision when it was last appealed: only later ones answer the appeal."""
    query = select(func.coalesce(func.max(appeal.c.after_label), 0))
    found: int = connection.execute(query.where(appeal.c.task_id == task_id)).scalar_one()
    return found
