"""One task, locked for the transaction, and whether it is the reviewer's to decide."""

from sqlalchemy import Connection, RowMapping, select

from ml.errors import LeaseLost, StorageError
from ml.storage.schema import review_task


def lock_task(connection: Connection, task_id: int) -> RowMapping:
    """The task's row, held until the transaction ends.

    Raises:
        StorageError: there is no such task.
    """
    query = select(review_task).where(review_task.c.task_id == task_id).with_for_update()
    task = connection.execute(query).mappings().first()
    if task is None:
        raise StorageError(f"no review task {task_id}")
    return task


def require_lease(task: RowMapping, holder: str) -> None:
    """Refuse a task that is not the holder's; `task` must be locked.

    A lease that ran out while nobody else wanted the task is still good: nothing was done twice.

    Raises:
        LeaseLost: another person has the task, decided it, or it was given back.
    """
    if task["claimed_by"] == holder:
        return
    now = {
        "claimed": f"is with {task['claimed_by']} now",
        "decided": "was decided meanwhile",
        "open": f"is in the queue and not with {holder}",
    }
    raise LeaseLost(f"review task {task['task_id']} {now[task['state']]}: claim the next one")
