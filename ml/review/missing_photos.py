"""Tasks whose photo is missing: deleted or replaced in the bucket, and never archived.

Such tasks can never be decided and would be offered again after every skip, so they are closed
without a label. A photo that is uploaded again is scored again, and an appeal reopens the task.
"""

from sqlalchemy import Connection

from ml.core.errors import ObjectNotFound
from ml.review.lease import require_lease
from ml.storage import photo_archive
from ml.storage.activity_log import record, task_target
from ml.storage.connections import Connections
from ml.storage.database import in_transaction
from ml.storage.review_tasks import close_tasks, load_task_content, lock_task


def photo_missing(connections: Connections, task_id: int, *, max_bytes: int) -> bool:
    """Whether the bytes of the task's photo are nowhere to be found; False for an unknown task.

    Raises:
        StorageUnavailable: the object storage does not answer.
    """
    locations = in_transaction(connections.engine, lambda c: _locate_photo(c, task_id))
    if locations is None:
        return False
    try:
        photo_archive.read(
            locations, photos=connections.photos, models=connections.models, max_bytes=max_bytes
        )
    except ObjectNotFound:
        return True
    return False


def _locate_photo(connection: Connection, task_id: int) -> photo_archive.PhotoLocations | None:
    content = load_task_content(connection, task_id)
    return None if content is None else photo_archive.locate(connection, content)


def close_missing(connection: Connection, *, task_id: int, reviewer: str) -> None:
    """Close a task whose photo is missing; idempotent.

    Raises:
        LeaseLost: the task is not the reviewer's.
        StorageError: there is no such task.
    """
    task = lock_task(connection, task_id)
    if task.state == "decided":
        return
    require_lease(task, reviewer)
    close_tasks(connection, [task_id])
    record(connection, actor=reviewer, action="close_missing", target=task_target(task_id))
