"""A reviewer's decision on a task: label, task and commerce row are written in one transaction."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Table

from ml.core.commerce_names import CommerceNames
from ml.core.errors import StorageError
from ml.policy.schema import Policy
from ml.review.golden_tasks import answer_golden_task
from ml.review.queue import require_lease
from ml.review.second_review import APPEAL
from ml.storage.activity_log import record, task_target
from ml.storage.commerce import set_status
from ml.storage.database import current_time
from ml.storage.decisions import has_decision, load_latest_decision
from ml.storage.labels import NewLabel, add_labels
from ml.storage.review_tasks import GOLDEN, ReviewTask, close_tasks, lock_task

_VIOLATION_REASONS = ("violation:", "block:")


@dataclass(frozen=True)
class ReviewerDecision:
    """A reviewer's label of the photo of one task; `decided_at` None means now."""

    task_id: int
    label: str
    reviewer: str
    category: str | None = None
    note: str = ""
    decided_at: datetime | None = None


def decide_task(
    connection: Connection,
    decision: ReviewerDecision,
    *,
    policy: Policy,
    commerce: Table,
    names: CommerceNames,
    lease_holder: str | None = None,
) -> None:
    """Write the label, close the task and set the status in the commerce database. Idempotent.

    A later decision of another reviewer is added to the history and sets the status again. Where
    `lease_holder` is given, that reviewer must hold the task.

    Raises:
        StorageError: no such task, or the label is no class of the policy.
        LeaseLost: `lease_holder` does not hold the task.
    """
    task = lock_task(connection, decision.task_id)
    if decision.label not in policy.classes:
        raise StorageError(f"`{decision.label}` is no class of the policy")
    detail = {"category": decision.category, "note": decision.note}
    if task.kind == GOLDEN:
        answer_golden_task(connection, task, decision.label, decision.reviewer, **detail)
        return
    if _was_written_before(connection, task, decision):
        return
    if lease_holder is not None:
        require_lease(task, lease_holder)
    # The clock and not the transaction's start: who waited for the lock decided later.
    at = decision.decided_at or current_time(connection)
    status = status_of_label(decision.label, policy=policy, names=names)
    add_labels(connection, [_new_label(task, decision, at)])
    close_tasks(connection, [task.task_id])
    set_status(connection, commerce, task.object_key, task.etag, status=status, at=at)
    detail |= {"label": decision.label, "status": status}
    target = task_target(task.task_id)
    record(connection, actor=decision.reviewer, action="decide", target=target, **detail)


def status_of_label(label: str, *, policy: Policy, names: CommerceNames) -> str:
    """Violations are blocked, all else passes; a class no longer in the policy waits for review."""
    if label not in policy.classes:
        return names.status_review
    return names.status_block if policy.classes[label].violation else names.status_pass


def _was_written_before(
    connection: Connection, task: ReviewTask, decision: ReviewerDecision
) -> bool:
    """Whether this very decision was written before and only its response was lost."""
    label, reviewer, at = decision.label, decision.reviewer, decision.decided_at
    if at is not None:
        return has_decision(connection, task, label=label, reviewer=reviewer, decided_at=at)
    latest = load_latest_decision(connection, task) if task.state == "decided" else None
    return latest is not None and (latest.label, latest.reviewer) == (label, reviewer)


def _new_label(task: ReviewTask, decision: ReviewerDecision, at: datetime) -> NewLabel:
    return NewLabel(
        content_sha256=task.content_sha256,
        label=decision.label,
        reviewer=decision.reviewer,
        route=_route(task),
        decided_at=at,
        category=decision.category,
        sampling_rate=task.sampling_rate,
        task_id=task.task_id,
        note=decision.note,
    )


def _route(task: ReviewTask) -> str:
    """How the photo was routed to a reviewer."""
    if task.route is not None:
        return task.route
    if task.kind == "second_review" or APPEAL in task.reasons:
        return "second_review"
    is_violation = any(reason.startswith(_VIOLATION_REASONS) for reason in task.reasons)
    return "violation" if is_violation else "uncertain"
