"""Tasks whose photo is gone: deleted or replaced in the bucket, and never kept.

Nobody can decide them, and skipped ones would come round for ever. They are closed without a label;
a photo that was uploaded anew is judged anew, and an appeal opens the task again.
"""

from sqlalchemy import Connection, select, update

from ml.connections import Connections
from ml.errors import ObjectAbsent
from ml.images import by_content
from ml.review.activity import record, task_target
from ml.review.lease import lock_task, require_lease
from ml.storage.database import in_transaction
from ml.storage.schema import review_task


def is_gone(connections: Connections, task_id: int, *, max_bytes: int) -> bool:
    """Whether the bytes of the task's photo are nowhere any more; a failing storage raises."""
    places = in_transaction(connections.engine, lambda c: _places(c, task_id))
    if places is None:
        return False
    try:
        by_content.read(
            places, photos=connections.photos, models=connections.models, max_bytes=max_bytes
        )
    except ObjectAbsent:
        return True
    return False


def _places(connection: Connection, task_id: int) -> by_content.Places | None:
    query = select(review_task.c.content_sha256).where(review_task.c.task_id == task_id)
    content = connection.execute(query).scalar()
    return None if content is None else by_content.places_of(connection, content)


def close_gone(connection: Connection, *, task_id: int, reviewer: str) -> None:
    """Close a task that is gone; again is no change.

    Raises:
        LeaseLost: the task is not the reviewer's.
        StorageError: there is no such task.
    """
    task = lock_task(connection, task_id)
    if task["state"] == "decided":
        return
    require_lease(task, reviewer)
    closed = {"state": "decided", "claimed_by": None, "claimed_until": None}
    mine = review_task.c.task_id == task_id
    connection.execute(update(review_task).where(mine).values(closed))
    record(connection, who=reviewer, what="gone", target=task_target(task_id))
