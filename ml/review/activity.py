"""`moderation.activity`: who did what to what, when. Append-only; the database refuses all else."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select

from ml.storage.schema import activity


@dataclass(frozen=True)
class Activity:
    """One thing that a person did."""

    who: str
    what: str
    target: str
    detail: dict[str, Any]
    done_at: datetime


def task_target(task_id: int) -> str:
    """The target of what is done to a review task."""
    return f"review_task:{task_id}"


def model_target(model_hash: str) -> str:
    """The target of what is done to a model version."""
    return f"model_version:{model_hash}"


def record(connection: Connection, *, who: str, what: str, target: str, **detail: object) -> None:
    """Append one row, in the transaction of what it tells of."""
    row = {"who": who, "what": what, "target": target, "detail": detail}
    connection.execute(insert(activity).values(row))


def history(connection: Connection, target: str) -> list[Activity]:
    """All that was done to `target`, oldest first."""
    names = ("who", "what", "target", "detail", "done_at")
    query = select(*(activity.c[name] for name in names)).where(activity.c.target == target)
    rows = connection.execute(query.order_by(activity.c.activity_id)).mappings()
    return [Activity(**row) for row in rows]
