"""The status in the commerce database that a reviewer's decision calls for."""

from datetime import datetime

from sqlalchemy import Connection, Table

from ml.core.settings import CommerceNames
from ml.policy.schema import Policy
from ml.storage.commerce import load_written_status, replace_status
from ml.storage.decisions import load_latest_decision_on_object
from ml.storage.review_tasks import ReviewTask


def status_of_label(label: str, *, policy: Policy, names: CommerceNames) -> str:
    """Violations are blocked, all else passes; a class no longer in the policy waits for review."""
    if label not in policy.classes:
        return names.status_review
    return names.status_block if policy.classes[label].violation else names.status_pass


def restore_status(
    connection: Connection,
    task: ReviewTask,
    *,
    undone_at: datetime,
    policy: Policy,
    commerce: Table,
    names: CommerceNames,
) -> None:
    """Set the status back to what it was before an undone decision.

    That is the status of the object's latest active decision, else what a nightly run wrote last.
    Rows with a later status (of another decision, the commerce database's own, or for a re-upload)
    stay as they are.

    Args:
        connection: open, in the transaction that writes the undo.
        task: the decided task.
        undone_at: `decided_at` of the undone label; rows with this time are set back.
        policy: says which classes are violations.
        commerce: the commerce table of photos.
        names: the commerce database's names of statuses.
    """
    status, at = _earlier_status(connection, task, policy=policy, names=names)
    replace_status(
        connection, commerce, task.object_key, moderated_at=undone_at, status=status, at=at
    )


def _earlier_status(
    connection: Connection, task: ReviewTask, *, policy: Policy, names: CommerceNames
) -> tuple[str, datetime | None]:
    decision = load_latest_decision_on_object(connection, task)
    if decision is not None:
        return status_of_label(decision.label, policy=policy, names=names), decision.decided_at
    # Status and time exactly as written: by both the next nightly run knows the row as its own.
    written = load_written_status(connection, task.object_key, task.etag)
    return written or (names.status_review, None)
