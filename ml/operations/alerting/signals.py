"""Collect the signals that the alert rules look at, in one transaction."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, Table

from ml.operations.alerting.rules import LastPromotion, Signals
from ml.operations.monitoring.leak_rate import MonthlyLeakRate, monthly_leak_rates
from ml.policy.schema import Policy
from ml.storage.model_versions import latest_promotion
from ml.storage.read.run_summary import (
    latest_reported_end,
    list_unbalanced_runs,
    list_verdict_counts,
)
from ml.storage.review_queue import count_tasks

# An older run that never balanced raises no new alert; one with an open alert keeps it.
UNBALANCED_SPAN = timedelta(days=30)
MAX_RUNS = 14  # searched for one with enough photos
LEAK_SPAN = timedelta(days=366)


def collect_signals(
    connection: Connection, *, now: datetime, policy: Policy, timezone: str, commerce: Table
) -> Signals:
    """All signals as of `now` (with a time zone)."""
    queue = count_tasks(connection, commerce=commerce)
    promotion = latest_promotion(connection)
    return Signals(
        now=now,
        done_until=latest_reported_end(connection),
        broken=tuple(list_unbalanced_runs(connection, since=now - UNBALANCED_SPAN)),
        verdicts=tuple(list_verdict_counts(connection, limit=MAX_RUNS)),
        leak=_latest_leak_rate(connection, now=now, policy=policy, timezone=timezone),
        waiting=queue.open_count + queue.claimed_count,
        oldest=queue.oldest_age,
        promotion=None if promotion is None else LastPromotion(*promotion),
    )


def _latest_leak_rate(
    connection: Connection, *, now: datetime, policy: Policy, timezone: str
) -> MonthlyLeakRate | None:
    months = monthly_leak_rates(connection, policy=policy, timezone=timezone, since=now - LEAK_SPAN)
    return months[-1] if months else None
