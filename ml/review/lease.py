"""Leases: a claimed task is one reviewer's until the lease ends, is given back or is taken over."""

from collections.abc import Sequence

from sqlalchemy import Connection

from ml.core.errors import LeaseLost
from ml.storage.review_queue import extend_leases, lock_claims
from ml.storage.review_tasks import GOLDEN, ReviewTask, close_tasks, reopen_tasks


def require_lease(task: ReviewTask, holder: str) -> None:
    """Raise unless the task is the holder's; `task` must be locked.

    An expired lease is still good while nobody else claimed the task: nothing was done twice.

    Raises:
        LeaseLost: another reviewer holds or decided the task, or it was given back.
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

    Golden tasks are closed instead: they are no other reviewer's. Returns the tasks given back.
    """
    kinds = lock_claims(connection, reviewer=reviewer, task_ids=task_ids)
    reopen_tasks(connection, [task_id for task_id, kind in kinds.items() if kind != GOLDEN])
    close_tasks(connection, [task_id for task_id, kind in kinds.items() if kind == GOLDEN])
    return list(kinds)
