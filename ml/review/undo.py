"""A reviewer takes back their own last decision: the task opens again, the shop's status returns.

The label stays in `human_label`, which is history; `decision_undo` says that it does not count.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, RowMapping, Table, func, insert, select, update

from ml.errors import StorageError
from ml.policy.policy import Policy
from ml.review import blind, golden_items
from ml.review.activity import record, task_target
from ml.review.lease import lock_task
from ml.review.standing import appealed_after, last_standing, undone
from ml.review.status import restore_status
from ml.settings import CommerceNames
from ml.storage.schema import decision_undo, human_label, review_task

_columns = human_label.c


def undo(
    connection: Connection,
    *,
    task_id: int,
    reviewer: str,
    within: timedelta,
    policy: Policy,
    commerce: Table,
    names: CommerceNames,
) -> None:
    """Take back the reviewer's decision on a task; again is no change.

    The task opens again unless another decision on it stands.

    Args:
        connection: open, in a transaction.
        task_id: the task that the reviewer decided last; named, so that a retry undoes no other.
        reviewer: whose decision it is.
        within: how old it may be at most.
        policy: says what is a violation.
        commerce: the shop's table of photos.
        names: the shop's words.

    Raises:
        StorageError: no such task, no decision of this reviewer, not their last one, or too old.
    """
    task = lock_task(connection, task_id)
    if task["kind"] == golden_items.GOLDEN:
        seconds = policy.reviewing.lease_seconds
        golden_items.take_back(
            connection, task, reviewer=reviewer, within=within, lease_seconds=seconds
        )
        return
    label = _last_of(connection, task, reviewer)
    if label.undone:
        return
    _check_last(connection, label, reviewer)
    if label.age > within:
        raise StorageError(
            f"the decision on review task {task_id} is older than {within}: appeal it instead"
        )
    row = {"label_id": label.label_id, "undone_by": reviewer}
    connection.execute(insert(decision_undo).values(row))
    _open_again(connection, task)
    blind.after_undo(connection, task)
    restore_status(
        connection, task, undone_at=label.decided_at, policy=policy, commerce=commerce, names=names
    )
    said = {"label": label.label, "label_id": label.label_id}
    record(connection, who=reviewer, what="undo", target=task_target(task_id), **said)


@dataclass(frozen=True)
class _Label:
    label_id: int
    label: str
    decided_at: datetime
    age: timedelta
    undone: bool


def _last_of(connection: Connection, task: RowMapping, reviewer: str) -> _Label:
    """The reviewer's last decision on the task, undone or not."""
    query = (
        select(
            _columns.label_id,
            _columns.label,
            _columns.decided_at,
            (func.clock_timestamp() - _columns.decided_at).label("age"),
            undone().label("undone"),
        )
        .where(
            _columns.content_sha256 == task["content_sha256"],
            _columns.task_id == task["task_id"],
            _columns.reviewer == reviewer,
        )
        .order_by(_columns.label_id.desc())
        .limit(1)
    )
    found = connection.execute(query).mappings().first()
    if found is None:
        raise StorageError(f"{reviewer} did not decide review task {task['task_id']}")
    return _Label(**found)


def _check_last(connection: Connection, label: _Label, reviewer: str) -> None:
    later = select(_columns.task_id).where(
        _columns.reviewer == reviewer,
        _columns.task_id.is_not(None),
        _columns.label_id > label.label_id,
        ~undone(),
    )
    task_id = connection.execute(later.limit(1)).scalar()
    # A hidden golden item counts as any other, or it would give itself away.
    task_id = task_id or golden_items.later_answer(connection, reviewer, label.decided_at)
    if task_id is not None:
        raise StorageError(f"{reviewer} decided review task {task_id} since: undo that one first")


def _open_again(connection: Connection, task: RowMapping) -> None:
    """Unless another answer stands to what the task asks, since its last appeal."""
    asked = appealed_after(connection, task["task_id"])
    if task["state"] != "decided" or last_standing(connection, task, after_label=asked):
        return
    again = update(review_task).where(review_task.c.task_id == task["task_id"])
    connection.execute(again.values(state="open"))
