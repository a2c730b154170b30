"""`moderation.activity` a page at a time, the latest first, for those who own the pages."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from ml.storage.schema import activity

_a = activity.c


@dataclass(frozen=True)
class Entry:
    """One thing that a person did."""

    activity_id: int
    who: str
    what: str
    target: str
    detail: dict[str, Any]
    done_at: datetime


@dataclass(frozen=True)
class LogPage:
    """Entries, the latest first; `older` is where the next page begins (None: there is none)."""

    entries: tuple[Entry, ...]
    older: int | None


def log_page(
    connection: Connection, *, who: str | None = None, before: int | None = None, most: int = 50
) -> LogPage:
    """The `most` latest entries, of one person or of all, older than the entry `before`."""
    query = select(_a.activity_id, _a.who, _a.what, _a.target, _a.detail, _a.done_at)
    if who is not None:
        query = query.where(_a.who == who)
    if before is not None:
        query = query.where(_a.activity_id < before)
    rows = connection.execute(query.order_by(_a.activity_id.desc()).limit(most + 1)).mappings()
    entries = tuple(Entry(**row) for row in rows)
    shown = entries[:most]
    return LogPage(shown, shown[-1].activity_id if len(entries) > most else None)


def people_in_log(connection: Connection, *, since: datetime) -> list[str]:
    """Who did anything since a moment, by name."""
    query = select(_a.who).where(_a.done_at >= since).distinct().order_by(_a.who)
    return list(connection.execute(query).scalars())
