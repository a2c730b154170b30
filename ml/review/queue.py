"""The review queue: claims and their leases, skipped tasks, and tasks whose photo is missing."""

from collections.abc import Sequence
from functools import partial

from sqlalchemy import Connection, Table

from ml.core.errors import LeaseLost, ObjectNotFound
from ml.storage import photo_archive
from ml.storage.activity_log import record, task_target
from ml.storage.connections import Connections
from ml.storage.database import in_transaction
from ml.storage.review_queue import (
    ClaimedTask,
    Order,
    claim_waiting_tasks,
    extend_leases,
    lock_claims,
)
from ml.storage.review_tasks import (
    GOLDEN,
    ReviewTask,
    close_tasks,
    load_task_content,
    lock_task,
    reopen_tasks,
)
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
    claim = partial(
        claim_waiting_tasks,
        connection,
        reviewer=reviewer,
        count=count,
        lease_seconds=lease_seconds,
        commerce=commerce,
        filters=filters,
        order=order,
    )
    return claim(skipped=False) or claim(skipped=True)


def require_lease(task: ReviewTask, holder: str) -> None:
    """Raise LeaseLost unless the task is the holder's; `task` must be locked.

    An expired lease is still good while nobody else claimed the task: nothing was done twice.
    """
    if task.claimed_by == holder:
        return
    state = {
        "claimed": f"is with {task.claimed_by} now",
        "decided": "was decided meanwhile",
        "open": f"is in the queue and not with {holder}",
    }
    raise LeaseLost(f"review task {task.task_id} {state[task.state]}: claim the next one")


def renew_leases(
    connection: Connection, *, reviewer: str, task_ids: Sequence[int], lease_seconds: float
) -> list[int]:
    """Prolong leases; returns the tasks that are still the reviewer's: the others are lost."""
    claimed = list(lock_claims(connection, reviewer=reviewer, task_ids=task_ids))
    extend_leases(connection, claimed, lease_seconds=lease_seconds)
    return claimed


def release_tasks(
    connection: Connection, *, reviewer: str, task_ids: Sequence[int] | None = None
) -> list[int]:
    """Give tasks back undecided (None: all that the reviewer holds), as when a browser is closed.

    Golden tasks are closed instead: no other reviewer may get them. Returns the released tasks.
    """
    kinds = lock_claims(connection, reviewer=reviewer, task_ids=task_ids)
    reopen_tasks(connection, [task_id for task_id, kind in kinds.items() if kind != GOLDEN])
    close_tasks(connection, [task_id for task_id, kind in kinds.items() if kind == GOLDEN])
    return list(kinds)


def skip_task(connection: Connection, *, reviewer: str, task_id: int) -> None:
    """Give a task back for others; the reviewer gets it again when no others are left. Idempotent.

    A golden task is closed instead: no other reviewer may get it.

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


def photo_missing(connections: Connections, task_id: int, *, max_bytes: int) -> bool:
    """Whether the task's photo was deleted or replaced in the bucket, and never archived.

    False for an unknown task. Raises StorageUnavailable if the object storage does not answer.
    """

    def locate(connection: Connection) -> photo_archive.PhotoLocations | None:
        content = load_task_content(connection, task_id)
        return None if content is None else photo_archive.locate(connection, content)

    locations = in_transaction(connections.engine, locate)
    if locations is None:
        return False
    try:
        photo_archive.read(
            locations, photos=connections.photos, models=connections.models, max_bytes=max_bytes
        )
    except ObjectNotFound:
        return True
    return False


def close_missing(connection: Connection, *, task_id: int, reviewer: str) -> None:
    """Close a task whose photo is missing, without a label; idempotent.

    It can never be decided and would be offered again after every skip. A photo that is uploaded
    again is scored again, and an appeal reopens the task.

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
