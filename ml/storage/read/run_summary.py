"""Nightly runs as the operations page reads them: rows of `audit_run`, and counts so far."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, Tuple, func, select, tuple_

from ml.storage.schema import audit_image, audit_run

_run = audit_run.c


@dataclass(frozen=True)
class RunRank:
    """The place of a run among all: by the end of its window, then by its start."""

    window_end: datetime
    started_at: datetime

    def to_sql(self) -> Tuple:
        """The row value to compare with (window_end, started_at)."""
        return tuple_(self.window_end, self.started_at)


@dataclass(frozen=True)
class StoredReport:
    """A run and its report; both `listed` and `report` are None until their steps are done."""

    run_id: str
    window_end: datetime
    state: str
    listed: int | None
    report: Mapping[str, Any] | None


def latest_run_row(connection: Connection) -> RowMapping | None:
    """The run with the latest window, so that a backfill does not hide the last nightly run."""
    newest_first = (_run.window_end.desc(), _run.started_at.desc(), _run.run_id)
    query = select(audit_run).order_by(*newest_first).limit(1)
    return connection.execute(query).mappings().first()


def find_run_row(connection: Connection, run_id: str) -> RowMapping | None:
    """One run; None where its `preflight` never finished."""
    query = select(audit_run).where(_run.run_id == run_id)
    return connection.execute(query).mappings().first()


def count_by_outcome(connection: Connection, run_id: str) -> dict[str | None, int]:
    """Photos of a run by outcome; None counts those that have none yet."""
    outcome = audit_image.c.outcome
    query = select(outcome, func.count()).where(audit_image.c.run_id == run_id).group_by(outcome)
    return {row[0]: row[1] for row in connection.execute(query)}


def list_reports(connection: Connection, until: RunRank, *, limit: int) -> list[StoredReport]:
    """The last `limit` runs up to and with `until`, the latest first."""
    columns = [_run[name] for name in StoredReport.__dataclass_fields__]
    query = (
        select(*columns)
        .where(tuple_(_run.window_end, _run.started_at) <= until.to_sql())
        .order_by(_run.window_end.desc(), _run.started_at.desc(), _run.run_id)
        .limit(limit)
    )
    return [StoredReport(**row) for row in connection.execute(query).mappings()]
