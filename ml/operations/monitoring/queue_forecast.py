"""Forecast of the review queue: its length, the reviewers' throughput, and the nightly inflow."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import mean
from typing import Literal

from sqlalchemy import Connection

from ml.operations.monitoring.trend import RunTotals
from ml.storage.read.reviewer_stats import count_latest_decisions

_SPAN = timedelta(hours=24)
_MAX_AGE = timedelta(days=7)  # an older last decision says nothing about the throughput of today
_INFLOW_RUNS = 7


@dataclass(frozen=True)
class Throughput:
    """Decisions in the 24 hours up to the last one, and how many reviewers made them.

    `hours` counts the clock hours with a decision, so that time off does not lower the throughput.
    """

    decisions: int
    reviewers: int
    hours: int
    last_at: datetime

    @property
    def per_hour(self) -> float:
        """Decisions per working hour, all reviewers together."""
        return self.decisions / self.hours


@dataclass(frozen=True)
class Forecast:
    """When the queue is empty; None where one of the inputs is unknown.

    `hours_to_empty` are working hours at the throughput, without inflow. `net_per_day` is a day's
    decisions less a nightly run's new tasks; `days_to_empty` is the queue divided by it.
    """

    outlook: Literal["unknown", "empty", "idle", "shrinks", "holds", "grows"]
    hours_to_empty: float | None = None
    net_per_day: float | None = None
    days_to_empty: float | None = None


def throughput(connection: Connection) -> Throughput | None:
    """How fast reviewers decide; None without a decision in the last week."""
    row = count_latest_decisions(connection, span=_SPAN, max_age=_MAX_AGE)
    return None if row is None else Throughput(*row)


def inflow(runs: Sequence[RunTotals]) -> float | None:
    """Tasks that a nightly run adds, the mean of the last week's; None without a report."""
    added = [run.review_tasks for run in runs if run.review_tasks is not None]
    return mean(added[-_INFLOW_RUNS:]) if added else None


def forecast(waiting: int | None, pace: Throughput | None, added_per_run: float | None) -> Forecast:
    """When the queue of `waiting` tasks is empty; None is an unknown number, never zero."""
    if waiting is None:
        return Forecast("unknown")
    if waiting == 0:
        return Forecast("empty")
    if pace is None:
        return Forecast("idle")
    hours = waiting / pace.per_hour
    if added_per_run is None:
        return Forecast("unknown", hours)
    net = pace.decisions - added_per_run
    if net > 0:
        return Forecast("shrinks", hours, net, waiting / net)
    return Forecast("grows" if net < 0 else "holds", hours, net)
