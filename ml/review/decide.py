"""A person's decision on a review task: label, task and commerce row in one transaction."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, RowMapping, Table, func, select, update

from ml.errors import StorageError
from ml.policy.policy import Policy
from ml.review import golden_items
from ml.review.activity import record, task_target
from ml.review.lease import lock_task, require_lease
from ml.review.standing import APPEAL, last_standing
from ml.review.status import set_status, status_of
from ml.settings import CommerceNames
from ml.storage.labels import NewLabel, add_labels
from ml.storage.schema import human_label, review_task

_VIOLATING = ("violation:", "block:")


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
    lease_holder: str | None = None,
) -> None:
    """Write the label, close the task and set the shop's status; again is no change.

    A violation is hidden (`block`), all else is shown (`pass`): a person has looked, nothing waits.
    A later decision of another person is added to the history and sets the status anew.

    Args:
        connection: open, in a transaction.
        decision: what was said.
        policy: its classes are the labels.
        commerce: the shop's table of photos.
        names: the shop's words.
        lease_holder: who must hold the task; None decides without a lease.

    Raises:
        StorageError: no such task, or the label is no class of the policy.
        LeaseLost: `lease_holder` does not hold the task (any longer).
    """
    task = lock_task(connection, decision.task_id)
    if decision.label not in policy.classes:
        raise StorageError(f"`{decision.label}` is no class of the policy")
    if task["kind"] == golden_items.GOLDEN:
        more = {"category": decision.category, "note": decision.note}
        golden_items.answer(connection, task, decision.label, decision.reviewer, **more)
        return
    if _said(connection, task, decision):
        return
    if lease_holder is not None:
        require_lease(task, lease_holder)
    # The clock and not the transaction's start: who waited for the lock decided later.
    at = decision.decided_at or connection.execute(select(func.clock_timestamp())).scalar_one()
    status = status_of(decision.label, policy=policy, names=names)
    add_labels(connection, [_label(task, decision, at)])
    _close(connection, task)
    set_status(connection, commerce, task, status=status, at=at)
    said = {"label": decision.label, "category": decision.category, "note": decision.note}
    target = task_target(task["task_id"])
    record(connection, who=decision.reviewer, what="decide", target=target, **said, status=status)


def _said(connection: Connection, task: RowMapping, decision: Decision) -> bool:
    """Whether this very decision was taken in before, and its answer was lost."""
    columns = human_label.c
    if decision.decided_at is not None:
        same = select(columns.label_id).where(
            columns.content_sha256 == task["content_sha256"],
            columns.task_id == task["task_id"],
            columns.reviewer == decision.reviewer,
            columns.label == decision.label,
            columns.decided_at == decision.decided_at,
        )
        return connection.execute(same).first() is not None
    last = last_standing(connection, task) if task["state"] == "decided" else None
    return last is not None and (last.label, last.reviewer) == (decision.label, decision.reviewer)


def _close(connection: Connection, task: RowMapping) -> None:
    done = update(review_task).where(review_task.c.task_id == task["task_id"])
    connection.execute(done.values(state="decided", claimed_by=None, claimed_until=None))


def _label(task: RowMapping, decision: Decision, at: datetime) -> NewLabel:
    return NewLabel(
        content_sha256=task["content_sha256"],
        label=decision.label,
        reviewer=decision.reviewer,
        route=_route(task),
        decided_at=at,
        category=decision.category,
        sampling_rate=task["sampling_rate"],
        task_id=task["task_id"],
        note=decision.note,
    )


def _route(task: RowMapping) -> str:
    """How the image came before a person."""
    if task["route"] is not None:
        return str(task["route"])
    if task["kind"] == "second_review" or APPEAL in task["reasons"]:
        return "second_review"
    violating = any(reason.startswith(_VIOLATING) for reason in task["reasons"])
    return "violation" if violating else "uncertain"
