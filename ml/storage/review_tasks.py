"""`moderation.review_task`: the tasks' rows, and the tasks that a nightly run opens."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, TypedDict, Unpack

from sqlalchemy import Connection, RowMapping, Select, func, insert, select, text, update

from ml.core.errors import StorageError
from ml.policy.schema import Policy
from ml.policy.spot_check import SampleDraw, draw_sample, priority_among_reviews
from ml.storage.audit_runs import AuditRun
from ml.storage.schema import review_task, sampling_key
from ml.storage.write_back import KeyRange

VERDICT, BLIND, GOLDEN = "verdict", "blind", "golden"  # kinds; `second_review` is the fourth

_task = review_task.c


@dataclass(frozen=True)
class ReviewTask:
    """One review task; `route` None: the reasons tell it."""

    task_id: int
    object_key: str
    etag: str
    content_sha256: str
    model_hash: str
    policy_version: str
    reasons: tuple[str, ...]
    violation_score: float
    run_id: str
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
    query = _select_tasks().where(_task.task_id == task_id).with_for_update()
    row = connection.execute(query).mappings().first()
    if row is None:
        raise StorageError(f"no review task {task_id}")
    return _review_task(row)


def lock_task_of_object(
    connection: Connection, object_key: str, etag: str, *, kind: str
) -> ReviewTask | None:
    """The object's task of a kind (any but golden), locked; None where there is none."""
    query = _select_tasks().where(
        _task.object_key == object_key, _task.etag == etag, _task.kind == kind
    )
    row = connection.execute(query.with_for_update()).mappings().first()
    return None if row is None else _review_task(row)


def load_task_content(connection: Connection, task_id: int) -> str | None:
    """The content hash of a task's photo; None where there is no such task."""
    query = select(_task.content_sha256).where(_task.task_id == task_id)
    content: str | None = connection.execute(query).scalar()
    return content


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
    opened_at = {"opened_at": func.clock_timestamp()} if restart_wait else {}
    _update_tasks(connection, task_ids, _NO_LEASE | {"state": "open", **opened_at, **changes})


def add_blind_task(
    connection: Connection, task: ReviewTask, *, priority: float, excluded_reviewers: list[str]
) -> None:
    """Open a blind second review of a task's object."""
    columns = (
        "object_key", "etag", "content_sha256", "model_hash", "policy_version", "violation_score",
        "run_id",
    )  # fmt: skip
    row = {name: getattr(task, name) for name in columns} | {
        "reasons": list(task.reasons),
        "kind": BLIND,
        "route": "second_review",
        "priority": priority,
        "excluded_reviewers": excluded_reviewers,
        "opened_at": func.clock_timestamp(),
    }
    connection.execute(insert(review_task).values(row))


_NO_LEASE: dict[str, Any] = {"claimed_by": None, "claimed_until": None}


def _update_tasks(connection: Connection, task_ids: Sequence[int], values: dict[str, Any]) -> None:
    if task_ids:
        statement = update(review_task).where(_task.task_id.in_(task_ids))
        connection.execute(statement.values(values))


def _select_tasks() -> Select[Any]:
    return select(*(_task[field.name] for field in fields(ReviewTask)))


def _review_task(row: RowMapping) -> ReviewTask:
    arrays = {name: tuple(row[name]) for name in ("reasons", "skipped_by")}
    return ReviewTask(**{**row, **arrays})


_OPEN_FOR_REVIEW = text(
    """
    insert into moderation.review_task (
        object_key, etag, content_sha256, model_hash, policy_version, reasons, violation_score,
        priority, run_id
    )
    select object_key, etag, content_sha256, model_hash, policy_version, reasons,
        violation_score,
        coalesce((
            select sum(cast(scores ->> name as float) * cast(weight as float))
            from jsonb_each_text(cast(:weights as jsonb)) as weighted(name, weight)
        ), violation_score),
        run_id
    from moderation.audit_result
    where run_id = :run_id and decision = 'review'
        and object_key > :after and object_key <= :until
    on conflict (object_key, etag, kind) where kind <> 'golden' do nothing
    """
)


def open_tasks(connection: Connection, run: AuditRun, keys: KeyRange) -> int:
    """Open a task for each image of the range whose verdict is `review`; returns how many are new.

    An image that has a task, open or decided, gets no second one. The priority is the sum of the
    violation classes' scores, weighted by `Policy.priority_weights`.
    """
    values = {**_range(run, keys), "weights": json.dumps(run.policy.priority_weights)}
    return connection.execute(_OPEN_FOR_REVIEW, values).rowcount


# A content is spot-checked once, however many keys it has, and not where a reviewer's decision on
# it was reused.
_SETTLED = text(
    """
    select distinct on (content_sha256) object_key, etag, content_sha256, model_hash,
        policy_version, decision, reasons, violation_score, run_id
    from moderation.audit_result ar
    where run_id = :run_id and decision = any(cast(:decisions as text[]))
        and object_key > :after and object_key <= :until and reused_label is null
        and not exists (
            select from moderation.review_task t
            where t.content_sha256 = ar.content_sha256 and t.route = 'spot_check'
        )
    order by content_sha256, object_key
    """
)

_OPEN_SPOT_CHECK = text(
    """
    insert into moderation.review_task (
        object_key, etag, content_sha256, model_hash, policy_version, reasons, violation_score,
        priority, run_id, route, sampling_rate
    )
    values (
        :object_key, :etag, :content_sha256, :model_hash, :policy_version, :reasons,
        :violation_score, :priority, :run_id, 'spot_check', :sampling_rate
    )
    on conflict (object_key, etag, kind) where kind <> 'golden' do nothing
    """
)


def load_sampling_key(connection: Connection) -> bytes:
    """The key of all deterministic draws: created by the migration, never changed."""
    key: bytes = connection.execute(select(sampling_key.c.key)).scalar_one()
    return key


def open_audit_tasks(connection: Connection, run: AuditRun, keys: KeyRange) -> int:
    """Open a task for each settled image of the range that the spot check draws; idempotent.

    The image keeps the status of its verdict until a reviewer decides otherwise. Returns how many
    tasks are new: an image that has a task, open or decided, gets no second one.
    """
    decisions = [d for d in ("pass", "block") if run.policy.spot_check.share(d) > 0]
    if not decisions:
        return 0
    key = load_sampling_key(connection)
    settled = connection.execute(_SETTLED, {**_range(run, keys), "decisions": decisions})
    tasks = []
    for row in settled.mappings():
        sample = draw_sample(key, row["content_sha256"])
        if sample.selection < run.policy.spot_check.share(row["decision"]):
            tasks.append(_spot_check_task(dict(row), sample, run.policy))
    return connection.execute(_OPEN_SPOT_CHECK, tasks).rowcount if tasks else 0


def _spot_check_task(row: dict[str, Any], sample: SampleDraw, policy: Policy) -> dict[str, Any]:
    decision = row.pop("decision")
    return {
        **row,
        "reasons": ["spot_check"],  # never shown to reviewers (ml/review/task_view.py)
        "priority": priority_among_reviews(sample, policy),
        "sampling_rate": policy.spot_check.share(decision),
    }


def _range(run: AuditRun, keys: KeyRange) -> dict[str, Any]:
    return {"run_id": run.run_id, "after": keys.after, "until": keys.until}
