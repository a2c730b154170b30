"""A person's decision on a review task: label, task and commerce row in one transaction."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, RowMapping, Table, func, select, update

from ml.errors import StorageError
from ml.policy.policy import Policy
from ml.settings import CommerceNames
from ml.storage.labels import NewLabel, add_labels
from ml.storage.schema import image, review_task

_VIOLATION = "violation:"


@dataclass(frozen=True)
class Decision:
    """What a person said about the image of one task; `decided_at` None is now."""

    task_id: int
    label: str
    reviewer: str
    category: str | None = None
    note: str = ""
    decided_at: datetime | None = None


def decide(
    connection: Connection,
    decision: Decision,
    *,
    policy: Policy,
    commerce: Table,
    names: CommerceNames,
) -> None:
    """Write the label, close the task and set the shop's status; again is no change.

    A violation is hidden (`block`), all else is shown (`pass`): a person has looked, nothing waits.
    A later decision of another person is added to the history and sets the status anew.

    Raises:
        StorageError: no such task, or the label is no class of the policy.
    """
    task = _locked_task(connection, decision.task_id)
    if decision.label not in policy.classes:
        raise StorageError(f"`{decision.label}` is no class of the policy")
    if not add_labels(connection, [_label(task, decision)]):
        return
    done = update(review_task).where(review_task.c.task_id == task["task_id"])
    connection.execute(done.values(state="decided"))
    blocked = policy.classes[decision.label].violation
    status = names.status_block if blocked else names.status_pass
    _set_status(connection, commerce, task, status, decision.decided_at)


def _locked_task(connection: Connection, task_id: int) -> RowMapping:
    query = select(review_task).where(review_task.c.task_id == task_id).with_for_update()
    task = connection.execute(query).mappings().first()
    if task is None:
        raise StorageError(f"no review task {task_id}")
    return task


def _label(task: RowMapping, decision: Decision) -> NewLabel:
    return NewLabel(
        content_sha256=task["content_sha256"],
        label=decision.label,
        reviewer=decision.reviewer,
        route=_route(task),
        decided_at=decision.decided_at,
        category=decision.category,
        task_id=task["task_id"],
        note=decision.note,
    )


def _route(task: RowMapping) -> str:
    """How the image came before a person."""
    if task["kind"] == "second_review":
        return "second_review"
    violating = any(reason.startswith(_VIOLATION) for reason in task["reasons"])
    return "violation" if violating else "uncertain"


def _set_status(
    connection: Connection,
    commerce: Table,
    task: RowMapping,
    status: str,
    decided_at: datetime | None,
) -> None:
    """Only while the object is the one that was judged: a re-upload is judged anew."""
    newer = select(image.c.etag).where(
        image.c.object_key == task["object_key"],
        image.c.uploaded_at
        > select(image.c.uploaded_at)
        .where(image.c.object_key == task["object_key"], image.c.etag == task["etag"])
        .scalar_subquery(),
    )
    connection.execute(
        update(commerce)
        .where(commerce.c.object_key == task["object_key"], ~newer.exists())
        .values(moderation_status=status, moderated_at=decided_at or func.now())
    )
