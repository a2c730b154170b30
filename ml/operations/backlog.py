"""How long the review queue lasts: its length, the pace of people, and what the nights add."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import mean
from typing import Literal

from sqlalchemy import Connection, text

from ml.operations.trend import NightSummary

SPAN = timedelta(hours=24)
FORGOTTEN = timedelta(days=7)  # an older last decision says nothing about the pace of today
INFLOW_NIGHTS = 7


@dataclass(frozen=True)
class Pace:
    """Decisions in the 24 hours up to the last one, and who made them.

    `hours` counts the clock hours in which somebody decided, so that nights off are no slow work.
    """

    decisions: int
    reviewers: int
    hours: int
    last_at: datetime

    @property
    def per_hour(self) -> float:
        """Decisions an hour of work, all reviewers together."""
        return self.decisions / self.hours


@dataclass(frozen=True)
class Forecast:
    """What the numbers say together; None where one of them is unknown.

    `hours_to_empty` are hours of work at the pace, were nothing added. `net_per_day` is a day's
    decisions less a night's new photos; `days_to_empty` is the queue at that rate.
    """

    outlook: Literal["unknown", "empty", "idle", "shrinks", "holds", "grows"]
    hours_to_empty: float | None = None
    net_per_day: float | None = None
    days_to_empty: float | None = None


# The last decision by the index on time, backwards; then one day of it.
_PACE = text(
    """
    with latest as (
        select max(done_at) as at from moderation.activity
        where what = 'decide' and done_at > now() - cast(:forgotten as interval)
    )
    select count(*), count(distinct who), count(distinct date_trunc('hour', done_at)), max(at)
    from moderation.activity, latest
    where what = 'decide' and done_at > at - cast(:span as interval) and done_at <= at
    """
)


def pace(connection: Connection) -> Pace | None:
    """How fast people decide; None where nobody has for a week."""
    row = connection.execute(_PACE, {"forgotten": FORGOTTEN, "span": SPAN}).one()
    return Pace(*row) if row[0] else None


def inflow(nights: Sequence[NightSummary]) -> float | None:
    """Photos for people that a night adds, the mean of the last week's; None without a report."""
    added = [night.for_people for night in nights if night.for_people is not None]
    return mean(added[-INFLOW_NIGHTS:]) if added else None


def forecast(waiting: int | None, pace: Pace | None, added_per_night: float | None) -> Forecast:
    """When the queue is empty.

    Args:
        waiting: photos that wait; None is unknown, never zero.
        pace: of people; None where nobody decides.
        added_per_night: None before the first report.
    """
    if waiting is None:
        return Forecast("unknown")
    if waiting == 0:
        return Forecast("empty")
    if pace is None:
        return Forecast("idle")
    hours = waiting / pace.per_hour
    if added_per_night is None:
        return Forecast("unknown", hours)
    net = pace.decisions - added_per_night
    if net > 0:
        return Forecast("shrinks", hours, net, waiting / net)
    return Forecast("grows" if net < 0 else "holds", hours, net)
