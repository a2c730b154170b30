"""The review queue: which tasks a reviewer gets next, and what becomes of a skipped one."""

from sqlalchemy import Connection, Table

from ml.review.lease import require_lease
from ml.storage.activity_log import record, task_target
from ml.storage.review_queue import ClaimedTask, Order, claim_waiting_tasks
from ml.storage.review_tasks import GOLDEN, close_tasks, lock_task, reopen_tasks
from ml.storage.task_filters import NO_FILTERS, Filters


def claim_tasks(
    connection: Connection,
    *,
    reviewer: str,
    count: int = 1,
    lease_seconds: float,
    commerce: Table,
    filters: Filters = NO_FILTERS,
    order: Order = "priority",
) -> list[ClaimedTask]:
    """Claim up to `count` waiting tasks for a reviewer; no one else gets them under the lease.

    Order "priority": second reviews of suspected label errors after all others, then by priority
    (the violation score; for spot checks a drawn number); "oldest": the longest wait first. Tasks
    that the reviewer skipped are offered only when no others are left. A claim whose response was
    lost shows in `ml.storage.review_queue.list_claimed`.
    """
    for skipped in (False, True):
        tasks = claim_waiting_tasks(
            connection,
            reviewer=reviewer,
            skipped=skipped,
            count=count,
            lease_seconds=lease_seconds,
            commerce=commerce,
            filters=filters,
            order=order,
        )
        if tasks:
            return tasks
    return []


def skip_task(connection: Connection, *, reviewer: str, task_id: int) -> None:
    """Give a task back for others; the reviewer gets it again when no others are left. Idempotent.

    A golden task is closed instead: it is no other reviewer's.

    Raises:
        LeaseLost: the task is not the reviewer's.
        StorageError: there is no such task.
    """
    task = lock_task(connection, task_id)
    golden = task.kind == GOLDEN
    if task.state == ("decided" if golden else "open") and reviewer in task.skipped_by:
        return
    require_lease(task, reviewer)
    give_back = close_tasks if golden else reopen_tasks
    give_back(connection, [task_id], skipped_by=sorted({*task.skipped_by, reviewer}))
    record(connection, actor=reviewer, action="skip", target=task_target(task_id))
