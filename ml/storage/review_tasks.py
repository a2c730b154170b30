"""`moderation.review_task`: the tasks' rows, and the tasks that a nightly run opens."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypedDict, Unpack

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import JSONB, insert

from ml.core.errors import StorageError
from ml.storage.audit_runs import AuditRun
from ml.storage.rows import columns_of, load_row, load_value
from ml.storage.schema import audit_result, review_task, sampling_key
from ml.storage.write_back import KeyRange

VERDICT, BLIND, GOLDEN = "verdict", "blind", "golden"  # kinds; `second_review` is the fourth
SAMPLED_ROUTES = ("spot_check", "active_learning")  # of tasks on settled photos

_task = review_task.c
_result = audit_result.c
# The condition of the index on the object; a statement uses the index only if it says so.
NOT_GOLDEN = _task.kind != sa.literal_column("'golden'")
_UNLESS_PRESENT: dict[str, Any] = {
    "index_elements": ["object_key", "etag", "kind"],
    "index_where": sa.text("kind <> 'golden'"),
}
_COUNTED: dict[str, Any] = {"preserve_rowcount": True}  # SQLAlchemy counts no inserted rows else
_NO_LEASE: dict[str, Any] = {"claimed_by": None, "claimed_until": None}


@dataclass(frozen=True)
class ReviewedVerdict:
    """A task's object and the verdict on it."""

    object_key: str
    etag: str
    content_sha256: str
    model_hash: str
    policy_version: str
    reasons: tuple[str, ...]
    violation_score: float
    run_id: str

    @property
    def task_columns(self) -> dict[str, Any]:
        """The columns of a task on it that name the object and the verdict."""
        return {name: getattr(self, name) for name in _OF_VERDICT}


_OF_VERDICT = tuple(field.name for field in fields(ReviewedVerdict))


@dataclass(frozen=True)
class ReviewTask(ReviewedVerdict):
    """One review task; `route` None: the reasons name it."""

    task_id: int
    state: str
    kind: str
    claimed_by: str | None
    skipped_by: tuple[str, ...]
    route: str | None
    sampling_rate: float


class TaskChanges(TypedDict, total=False):
    """Columns that may change together with a task's state."""

    reasons: list[str]
    skipped_by: list[str]
    excluded_reviewers: list[str]


def lock_task(connection: Connection, task_id: int) -> ReviewTask:
    """Load a task and lock its row until the transaction ends.

    Raises:
        StorageError: there is no such task.
    """
    task = _lock(connection, _task.task_id == task_id)
    if task is None:
        raise StorageError(f"no review task {task_id}")
    return task


def lock_task_of_object(
    connection: Connection, object_key: str, etag: str, *, kind: str
) -> ReviewTask | None:
    """The object's task of a kind (any but golden), locked; None where there is none."""
    of_object = (_task.object_key == object_key) & (_task.etag == etag)
    return _lock(connection, of_object, _task.kind == kind, NOT_GOLDEN)


def _lock(connection: Connection, *conditions: sa.ColumnElement[bool]) -> ReviewTask | None:
    query = sa.select(*columns_of(review_task, ReviewTask)).where(*conditions)
    return load_row(connection, query.with_for_update(), ReviewTask)


def load_task_content(connection: Connection, task_id: int) -> str | None:
    """The content hash of a task's photo; None where there is no such task."""
    query = sa.select(_task.content_sha256).where(_task.task_id == task_id)
    return load_value(connection, query, str)


def update_task(connection: Connection, task_id: int, **changes: Unpack[TaskChanges]) -> None:
    """Change a task and leave its state as it is."""
    _update_tasks(connection, [task_id], {**changes})


def close_tasks(
    connection: Connection, task_ids: Sequence[int], **changes: Unpack[TaskChanges]
) -> None:
    """Set tasks to `decided` and end their leases."""
    _update_tasks(connection, task_ids, _NO_LEASE | {"state": "decided", **changes})


def reopen_tasks(
    connection: Connection,
    task_ids: Sequence[int],
    *,
    restart_wait: bool = False,
    **changes: Unpack[TaskChanges],
) -> None:
    """Set tasks to `open` and end their leases; `restart_wait`: they wait from now on."""
    opened_at = {"opened_at": sa.func.clock_timestamp()} if restart_wait else {}
    _update_tasks(connection, task_ids, _NO_LEASE | {"state": "open", **opened_at, **changes})


def _update_tasks(connection: Connection, task_ids: Sequence[int], values: dict[str, Any]) -> None:
    if task_ids:
        statement = sa.update(review_task).where(_task.task_id.in_(task_ids))
        connection.execute(statement.values(values))


def add_blind_task(
    connection: Connection, task: ReviewTask, *, priority: float, excluded_reviewers: list[str]
) -> None:
    """Open a blind second review of a task's object."""
    row = task.task_columns | {
        "kind": BLIND,
        "route": "second_review",
        "priority": priority,
        "excluded_reviewers": excluded_reviewers,
        "opened_at": sa.func.clock_timestamp(),
    }
    connection.execute(insert(review_task).values(row))


def add_tasks(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> int:
    """Open a task for each row; returns how many are new.

    An object that has a task of the kind, open or decided, gets no second one.
    """
    if not rows:
        return 0
    new = insert(review_task).on_conflict_do_nothing(**_UNLESS_PRESENT)
    return connection.execute(new, rows, execution_options=_COUNTED).rowcount


def add_selected_tasks(connection: Connection, query: sa.Select[Any]) -> int:
    """`add_tasks` for the rows of a query, whose columns are named as those of the table."""
    new = insert(review_task).from_select(query.selected_columns.keys(), query)
    new = new.on_conflict_do_nothing(**_UNLESS_PRESENT)
    return connection.execute(new, execution_options=_COUNTED).rowcount


def open_tasks(connection: Connection, run: AuditRun, keys: KeyRange) -> int:
    """Open a task for each image of the range whose verdict is `review`; returns how many are new.

    The priority is the sum of the violation classes' scores, weighted by `Policy.priority_weights`;
    where the score is doubted by what reviewers decided, or by a signal, it is that of a certain
    violation.
    """
    weights = sa.cast(run.policy.priority_weights, JSONB)
    weight = sa.func.jsonb_each_text(weights).table_valued("key", "value").c
    score = sa.cast(_result.scores.op("->>")(weight.key), sa.Float) * sa.cast(
        weight.value, sa.Float
    )
    weighted_score = sa.select(sa.func.sum(score)).scalar_subquery()
    by_score = sa.func.coalesce(weighted_score, _result.violation_score)
    first = max(run.policy.priority_weights.values(), default=1.0)
    priority = sa.case((_is_doubted(), first), else_=by_score).label("priority")
    to_review = sa.select(*_result[_OF_VERDICT], priority).where(
        in_range(run, keys), _result.decision == "review"
    )
    return add_selected_tasks(connection, to_review)


def _is_doubted() -> sa.ColumnElement[bool]:
    """Whether a screen by features, or a signal, sends the photo to review."""
    # Between separators: a class may be called `unfamiliar`.
    reasons = "," + sa.func.array_to_string(_result.reasons, ",") + ","
    words = (",copy_of_blocked,", ",unfamiliar,", ",similar_violation:", ",signal:")
    return sa.or_(*map(reasons.contains, words))


def load_sampling_key(connection: Connection) -> bytes:
    """The key of all deterministic draws: created by the migration, never changed."""
    key: bytes = connection.execute(sa.select(sampling_key.c.key)).scalar_one()
    return key


def in_range(run: AuditRun, keys: KeyRange) -> sa.ColumnElement[bool]:
    """Whether a row of `audit_result` is of the run and the range."""
    is_in = (_result.object_key > keys.after) & (_result.object_key <= keys.until)
    return (_result.run_id == run.run_id) & is_in
