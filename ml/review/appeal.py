"""Appeals: somebody objects to a decision or verdict on a photo, and a reviewer looks at it again.

The status in the commerce database does not change until the appeal is decided.
"""

from sqlalchemy import Connection

from ml.core.errors import StorageError
from ml.storage.activity_log import record, task_target
from ml.storage.decisions import (
    Appeal,
    add_appeal,
    find_or_open_task,
    has_appeal,
    load_deciders,
    load_last_label_id,
)
from ml.storage.review_tasks import ReviewTask, lock_task, reopen_tasks, update_task

APPEAL = "appeal"  # the reason that an appeal adds to its task


def appeal_photo(connection: Connection, object_key: str, *, reason: str, by: str) -> int:
    """Appeal against the decision or verdict on an object's newest content; returns the task.

    Raises:
        StorageError: the photo has no verdict.
    """
    task_id = find_or_open_task(connection, object_key)
    if task_id is None:
        raise StorageError(f"no verdict on {object_key!r}: there is nothing to appeal against yet")
    appeal_task(connection, task_id, reason=reason, by=by)
    return task_id


def appeal_task(connection: Connection, task_id: int, *, reason: str, by: str) -> None:
    """Appeal against the decision on a task: it waits again, preferably for another reviewer.

    Idempotent: the same appeal is not written twice before a decision answers it.

    Raises:
        StorageError: there is no such task.
    """
    task = lock_task(connection, task_id)
    appeal = Appeal(task_id, reason, by, load_last_label_id(connection, task))
    if has_appeal(connection, appeal):
        return
    add_appeal(connection, appeal)
    _reopen(connection, task)
    record(connection, actor=by, action="appeal", target=task_target(task_id), reason=reason)


def _reopen(connection: Connection, task: ReviewTask) -> None:
    """An undecided task only gets the reason; its holder, if any, keeps it."""
    reasons = [*task.reasons, *([] if APPEAL in task.reasons else [APPEAL])]
    if task.state != "decided":
        update_task(connection, task.task_id, reasons=reasons)
        return
    # Who decided it gets it only when no other task is left, like one that they skipped.
    skipped_by = sorted({*task.skipped_by, *load_deciders(connection, task)})
    reopen_tasks(
        connection, [task.task_id], restart_wait=True, reasons=reasons, skipped_by=skipped_by
    )
