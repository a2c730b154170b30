"""The leak rate: share of violations among passed photos, estimated from spot checks by month.

The same numbers as the report of a nightly run stores in `moderation.leak_estimate`, as of now.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from ml.policy.schema import Policy
from ml.policy.spot_check import ANY_CLASS, count_contradictions, estimate_rate
from ml.storage.leak_estimates import count_spot_checks


@dataclass(frozen=True)
class MonthlyLeakRate:
    """Estimate for the passed photos of one month, such as 2026-11.

    `leaked` of the `reviewed` photos are violations; `rate` (0..1) is their share, and `low` and
    `high` are the ends of its exact 95 % interval.
    """

    month: str
    reviewed: int
    leaked: int
    rate: float
    low: float
    high: float


def monthly_leak_rates(
    connection: Connection, *, policy: Policy, timezone: str, since: datetime
) -> list[MonthlyLeakRate]:
    """One estimate a month from `since` on, the earliest first; none for unanswered months."""
    answers = count_spot_checks(connection, timezone=timezone, since=since)
    months = []
    for counts in count_contradictions(answers, policy):
        month, estimate = counts.month[:7], estimate_rate(counts)
        is_leak_count = (counts.decision, counts.name) == ("pass", ANY_CLASS)
        if is_leak_count and estimate.rate is not None and month >= since.strftime("%Y-%m"):
            figures = counts.reviewed, counts.violations, estimate.rate, estimate.low, estimate.high
            months.append(MonthlyLeakRate(month, *figures))
    return months
