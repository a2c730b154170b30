"""The review queue: a task is one reviewer's alone for a while, under a lease that can run out.

A lease needs no clean-up: a task whose lease ran out can be claimed by the next who asks, and stays
with its holder until then. Clocks are the database's, so that reviewers' machines need not agree.

Plans (PostgreSQL 18, 100,000 open among 600,000 tasks, two cores): a claim walks
`review_task_priority` or `review_task_oldest`, partial indexes over what is open, and stops at the
rows it wants, 0.2 ms for one and 0.6 ms for twenty; leases that ran out come from
`review_task_lease_end`. A rare reason is found in `review_task_reasons` (gin), 1 ms; a common one
is met on the walk. The exact count reads `review_task_oldest` alone, 30 ms. A product costs what
the shop's table costs: with no index on its product column, a scan of that table.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import (
    ColumnElement,
    Connection,
    Executable,
    Interval,
    Select,
    Subquery,
    Table,
    func,
    literal,
    literal_column,
    select,
    true,
    union_all,
    update,
)

from ml.review.activity import record, task_target
from ml.review.filters import Filters
from ml.review.lease import lock_task, require_lease
from ml.storage.schema import review_task

Order = Literal["priority", "oldest"]

_task = review_task.c
_NOW = func.statement_timestamp()  # one moment a statement, so an index can be searched by it
# Literals, not parameters: only then can a prepared plan use the partial indexes.
_OPEN = _task.state == literal_column("'open'")
_CLAIMED = _task.state == literal_column("'claimed'")
_LAPSED = _CLAIMED & (_task.claimed_until < _NOW)
_SKIPPED: ColumnElement[bool] = literal_column("skipped_by <> '{}'")  # for the index of those few
_GOLDEN = _task.kind == literal_column("'golden'")  # one reviewer's alone: see golden_items
SHOWN = (
    "task_id", "object_key", "etag", "content_sha256", "model_hash", "policy_version", "reasons",
    "violation_score", "priority", "run_id", "kind", "opened_at", "claimed_until",
)  # fmt: skip
_FREE = {"state": "open", "claimed_by": None, "claimed_until": None}
_CLOSED = _FREE | {"state": "decided"}
NO_FILTERS = Filters()


@dataclass(frozen=True)
class ClaimedTask:
    """A task that is one reviewer's until `claimed_until`, and what the model said of its image."""

    task_id: int
    object_key: str
    etag: str
    content_sha256: str
    model_hash: str
    policy_version: str
    reasons: tuple[str, ...]
    violation_score: float
    priority: float
    run_id: str
    kind: str
    opened_at: datetime
    claimed_until: datetime


@dataclass(frozen=True)
class QueueCounts:
    """Tasks that wait, exactly; those with somebody; the longest wait (None: nothing waits)."""

    open_count: int
    claimed_count: int
    oldest_age: timedelta | None


def claim(
    connection: Connection,
    *,
    reviewer: str,
    count: int = 1,
    lease_seconds: float,
    commerce: Table,
    filters: Filters = NO_FILTERS,
    order: Order = "priority",
) -> list[ClaimedTask]:
    """Take up to `count` waiting tasks for `reviewer`; nobody else gets them while the lease runs.

    Order "priority": what the model judged before what is looked at again, the highest priority
    first (the violation score; a number drawn for what the random audit mixes in); "oldest": the
    longest wait first. Tasks that the reviewer skipped come when nothing else is left for them. A
    claim whose answer was lost shows in `held`.
    """
    by_them = literal(reviewer) == func.any(_task.skipped_by)
    barred = literal(reviewer) == func.any(_task.not_for)
    lease = {"claimed_by": reviewer, "claimed_until": _NOW + _seconds(lease_seconds)}
    for skip in (~by_them, by_them & _SKIPPED):
        conditions = [*filters.conditions(commerce), skip, ~barred, ~_GOLDEN]
        chosen = _choose(conditions, count=count, order=order)
        taken = update(review_task).where(_task.task_id.in_(select(chosen.c.task_id)))
        taken = taken.values(state="claimed", **lease)
        tasks = _tasks(connection, taken.returning(*(_task[name] for name in SHOWN)))
        if tasks:
            return sorted(tasks, key=_by_priority if order == "priority" else _by_age)
    return []


def claim_again(
    connection: Connection, *, reviewer: str, task_id: int, lease_seconds: float
) -> bool:
    """Take one task that waits, as after an undo; again prolongs. False: somebody else's, or done.

    Whom the task is barred from, or skipped by, does not matter: they had it.
    """
    free = _OPEN | _LAPSED | (_CLAIMED & (_task.claimed_by == reviewer))
    lease = {"claimed_by": reviewer, "claimed_until": _NOW + _seconds(lease_seconds)}
    taken = update(review_task).where(_task.task_id == task_id, free)
    taken = taken.values(state="claimed", **lease).returning(_task.task_id)
    return connection.execute(taken).first() is not None


def held(connection: Connection, *, reviewer: str) -> list[ClaimedTask]:
    """What the reviewer has claimed and not decided yet, run out or not; for a reloaded page."""
    query = select(*(_task[name] for name in SHOWN)).where(_CLAIMED, _task.claimed_by == reviewer)
    return sorted(_tasks(connection, query), key=_by_priority)


def renew(
    connection: Connection, *, reviewer: str, task_ids: Sequence[int], lease_seconds: float
) -> list[int]:
    """Prolong leases; returns the tasks that are still the reviewer's: the others are lost."""
    mine = _mine(connection, reviewer, task_ids)
    until = _NOW + _seconds(lease_seconds)
    prolonged = update(review_task).where(_task.task_id.in_(mine)).values(claimed_until=until)
    connection.execute(prolonged)
    return mine


def release(
    connection: Connection, *, reviewer: str, task_ids: Sequence[int] | None = None
) -> list[int]:
    """Give tasks back undecided (None: all), as a closed browser does; returns which."""
    mine = _mine(connection, reviewer, task_ids)
    given_back = update(review_task).where(_task.task_id.in_(mine))
    connection.execute(given_back.where(~_GOLDEN).values(_FREE))
    connection.execute(given_back.where(_GOLDEN).values(_CLOSED))
    return mine


def skip(connection: Connection, *, reviewer: str, task_id: int) -> None:
    """Give a task back for others; the reviewer gets it again when nothing else is left.

    Raises:
        LeaseLost: the task is not the reviewer's.
        StorageError: there is no such task.
    """
    task = lock_task(connection, task_id)
    golden = task["kind"] == "golden"
    if task["state"] == ("decided" if golden else "open") and reviewer in task["skipped_by"]:
        return  # said before
    require_lease(task, reviewer)
    names = sorted({*task["skipped_by"], reviewer})
    back = update(review_task).where(_task.task_id == task_id)
    connection.execute(back.values(**(_CLOSED if golden else _FREE), skipped_by=names))
    record(connection, who=reviewer, what="skip", target=task_target(task_id))


def counts(
    connection: Connection, *, commerce: Table, filters: Filters = NO_FILTERS
) -> QueueCounts:
    """How many tasks wait (a lease that ran out waits, too), and for how long."""
    conditions = filters.conditions(commerce)
    # Two parts with a partial index each; one condition with `or` would read the whole table. No
    # golden task is ever open, and to ask for the kind would read rows beside the first index.
    waiting = union_all(
        select(_task.opened_at, true().label("free")).where(_OPEN, *conditions),
        select(_task.opened_at, _LAPSED.label("free")).where(_CLAIMED, ~_GOLDEN, *conditions),
    ).subquery()
    free = waiting.c.free
    query = select(
        func.count().filter(free).label("open_count"),
        func.count().filter(~free).label("claimed_count"),
        (_NOW - func.min(waiting.c.opened_at).filter(free)).label("oldest_age"),
    ).select_from(waiting)
    return QueueCounts(**connection.execute(query).mappings().one())


def _choose(conditions: Sequence[ColumnElement[bool]], *, count: int, order: Order) -> Subquery:
    """The first `count` free tasks, locked; those that others are claiming now are passed over."""
    parts = [
        _ordered(select(review_task).where(state, *conditions), review_task, order)
        .limit(count)
        .with_for_update(skip_locked=True)
        .cte(name)
        for name, state in (("free", _OPEN), ("lapsed", _LAPSED))
    ]
    both = union_all(*(select(part) for part in parts)).subquery("task")
    return _ordered(select(both.c.task_id), both, order).limit(count).subquery()


def _ordered(query: Select[Any], source: Table | Subquery, order: Order) -> Select[Any]:
    columns = source.c
    if order == "oldest":
        return query.order_by(columns.opened_at, columns.task_id)
    # As the index `review_task_priority` is written: a literal there, so a literal here.
    again = columns.kind == literal_column("'second_review'")
    return query.order_by(again, columns.priority.desc(), columns.task_id)


def _mine(connection: Connection, reviewer: str, task_ids: Sequence[int] | None) -> list[int]:
    """The reviewer's claimed tasks, locked in one order, so that two pages cannot tangle."""
    query = select(_task.task_id).where(_CLAIMED, _task.claimed_by == reviewer)
    if task_ids is not None:
        query = query.where(_task.task_id.in_(task_ids))
    return list(connection.execute(query.order_by(_task.task_id).with_for_update()).scalars())


def _tasks(connection: Connection, statement: Executable) -> list[ClaimedTask]:
    rows = connection.execute(statement).mappings()
    return [ClaimedTask(**{**row, "reasons": tuple(row["reasons"])}) for row in rows]


def _by_priority(task: ClaimedTask) -> tuple[bool, float, int]:
    return task.kind == "second_review", -task.priority, task.task_id


def _by_age(task: ClaimedTask) -> tuple[datetime, int]:
    return task.opened_at, task.task_id


def _seconds(seconds: float) -> ColumnElement[timedelta]:
    return literal(timedelta(seconds=seconds), Interval)
