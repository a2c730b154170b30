"""Further reviews of a decided photo: blind second reviews, third reviews, and appeals.

- A keyed hash of the content draws a share of the photos (policy `reviewing.second_review_share`):
  a reviewer's behavior cannot influence it. With a single reviewer set the share to 0.
- The second review is a task of kind `blind` for the same object, never the first reviewer's,
  queued among the others at a drawn priority. Its label has the route `second_review`.
- By `ml.storage.labels.resolve_labels` two different votes are a tie and the second one's status
  holds. The first task opens again, as by an appeal and with the reason `contested`, for a third
  reviewer, whose vote decides by the same rule.
"""

from collections.abc import Collection
from enum import StrEnum

from sqlalchemy import Connection

from ml.core.errors import StorageError
from ml.core.stats import keyed_uniform
from ml.policy.schema import Policy
from ml.policy.spot_check import SampleDraw, priority_among_reviews
from ml.storage.activity_log import record, task_target
from ml.storage.appeals import (
    Appeal,
    TaskOfContent,
    add_appeal,
    find_or_open_task,
    has_appeal,
    load_tasks_of_contents,
    open_task_of_content,
)
from ml.storage.decisions import (
    load_deciders,
    load_last_label_id,
    load_latest_decision,
    load_votes,
)
from ml.storage.review_tasks import (
    BLIND,
    VERDICT,
    ReviewTask,
    add_blind_task,
    close_tasks,
    load_sampling_key,
    lock_task,
    lock_task_of_object,
    reopen_tasks,
    update_task,
)

APPEAL = "appeal"  # the reason that an appeal adds to its task
CONTESTED = "contested"  # the reason that a task has while it waits for a third reviewer


class AppealState(StrEnum):
    """Whether the decision on a photo can be appealed.

    `WAITING`: the photo already waits to be reviewed again. `IMPOSSIBLE`: its label was imported,
    and no nightly run scored it, so that it has no task.
    """

    POSSIBLE = "possible"
    WAITING = "waiting"
    IMPOSSIBLE = "impossible"


def open_follow_ups(connection: Connection, task_id: int, *, policy: Policy) -> None:
    """Open the further review that a decision calls for, in its transaction; idempotent."""
    task = lock_task(connection, task_id)
    if task.kind not in (VERDICT, BLIND):
        return
    votes = load_votes(connection, task.content_sha256)
    if len(votes) == 1 and task.kind == VERDICT:
        key = load_sampling_key(connection)
        drawn = keyed_uniform(key, "second review", task.content_sha256)
        if drawn < policy.reviewing.second_review_share:
            _open_second_review(connection, key, task, list(votes), policy)
    elif len(votes) == 2 and len(set(votes.values())) == 2:  # noqa: PLR2004 - a tie of two
        _open_third_review(connection, task, reviewers=sorted(votes))


def close_follow_ups(connection: Connection, task: ReviewTask) -> None:
    """Close the undecided review that an undone decision had opened, in the undo's transaction."""
    if task.kind == VERDICT:
        second = _lock_sibling(connection, task, BLIND)
        if second is not None and second.state != "decided":
            close_tasks(connection, [second.task_id])
    elif task.kind == BLIND:
        first = _lock_sibling(connection, task, VERDICT)
        if first is not None and first.state != "decided" and CONTESTED in first.reasons:
            reasons = _without_contested(first)
            close_tasks(connection, [first.task_id], reasons=reasons, excluded_reviewers=[])


def _open_second_review(
    connection: Connection, key: bytes, task: ReviewTask, excluded: list[str], policy: Policy
) -> None:
    """Open the blind task, or reopen the one that an undo has closed."""
    second = _lock_sibling(connection, task, BLIND)
    if second is None:
        priority = _random_priority(key, task, policy)
        add_blind_task(connection, task, priority=priority, excluded_reviewers=excluded)
    elif second.state == "decided" and load_latest_decision(connection, second) is None:
        reopen_tasks(connection, [second.task_id], restart_wait=True, excluded_reviewers=excluded)


def _random_priority(key: bytes, task: ReviewTask, policy: Policy) -> float:
    """A priority that does not reveal a second review: drawn like that of a spot check."""
    place = keyed_uniform(key, "second review place", task.content_sha256)
    guise = keyed_uniform(key, "second review guise", task.content_sha256)
    return priority_among_reviews(SampleDraw(selection=0.0, score=place, label=guise), policy)


def _open_third_review(connection: Connection, task: ReviewTask, *, reviewers: list[str]) -> None:
    """Reopen the first task for anybody but its two reviewers, unless it waits already."""
    first = task if task.kind == VERDICT else _lock_sibling(connection, task, VERDICT)
    second = task if task.kind == BLIND else _lock_sibling(connection, task, BLIND)
    latest = load_latest_decision(connection, task)
    if first is None or second is None or latest is None or first.state != "decided":
        return
    superseded = load_last_label_id(connection, first)
    reason = "two reviewers decided differently"
    add_appeal(connection, Appeal(first.task_id, reason, latest.reviewer, superseded))
    reopen_tasks(
        connection,
        [first.task_id],
        restart_wait=True,
        reasons=[*_without_contested(first), CONTESTED],
        excluded_reviewers=reviewers,
    )
    target = task_target(first.task_id)
    record(connection, actor=latest.reviewer, action="contest", target=target)


def _without_contested(task: ReviewTask) -> list[str]:
    return [reason for reason in task.reasons if reason != CONTESTED]


def _lock_sibling(connection: Connection, task: ReviewTask, kind: str) -> ReviewTask | None:
    """The other task of the same object."""
    return lock_task_of_object(connection, task.object_key, task.etag, kind=kind)


def appeal_photo(connection: Connection, object_key: str, *, reason: str, by: str) -> int:
    """Appeal against the decision or verdict on an object's newest content; returns the task.

    The status in the commerce database does not change until the appeal is decided.

    Raises:
        StorageError: the photo has no verdict.
    """
    task_id = find_or_open_task(connection, object_key)
    if task_id is None:
        raise StorageError(f"no verdict on {object_key!r}: there is nothing to appeal against yet")
    appeal_task(connection, task_id, reason=reason, by=by)
    return task_id


def load_appeal_states(connection: Connection, contents: Collection[str]) -> dict[str, AppealState]:
    """Whether the decision on each decided content can be appealed, by content hash."""
    found = load_tasks_of_contents(connection, contents)
    return {content: _appeal_state(task) for content, task in found.items()}


def _appeal_state(found: TaskOfContent) -> AppealState:
    if found.state is not None and found.state != "decided":
        return AppealState.WAITING
    is_possible = found.task_id is not None or found.is_judged
    return AppealState.POSSIBLE if is_possible else AppealState.IMPOSSIBLE


def appeal_decision(connection: Connection, content_sha256: str, *, reason: str, by: str) -> int:
    """Appeal against the decision on a content, in whichever object; returns the task.

    Its label counts as before until the appeal is decided.

    Raises:
        StorageError: the photo has neither a task nor a verdict, as where its label was imported.
    """
    task_id = _find_task_of_content(connection, content_sha256)
    if task_id is None:
        open_task_of_content(connection, content_sha256)
        task_id = _find_task_of_content(connection, content_sha256)
    if task_id is None:
        raise StorageError(
            f"no verdict on {content_sha256}: correct an imported label by another import"
        )
    appeal_task(connection, task_id, reason=reason, by=by)
    return task_id


def _find_task_of_content(connection: Connection, content_sha256: str) -> int | None:
    return load_tasks_of_contents(connection, [content_sha256])[content_sha256].task_id


def appeal_task(connection: Connection, task_id: int, *, reason: str, by: str) -> None:
    """Appeal against the decision on a task: it waits again, preferably for another reviewer.

    Idempotent: the same appeal is not written twice before a decision answers it.

    Raises:
        StorageError: there is no such task.
    """
    task = lock_task(connection, task_id)
    appeal = Appeal(task_id, reason, by, load_last_label_id(connection, task))
    if has_appeal(connection, appeal):
        return
    add_appeal(connection, appeal)
    _reopen(connection, task)
    record(connection, actor=by, action="appeal", target=task_target(task_id), reason=reason)


def _reopen(connection: Connection, task: ReviewTask) -> None:
    """An undecided task only gets the reason; its holder, if any, keeps it."""
    reasons = [*task.reasons, *([] if APPEAL in task.reasons else [APPEAL])]
    if task.state != "decided":
        update_task(connection, task.task_id, reasons=reasons)
        return
    # Who decided it gets it only when no other task is left, like one that they skipped.
    skipped_by = sorted({*task.skipped_by, *load_deciders(connection, task)})
    reopen_tasks(
        connection, [task.task_id], restart_wait=True, reasons=reasons, skipped_by=skipped_by
    )
