"""`moderation.reviewer_preference`: each reviewer's settings of the queue's page, as JSON."""

from typing import Any

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.postgresql import insert

from ml.storage.schema import reviewer_preference


def load_reviewer_settings(connection: Connection, reviewer: str) -> dict[str, Any]:
    """What the reviewer saved; empty where they saved nothing."""
    query = select(reviewer_preference.c.settings).where(reviewer_preference.c.reviewer == reviewer)
    return connection.execute(query).scalar() or {}


def save_reviewer_settings(connection: Connection, reviewer: str, settings: dict[str, Any]) -> None:
    """Write the reviewer's settings in place of the earlier ones."""
    row = insert(reviewer_preference).values(reviewer=reviewer, settings=settings)
    changed = {"settings": row.excluded.settings, "changed_at": func.now()}
    connection.execute(row.on_conflict_do_update(index_elements=["reviewer"], set_=changed))
