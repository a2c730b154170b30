"""A reviewer undoes their own last decision: the task opens again, the earlier status returns.

The label stays in `human_label`, which is history; `decision_undo` says that it does not count.
"""

from datetime import datetime, timedelta

from sqlalchemy import Connection, Table

from ml.core.commerce_names import CommerceNames
from ml.core.errors import StorageError
from ml.policy.schema import Policy
from ml.review.decide import status_of_label
from ml.review.second_review import close_follow_ups
from ml.storage.activity_log import record, task_target
from ml.storage.appeals import load_superseded_label_id
from ml.storage.commerce import load_written_status, replace_status
from ml.storage.decisions import (
    ReviewerLabel,
    add_undo,
    find_task_decided_after,
    find_task_decided_since,
    load_latest_decision,
    load_latest_decision_on_object,
    load_reviewer_label,
)
from ml.storage.golden_answers import (
    delete_answer,
    find_golden_task_answered_since,
    load_answer,
)
from ml.storage.review_queue import assign_task
from ml.storage.review_tasks import GOLDEN, ReviewTask, lock_task, reopen_tasks


def undo_decision(
    connection: Connection,
    *,
    task_id: int,
    reviewer: str,
    within: timedelta,
    policy: Policy,
    commerce: Table,
    names: CommerceNames,
) -> None:
    """Undo the reviewer's decision on a task, if it is at most `within` old; idempotent.

    The task opens again unless it has another active decision; a golden task returns to the
    reviewer. It is named, so that a retry undoes no other decision.

    Raises:
        StorageError: no such task, no decision of this reviewer, not their last one, or too old.
    """
    task = lock_task(connection, task_id)
    if task.kind == GOLDEN:
        lease_seconds = policy.reviewing.lease_seconds
        _undo_answer(connection, task, reviewer, within=within, lease_seconds=lease_seconds)
        return
    label = _undoable_label(connection, task, reviewer, within)
    if label is None:
        return
    add_undo(connection, label.label_id, undone_by=reviewer)
    _reopen_unless_decided(connection, task)
    close_follow_ups(connection, task)
    status, at = _earlier_status(connection, task, policy=policy, names=names)
    # Rows with a later status (of another decision, the commerce database's own, or for a
    # re-upload) stay as they are.
    shown = status_of_label(label.label, policy=policy, names=names), label.decided_at
    replace_status(connection, commerce, task.object_key, shown=shown, status=status, at=at)
    detail = {"label": label.label, "label_id": label.label_id}
    record(connection, actor=reviewer, action="undo", target=task_target(task_id), **detail)


def _undo_answer(
    connection: Connection,
    task: ReviewTask,
    reviewer: str,
    *,
    within: timedelta,
    lease_seconds: float,
) -> None:
    answer = load_answer(connection, task.task_id)
    if answer is None and task.claimed_by == reviewer:
        return  # it was undone before
    if answer is None or answer.reviewer != reviewer:
        raise _not_decided(task, reviewer)
    since = answer.answered_at
    later = find_task_decided_since(
        connection, reviewer, since=since
    ) or find_golden_task_answered_since(connection, reviewer, since=since)
    _require_undoable(task, reviewer, later_task_id=later, age=answer.age, within=within)
    delete_answer(connection, task.task_id)
    assign_task(connection, task.task_id, reviewer=reviewer, lease_seconds=lease_seconds)
    target = task_target(task.task_id)
    record(connection, actor=reviewer, action="undo", target=target, label=answer.label)


def _undoable_label(
    connection: Connection, task: ReviewTask, reviewer: str, within: timedelta
) -> ReviewerLabel | None:
    """The reviewer's label of the task, if it may be undone; None where it was undone before."""
    label = load_reviewer_label(connection, task, reviewer)
    if label is None:
        raise _not_decided(task, reviewer)
    if label.is_undone:
        return None
    # Golden tasks count like any others here, or the refusal would reveal them.
    later = find_task_decided_after(
        connection, reviewer, label_id=label.label_id
    ) or find_golden_task_answered_since(connection, reviewer, since=label.decided_at)
    _require_undoable(task, reviewer, later_task_id=later, age=label.age, within=within)
    return label


def _not_decided(task: ReviewTask, reviewer: str) -> StorageError:
    return StorageError(f"{reviewer} did not decide review task {task.task_id}")


def _require_undoable(
    task: ReviewTask,
    reviewer: str,
    *,
    later_task_id: int | None,
    age: timedelta,
    within: timedelta,
) -> None:
    if later_task_id is not None:
        raise StorageError(
            f"{reviewer} decided review task {later_task_id} since: undo that one first"
        )
    if age > within:
        raise StorageError(
            f"the decision on review task {task.task_id} is older than {within}: appeal it instead"
        )


def _reopen_unless_decided(connection: Connection, task: ReviewTask) -> None:
    """A decision from before the task's last appeal does not answer the appeal."""
    superseded = load_superseded_label_id(connection, task.task_id)
    later = load_latest_decision(connection, task, after_label_id=superseded)
    if task.state == "decided" and later is None:
        reopen_tasks(connection, [task.task_id])


def _earlier_status(
    connection: Connection, task: ReviewTask, *, policy: Policy, names: CommerceNames
) -> tuple[str, datetime | None]:
    """Of the object's latest active decision, else what a nightly run wrote last."""
    decision = load_latest_decision_on_object(connection, task)
    if decision is not None:
        return status_of_label(decision.label, policy=policy, names=names), decision.decided_at
    # Status and time exactly as written: by both the next nightly run knows the row as its own.
    written = load_written_status(connection, task.object_key, task.etag)
    return written or (names.status_review, None)
