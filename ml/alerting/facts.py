"""The facts that alerts follow from, read from the database in one transaction."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, Table, or_, select

from ml.alerting.rules import Facts, Promotion
from ml.operations.leak import LeakMonth, leak_months
from ml.policy.alerting import AlertKind
from ml.policy.policy import Policy
from ml.review.queue import counts
from ml.storage.schema import alert, audit_run, promotion

BROKEN_SPAN = timedelta(days=30)  # an older run that never balanced is history, unless told of
NIGHTS = 14  # looked at for one with enough photos
LEAK_SPAN = timedelta(days=366)


def read_facts(
    connection: Connection, *, now: datetime, policy: Policy, timezone: str, commerce: Table
) -> Facts:
    """All facts as of `now` (with a time zone)."""
    queue = counts(connection, commerce=commerce)
    return Facts(
        now=now,
        done_until=_done_until(connection),
        broken=_broken(connection, since=now - BROKEN_SPAN),
        verdicts=_verdicts(connection),
        leak=_leak(connection, now=now, policy=policy, timezone=timezone),
        waiting=queue.open_count + queue.claimed_count,
        oldest=queue.oldest_age,
        promotion=_promotion(connection),
    )


def _done_until(connection: Connection) -> datetime | None:
    columns = audit_run.c
    query = (
        select(columns.window_end)
        .where(columns.state == "reconciled", columns.report.is_not(None))
        .order_by(columns.window_end.desc())
    )
    return connection.execute(query.limit(1)).scalar()


def _broken(connection: Connection, *, since: datetime) -> tuple[str, ...]:
    told = select(alert.c.fact).where(
        alert.c.kind == AlertKind.IDENTITY_BROKEN.value, alert.c.resolved_at.is_(None)
    )
    columns = audit_run.c
    query = (
        select(columns.run_id)
        .where(
            columns.state == "failed", or_(columns.started_at >= since, columns.run_id.in_(told))
        )
        .order_by(columns.started_at, columns.run_id)
    )
    return tuple(connection.execute(query).scalars())


def _verdicts(connection: Connection) -> tuple[tuple[str, dict[str, int]], ...]:
    columns = audit_run.c
    query = (
        select(columns.run_id, columns.report["verdicts"])
        .where(columns.report.is_not(None))
        .order_by(columns.window_end.desc(), columns.started_at.desc())
    )
    return tuple((run_id, found) for run_id, found in connection.execute(query.limit(NIGHTS)))


def _leak(
    connection: Connection, *, now: datetime, policy: Policy, timezone: str
) -> LeakMonth | None:
    months = leak_months(connection, policy=policy, timezone=timezone, since=now - LEAK_SPAN)
    return months[-1] if months else None


def _promotion(connection: Connection) -> Promotion | None:
    columns = promotion.c
    query = (
        select(columns.model_hash, columns.promoted_at)
        .where(columns.kind == "promote")
        .order_by(columns.promotion_id.desc())
    )
    row = connection.execute(query.limit(1)).first()
    return None if row is None else Promotion(row.model_hash, row.promoted_at)
