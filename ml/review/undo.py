"""A reviewer undoes their own last decision: the task opens again, the earlier status returns.

The label stays in `human_label`, which is history; `decision_undo` says that it does not count.
"""

from datetime import timedelta

from sqlalchemy import Connection, Table

from ml.core.errors import StorageError
from ml.core.settings import CommerceNames
from ml.policy.schema import Policy
from ml.review.commerce_status import restore_status
from ml.review.second_review import close_follow_ups
from ml.storage.activity_log import record, task_target
from ml.storage.decisions import (
    ReviewerLabel,
    add_undo,
    find_task_decided_after,
    find_task_decided_since,
    load_latest_decision,
    load_reviewer_label,
    load_superseded_label_id,
)
from ml.storage.golden_tasks import (
    GoldenAnswer,
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
    """Undo the reviewer's decision on a task; idempotent.

    The task opens again unless it has another active decision. A golden task is the reviewer's
    again.

    Args:
        connection: open, in a transaction.
        task_id: the task that the reviewer decided last; named, so that a retry undoes no other.
        reviewer: whose decision it is.
        within: how old the decision may be at most.
        policy: says which classes are violations.
        commerce: the commerce table of photos.
        names: the commerce database's names of statuses.

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
    restore_status(
        connection, task, undone_at=label.decided_at, policy=policy, commerce=commerce, names=names
    )
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
    answer = _undoable_answer(connection, task, reviewer, within)
    if answer is None:
        return
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
    _require_last(
        reviewer,
        find_task_decided_after(connection, reviewer, label_id=label.label_id)
        or find_golden_task_answered_since(connection, reviewer, since=label.decided_at),
    )
    _require_recent(task, label.age, within)
    return label


def _undoable_answer(
    connection: Connection, task: ReviewTask, reviewer: str, within: timedelta
) -> GoldenAnswer | None:
    """The reviewer's golden answer, if it may be undone; None where it was undone before."""
    answer = load_answer(connection, task.task_id)
    if answer is None and task.claimed_by == reviewer:
        return None
    if answer is None or answer.reviewer != reviewer:
        raise _not_decided(task, reviewer)
    _require_last(
        reviewer,
        find_task_decided_since(connection, reviewer, since=answer.answered_at)
        or find_golden_task_answered_since(connection, reviewer, since=answer.answered_at),
    )
    _require_recent(task, answer.age, within)
    return answer


def _reopen_unless_decided(connection: Connection, task: ReviewTask) -> None:
    """A decision from before the task's last appeal does not answer the appeal."""
    superseded = load_superseded_label_id(connection, task.task_id)
    has_later_decision = (
        load_latest_decision(connection, task, after_label_id=superseded) is not None
    )
    if task.state == "decided" and not has_later_decision:
        reopen_tasks(connection, [task.task_id])


def _not_decided(task: ReviewTask, reviewer: str) -> StorageError:
    return StorageError(f"{reviewer} did not decide review task {task.task_id}")


def _require_last(reviewer: str, later_task_id: int | None) -> None:
    if later_task_id is not None:
        raise StorageError(
            f"{reviewer} decided review task {later_task_id} since: undo that one first"
        )


def _require_recent(task: ReviewTask, age: timedelta, within: timedelta) -> None:
    if age > within:
        raise StorageError(
            f"the decision on review task {task.task_id} is older than {within}: appeal it instead"
        )
