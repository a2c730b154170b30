"""Answers to golden tasks, the labels that they are compared with, and all opinions on a photo."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Connection,
    Select,
    any_,
    delete,
    false,
    func,
    insert,
    select,
    true,
)

from ml.policy.golden_labels import Opinion
from ml.storage.review_tasks import ReviewTask
from ml.storage.rows import is_found, load_row, load_value, rows_of
from ml.storage.schema import (
    decision_undo,
    golden_answer,
    golden_photo,
    golden_set,
    human_label,
    review_task,
)

_answer = golden_answer.c


@dataclass(frozen=True)
class GoldenAnswer:
    """A reviewer's answer to a golden task; `age` by the database's clock."""

    label: str
    reviewer: str
    answered_at: datetime
    age: timedelta


@dataclass(frozen=True)
class GoldenTruth:
    """The label of a photo in the newest golden set that has it."""

    golden_hash: str
    label: str


def load_truth(connection: Connection, content_sha256: str) -> GoldenTruth | None:
    """The photo's label in the newest golden set that has it."""
    query = (
        select(golden_photo.c.golden_hash, golden_photo.c.label)
        .join(golden_set, golden_set.c.golden_hash == golden_photo.c.golden_hash)
        .where(golden_photo.c.content_sha256 == content_sha256)
        .order_by(golden_set.c.created_at.desc(), golden_set.c.golden_hash)
        .limit(1)
    )
    return load_row(connection, query, GoldenTruth)


def load_answer(connection: Connection, task_id: int) -> GoldenAnswer | None:
    """The answer to a golden task, if there is one."""
    age = (func.clock_timestamp() - _answer.answered_at).label("age")
    query = select(*_answer["label", "reviewer", "answered_at"], age)
    return load_row(connection, query.where(_answer.task_id == task_id), GoldenAnswer)


def add_answer(
    connection: Connection, task: ReviewTask, truth: GoldenTruth, *, label: str, reviewer: str
) -> None:
    """Write the answer to a golden task."""
    row = insert(golden_answer).values(
        task_id=task.task_id,
        content_sha256=task.content_sha256,
        golden_hash=truth.golden_hash,
        truth=truth.label,
        label=label,
        reviewer=reviewer,
        answered_at=func.clock_timestamp(),
    )
    connection.execute(row)


def delete_answer(connection: Connection, task_id: int) -> None:
    """Delete the answer to a golden task."""
    connection.execute(delete(golden_answer).where(_answer.task_id == task_id))


def load_opinions(
    connection: Connection, contents: Sequence[str], *, as_of: datetime
) -> dict[str, list[Opinion]]:
    """All active labels and golden answers from before `as_of`, by content, the oldest first."""
    opinions: dict[str, list[Opinion]] = {content: [] for content in contents}
    for query in (_select_votes(contents, as_of), _select_answers(contents, as_of)):
        for content, *values in connection.execute(query):
            opinions[content].append(Opinion(*values))
    return {
        content: sorted(found, key=lambda opinion: opinion.given_at)
        for content, found in opinions.items()
    }


def _select_votes(contents: Sequence[str], as_of: datetime) -> Select[Any]:
    label = rows_of(human_label, contents, lambda c: human_label.c.content_sha256 == c).c
    is_undone = is_found(decision_undo, decision_undo.c.label_id == label.label_id)
    is_imported = label.route == "import"
    query = select(label.key, label.reviewer, label.label, label.decided_at, is_imported, false())
    return query.where(label.decided_at < as_of, ~is_undone).order_by(label.label_id)


def _select_answers(contents: Sequence[str], as_of: datetime) -> Select[Any]:
    """By the tasks of the photos: the table of the answers has no index by content."""
    tasks = rows_of(review_task, contents, lambda c: review_task.c.content_sha256 == c)
    # An array, read once: as a join, each task might search the whole table.
    task_ids = func.array(select(tasks.c.task_id).scalar_subquery(), type_=ARRAY(BigInteger))
    columns = _answer["content_sha256", "reviewer", "label", "answered_at"]
    query = select(*columns, false(), true()).where(_answer.task_id == any_(task_ids))
    return query.where(_answer.answered_at < as_of).order_by(_answer.task_id)


def find_golden_task_answered_since(
    connection: Connection, reviewer: str, *, since: datetime
) -> int | None:
    """A golden task that the reviewer answered after a point in time."""
    query = select(_answer.task_id).where(_answer.reviewer == reviewer, _answer.answered_at > since)
    return load_value(connection, query.limit(1), int)
