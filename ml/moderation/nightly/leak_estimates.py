"""Leak-rate estimates from all spot checks so far, as the report of a nightly run stores them."""

from typing import Any

from sqlalchemy import Connection

from ml.policy.schema import Policy
from ml.policy.spot_check import CONFIDENCE, SpotCheckCounts, count_contradictions, estimate_rate
from ml.storage.leak_estimates import count_spot_checks, write_estimates


def update_leak_estimates(connection: Connection, *, policy: Policy, timezone: str) -> None:
    """Compute all months from the labels up to now, and store them. Idempotent."""
    answers = count_spot_checks(connection, timezone=timezone)
    write_estimates(connection, [_row(counts) for counts in count_contradictions(answers, policy)])


def _row(counts: SpotCheckCounts) -> dict[str, Any]:
    rate = estimate_rate(counts)
    return {
        "month": counts.month,
        "decision": counts.decision,
        "class": counts.name,
        "sampled": counts.sampled,
        "reviewed": counts.reviewed,
        "violations": counts.violations,
        "rate": rate.rate,
        "low": rate.low,
        "high": rate.high,
        "confidence": CONFIDENCE,
    }
