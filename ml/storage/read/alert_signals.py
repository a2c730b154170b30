"""What the alert rules look at: nightly runs, failed runs and the last promotion."""

from datetime import datetime

from sqlalchemy import Connection, or_, select

from ml.core.types import AlertKind
from ml.storage.schema import alert, audit_run, promotion

_run = audit_run.c


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


def list_verdict_counts(connection: Connection, *, limit: int) -> list[tuple[str, dict[str, int]]]:
    """(run id, photos by decision) of the newest runs with a report, the newest first."""
    query = (
        select(_run.run_id, _run.report["verdicts"])
        .where(_run.report.is_not(None))
        .order_by(_run.window_end.desc(), _run.started_at.desc())
        .limit(limit)
    )
    return [(run_id, verdicts) for run_id, verdicts in connection.execute(query)]


def latest_promotion(connection: Connection) -> tuple[str, datetime] | None:
    """(model hash, time) of the last promotion, rollbacks not counted; None before the first."""
    query = (
        select(promotion.c.model_hash, promotion.c.promoted_at)
        .where(promotion.c.kind == "promote")
        .order_by(promotion.c.promotion_id.desc())
        .limit(1)
    )
    row = connection.execute(query).first()
    return None if row is None else (row.model_hash, row.promoted_at)
