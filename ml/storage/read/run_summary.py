"""Nightly runs as the operations page, the alert rules and the check of drift read them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, func, or_, select, text, tuple_

from ml.core.types import AlertKind
from ml.storage.rows import columns_of, load_dict, load_row, load_rows
from ml.storage.schema import alert, audit_image, audit_run

_run = audit_run.c
_RANK = tuple_(_run.window_end, _run.started_at)
_NEWEST_FIRST = (_run.window_end.desc(), _run.started_at.desc(), _run.run_id)


@dataclass(frozen=True)
class RunRank:
    """The place of a run among all: by the end of its window, then by its start."""

    window_end: datetime
    started_at: datetime


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
    query = select(audit_run).order_by(*_NEWEST_FIRST).limit(1)
    return connection.execute(query).mappings().first()


def find_run_row(connection: Connection, run_id: str) -> RowMapping | None:
    """One run; None where its `preflight` never finished."""
    query = select(audit_run).where(_run.run_id == run_id)
    return connection.execute(query).mappings().first()


def count_by_outcome(connection: Connection, run_id: str) -> dict[str | None, int]:
    """Photos of a run by outcome; None counts those that have none yet."""
    outcome = audit_image.c.outcome
    query = select(outcome, func.count()).where(audit_image.c.run_id == run_id).group_by(outcome)
    return load_dict(connection, query)


def list_reports(connection: Connection, until: RunRank, *, limit: int) -> list[StoredReport]:
    """The last `limit` runs up to and with `until`, the latest first."""
    query = (
        select(*columns_of(audit_run, StoredReport))
        .where(tuple_(until.window_end, until.started_at) >= _RANK)
        .order_by(*_NEWEST_FIRST)
        .limit(limit)
    )
    return load_rows(connection, query, StoredReport)


def latest_reported_end(connection: Connection) -> datetime | None:
    """End of the newest window of a reconciled run with a report; None before the first."""
    query = (
        select(_run.window_end)
        .where(_run.state == "reconciled", _run.report.is_not(None))
        .order_by(_run.window_end.desc())
        .limit(1)
    )
    return connection.execute(query).scalar()


def list_unbalanced_runs(connection: Connection, *, since: datetime) -> list[str]:
    """Failed runs that started since a moment, or that have an open alert."""
    has_open_alert = select(alert.c.dedup_key).where(
        alert.c.kind == AlertKind.IDENTITY_BROKEN.value, alert.c.resolved_at.is_(None)
    )
    query = (
        select(_run.run_id)
        .where(
            _run.state == "failed",
            or_(_run.started_at >= since, _run.run_id.in_(has_open_alert)),
        )
        .order_by(_run.started_at, _run.run_id)
    )
    return list(connection.execute(query).scalars())


@dataclass(frozen=True)
class RunQuarantine:
    """Photos that a run listed and quarantined."""

    run_id: str
    listed: int
    quarantined: int


def latest_quarantine(connection: Connection) -> RunQuarantine | None:
    """Of the newest run with a report; None before the first."""
    query = (
        select(*columns_of(audit_run, RunQuarantine))
        .where(_run.report.is_not(None), _run.quarantined.is_not(None))
        .order_by(*_NEWEST_FIRST)
        .limit(1)
    )
    return load_row(connection, query, RunQuarantine)


def list_verdict_counts(connection: Connection, *, limit: int) -> list[tuple[str, dict[str, int]]]:
    """(run id, photos by decision) of the newest runs with a report, the newest first."""
    query = (
        select(_run.run_id, _run.report["verdicts"])
        .where(_run.report.is_not(None))
        .order_by(*_NEWEST_FIRST)
        .limit(limit)
    )
    return [(run_id, verdicts) for run_id, verdicts in connection.execute(query)]


# Every so many keys by their hash: an unbiased sample, the same each time, by the run's own index.
_SCORES = text(
    """
    select violation_score from moderation.audit_result
    where run_id = :run_id and outcome = 'judged' and machine_decision is not null
        and (hashtext(object_key) & 2147483647) % :every = 0
    """
)


def sample_scores(connection: Connection, run_id: str, *, every: int) -> list[float]:
    """Violation scores, 0..1, of one in `every` of the photos that a run scored itself."""
    return list(connection.execute(_SCORES, {"run_id": run_id, "every": every}).scalars())


def list_earlier_runs(
    connection: Connection, before: RunRank, *, model_hash: str, policy_version: str, limit: int
) -> list[tuple[str, int]]:
    """(run id, photos scored) of the first reconciled runs of a model and policy that scored any.

    The earliest run first; runs from `before` on are left out.
    """
    query = (
        select(_run.run_id, _run.judged)
        .where(
            _run.model_hash == model_hash,
            _run.policy_version == policy_version,
            _run.state == "reconciled",
            _run.judged > 0,
            tuple_(before.window_end, before.started_at) > _RANK,
        )
        .order_by(_run.window_end, _run.started_at, _run.run_id)
        .limit(limit)
    )
    return [(run_id, judged) for run_id, judged in connection.execute(query)]
