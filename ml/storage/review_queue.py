"""Claims on `moderation.review_task`: a task is one reviewer's alone under a lease that can expire.

An expired lease needs no clean-up: the next claim may take the task, and until then it stays with
its holder. All times are the database's, so the clocks of the reviewers' machines do not matter.

A claim walks `review_task_priority` or `review_task_oldest`, partial indexes over the open tasks,
and stops after the rows it needs: 0.6 ms for twenty of 100,000 open tasks (PostgreSQL 18, two
cores); the exact count takes 30 ms. A filter by product costs what the commerce table costs:
without an index on its product column, a scan of that table.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy import Connection

from ml.storage.review_tasks import ReviewedVerdict
from ml.storage.rows import columns_of, load_dict, load_rows
from ml.storage.schema import review_task
from ml.storage.task_filters import NO_FILTERS, Filters

Order = Literal["priority", "oldest"]

_task = review_task.c
_NOW = (
    sa.func.statement_timestamp()
)  # constant within a statement, so that an index can be searched
# Literals, not parameters: only then can a prepared plan use the partial indexes.
_OPEN = _task.state == sa.literal_column("'open'")
_CLAIMED = _task.state == sa.literal_column("'claimed'")
_EXPIRED = _CLAIMED & (_task.claimed_until < _NOW)
_SKIPPED: sa.ColumnElement[bool] = sa.literal_column(
    "skipped_by <> '{}'"
)  # as in review_task_skipped
_GOLDEN = _task.kind == sa.literal_column("'golden'")  # never offered to anyone but its reviewer


@dataclass(frozen=True)
class ClaimedTask(ReviewedVerdict):
    """A task that is one reviewer's until `claimed_until`."""

    task_id: int
    priority: float
    kind: str
    opened_at: datetime
    claimed_until: datetime


@dataclass(frozen=True)
class QueueCounts:
    """Exact numbers of waiting and claimed tasks; the longest wait (None: none waits)."""

    open_count: int
    claimed_count: int
    oldest_age: timedelta | None


CLAIMED_COLUMNS = columns_of(review_task, ClaimedTask)


def claim_waiting_tasks(
    connection: Connection,
    *,
    reviewer: str,
    skipped: bool,
    count: int,
    lease_seconds: float,
    commerce: sa.Table,
    filters: Filters,
    order: Order,
) -> list[ClaimedTask]:
    """Claim up to `count` waiting tasks: those the reviewer skipped before, or only the others.

    Tasks that exclude the reviewer and golden tasks are never among them, nor are those that
    another transaction is claiming now. The order "priority" has second reviews after all others.
    """
    skipped_by_them = sa.literal(reviewer) == sa.func.any(_task.skipped_by)
    excluded = sa.literal(reviewer) == sa.func.any(_task.excluded_reviewers)
    conditions = [
        *filters.where_clauses(commerce),
        skipped_by_them & _SKIPPED if skipped else ~skipped_by_them,
        ~excluded,
        ~_GOLDEN,
    ]
    chosen = _lock_first(conditions, count=count, order=order)
    claim = (
        sa.update(review_task)
        .where(_task.task_id.in_(sa.select(chosen.c.task_id)))
        .values(_lease(reviewer, lease_seconds))
        .returning(*CLAIMED_COLUMNS)
    )
    tasks = load_rows(connection, claim, ClaimedTask)
    return sorted(tasks, key=_priority_key if order == "priority" else _age_key)


def reclaim_task(
    connection: Connection, *, reviewer: str, task_id: int, lease_seconds: float
) -> bool:
    """Claim one task for the reviewer who had it, as after an undo; prolongs their own lease.

    It does not matter whom the task excludes or who skipped it. Returns False where another
    reviewer holds the task or it is decided.
    """
    available = _OPEN | _EXPIRED | (_CLAIMED & (_task.claimed_by == reviewer))
    claim = sa.update(review_task).where(_task.task_id == task_id, available)
    return connection.execute(claim.values(_lease(reviewer, lease_seconds))).rowcount > 0


def assign_task(
    connection: Connection, task_id: int, *, reviewer: str, lease_seconds: float
) -> None:
    """Give a locked task to a reviewer, whatever its state."""
    claim = sa.update(review_task).where(_task.task_id == task_id)
    connection.execute(claim.values(_lease(reviewer, lease_seconds)))


def list_claimed(connection: Connection, *, reviewer: str) -> list[ClaimedTask]:
    """The tasks that the reviewer holds, leases expired or not, by priority."""
    query = sa.select(*CLAIMED_COLUMNS).where(_CLAIMED, _task.claimed_by == reviewer)
    return sorted(load_rows(connection, query, ClaimedTask), key=_priority_key)


def lock_claims(
    connection: Connection, *, reviewer: str, task_ids: Sequence[int] | None
) -> dict[int, str]:
    """The kinds of the reviewer's claimed tasks by id, locked; `task_ids` None: of all.

    Locked in a fixed order, to avoid deadlocks between two open tabs.
    """
    query = sa.select(_task.task_id, _task.kind).where(_CLAIMED, _task.claimed_by == reviewer)
    if task_ids is not None:
        query = query.where(_task.task_id.in_(task_ids))
    return load_dict(connection, query.order_by(_task.task_id).with_for_update())


def extend_leases(connection: Connection, task_ids: Sequence[int], *, lease_seconds: float) -> None:
    """Let the leases of locked tasks end `lease_seconds` from now."""
    extended = sa.update(review_task).where(_task.task_id.in_(task_ids))
    connection.execute(extended.values(claimed_until=_NOW + _interval(lease_seconds)))


def count_tasks(
    connection: Connection, *, commerce: sa.Table | None = None, filters: Filters = NO_FILTERS
) -> QueueCounts:
    """How many tasks wait (those with an expired lease included), and for how long."""
    conditions = filters.where_clauses(commerce)
    # Two parts with a partial index each; one condition with `or` would read the whole table. No
    # golden task is ever open, and a condition on the kind would make the first part read rows
    # outside of its index.
    tasks = sa.union_all(
        sa.select(_task.opened_at, sa.true().label("waits")).where(_OPEN, *conditions),
        sa.select(_task.opened_at, _EXPIRED.label("waits")).where(_CLAIMED, ~_GOLDEN, *conditions),
    ).subquery()
    waits = tasks.c.waits
    query = sa.select(
        sa.func.count().filter(waits).label("open_count"),
        sa.func.count().filter(~waits).label("claimed_count"),
        (_NOW - sa.func.min(tasks.c.opened_at).filter(waits)).label("oldest_age"),
    ).select_from(tasks)
    return QueueCounts(**connection.execute(query).mappings().one())


def _lock_first(
    conditions: Sequence[sa.ColumnElement[bool]], *, count: int, order: Order
) -> sa.Subquery:
    """The first `count` waiting tasks, locked; those locked by another claim are passed over."""
    parts = [
        _ordered(sa.select(review_task).where(state, *conditions), review_task, order)
        .limit(count)
        .with_for_update(skip_locked=True)
        .cte(name)
        for name, state in (("free", _OPEN), ("lapsed", _EXPIRED))
    ]
    waiting = sa.union_all(*(sa.select(part) for part in parts)).subquery("task")
    return _ordered(sa.select(waiting.c.task_id), waiting, order).limit(count).subquery()


def _ordered(query: sa.Select[Any], source: sa.Table | sa.Subquery, order: Order) -> sa.Select[Any]:
    columns = source.c
    if order == "oldest":
        return query.order_by(columns.opened_at, columns.task_id)
    # As the index `review_task_priority` is written: a literal there, so a literal here.
    second_review = columns.kind == sa.literal_column("'second_review'")
    return query.order_by(second_review, columns.priority.desc(), columns.task_id)


def _priority_key(task: ClaimedTask) -> tuple[bool, float, int]:
    return task.kind == "second_review", -task.priority, task.task_id


def _age_key(task: ClaimedTask) -> tuple[datetime, int]:
    return task.opened_at, task.task_id


def _lease(reviewer: str, seconds: float) -> dict[str, Any]:
    until = _NOW + _interval(seconds)
    return {"state": "claimed", "claimed_by": reviewer, "claimed_until": until}


def _interval(seconds: float) -> sa.ColumnElement[timedelta]:
    return sa.literal(timedelta(seconds=seconds), sa.Interval)
