"""The activity log (`moderation.activity`): who did what, append-only."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select

from ml.storage.rows import load_rows
from ml.storage.schema import activity

_columns = activity.c


@dataclass(frozen=True)
class Entry:
    """One action of a person."""

    activity_id: int
    actor: str
    action: str
    target: str
    detail: dict[str, Any]
    occurred_at: datetime


@dataclass(frozen=True)
class LogPage:
    """Entries, the latest first; `older` is where the next page begins (None: there is none)."""

    entries: tuple[Entry, ...]
    older: int | None


def task_target(task_id: int) -> str:
    """The target of an action on a review task."""
    return f"review_task:{task_id}"


def model_target(model_hash: str) -> str:
    """The target of an action on a model version."""
    return f"model_version:{model_hash}"


def record(
    connection: Connection, *, actor: str, action: str, target: str, **detail: object
) -> None:
    """Append one row, in the transaction of the action itself."""
    row = {"actor": actor, "action": action, "target": target, "detail": detail}
    connection.execute(insert(activity).values(row))


def history(connection: Connection, target: str) -> list[Entry]:
    """All actions on `target`, oldest first."""
    query = select(activity).where(_columns.target == target).order_by(_columns.activity_id)
    return load_rows(connection, query, Entry)


def log_page(
    connection: Connection, *, actor: str | None = None, before: int | None = None, limit: int = 50
) -> LogPage:
    """The `limit` latest entries, of one actor or of all, older than the entry `before`."""
    query = select(activity)
    if actor is not None:
        query = query.where(_columns.actor == actor)
    if before is not None:
        query = query.where(_columns.activity_id < before)
    newest_first = query.order_by(_columns.activity_id.desc()).limit(limit + 1)
    entries = load_rows(connection, newest_first, Entry)
    shown = entries[:limit]
    return LogPage(tuple(shown), shown[-1].activity_id if len(entries) > limit else None)


def actors(connection: Connection, *, since: datetime) -> list[str]:
    """Everyone who did anything since a moment, by name."""
    query = select(_columns.actor).where(_columns.occurred_at.between(since, func.now()))
    return list(connection.execute(query.distinct().order_by(_columns.actor)).scalars())
