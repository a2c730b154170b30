"""The signals that the alert rules look at, collected in one transaction."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from ml.operations.monitoring.leak_rate import MonthlyLeakRate, monthly_leak_rates
from ml.policy.schema import Policy
from ml.storage.model_versions import latest_promotion
from ml.storage.read.run_summary import (
    RunQuarantine,
    latest_quarantine,
    latest_reported_end,
    list_unbalanced_runs,
    list_verdict_counts,
)
from ml.storage.review_queue import count_tasks

# An older run that never balanced raises no new alert; one with an open alert keeps it.
_UNBALANCED_SPAN = timedelta(days=30)
_MAX_RUNS = 14  # searched for one with enough photos
_LEAK_SPAN = timedelta(days=366)


@dataclass(frozen=True)
class Signals:
    """What the rules look at, as of `now` (with a time zone).

    Attributes:
        done_until: end of the newest window of a finished run; None before the first.
        unbalanced_runs: runs whose accounting does not balance.
        quarantine: of the newest run with a report.
        verdicts: of the newest runs with a report, the newest first: run id, photos by decision.
        leak: the newest month with answered spot checks.
        waiting: pending review tasks.
        oldest: age of the oldest pending task.
        promotion: model hash and time of the last promotion; None before the first.
    """

    now: datetime
    done_until: datetime | None = None
    unbalanced_runs: tuple[str, ...] = ()
    quarantine: RunQuarantine | None = None
    verdicts: tuple[tuple[str, dict[str, int]], ...] = ()
    leak: MonthlyLeakRate | None = None
    waiting: int = 0
    oldest: timedelta | None = None
    promotion: tuple[str, datetime] | None = None


def collect_signals(
    connection: Connection, *, now: datetime, policy: Policy, timezone: str
) -> Signals:
    """All signals as of `now` (with a time zone)."""
    queue = count_tasks(connection)
    leak_rates = monthly_leak_rates(
        connection, policy=policy, timezone=timezone, since=now - _LEAK_SPAN
    )
    return Signals(
        now=now,
        done_until=latest_reported_end(connection),
        unbalanced_runs=tuple(list_unbalanced_runs(connection, since=now - _UNBALANCED_SPAN)),
        quarantine=latest_quarantine(connection),
        verdicts=tuple(list_verdict_counts(connection, limit=_MAX_RUNS)),
        leak=leak_rates[-1] if leak_rates else None,
        waiting=queue.open_count + queue.claimed_count,
        oldest=queue.oldest_age,
        promotion=latest_promotion(connection),
    )
