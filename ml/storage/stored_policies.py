"""The policies that nightly and retraining runs stored when they began."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, union_all

from ml.storage.rows import load_rows
from ml.storage.schema import audit_run, retrain_run


@dataclass(frozen=True)
class StoredPolicy:
    """A run, and its policy as it was stored: another version of the program may have done so."""

    run_id: str
    policy: dict[str, Any]
    started_at: datetime


def newest_policies(connection: Connection, *, limit: int) -> list[StoredPolicy]:
    """The policies of the newest runs, the newest first."""
    rows = union_all(
        *(select(run.c.run_id, run.c.policy, run.c.started_at) for run in (audit_run, retrain_run))
    ).subquery()
    query = select(rows).order_by(rows.c.started_at.desc()).limit(limit)
    return load_rows(connection, query, StoredPolicy)
