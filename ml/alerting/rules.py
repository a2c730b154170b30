"""Which alerts hold: a pure function of facts, policy and schedule."""

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from croniter import croniter

from ml.alerting.alert import Alert
from ml.operations.leak import LeakMonth
from ml.operations.trend import outside, review_rate
from ml.policy.alerting import AlertKind
from ml.policy.policy import Policy

QUEUE = "queue"  # the one fact of a queue that is too old
NO_NIGHT = "no night yet"


@dataclass(frozen=True)
class Promotion:
    """The last time that a new model became champion."""

    model_hash: str
    at: datetime


@dataclass(frozen=True)
class Facts:
    """What the rules look at, as of `now` (with a time zone).

    Args:
        now: the moment that all else is as of.
        done_until: end of the newest window that a finished night answers for; None: no night yet.
        broken: runs whose account does not balance.
        verdicts: of the newest nights with a report, the newest first: run id, photos by decision.
        leak: the newest month with answers of the random audit.
        waiting, oldest: photos that wait for a person, and for how long the oldest has.
        promotion: None before the first one.
    """

    now: datetime
    done_until: datetime | None = None
    broken: tuple[str, ...] = ()
    verdicts: tuple[tuple[str, dict[str, int]], ...] = ()
    leak: LeakMonth | None = None
    waiting: int = 0
    oldest: timedelta | None = None
    promotion: Promotion | None = None


@dataclass(frozen=True)
class Nights:
    """When nights are due: a cron expression read in a time zone (IANA name)."""

    schedule: str
    timezone: str

    def next_end(self, after: datetime) -> datetime:
        """End of the first window that ends later."""
        return self._tick(after, "get_next")

    def last_end(self, before: datetime) -> datetime:
        """End of the last window that ended earlier."""
        return self._tick(before, "get_prev")

    def _tick(self, moment: datetime, direction: str) -> datetime:
        local = moment.astimezone(ZoneInfo(self.timezone))
        found: datetime = getattr(croniter(self.schedule, local), direction)(datetime)
        return found

    def due(self, end: datetime, policy: Policy) -> datetime:
        """When the night of the window that ends then must be done."""
        local = end.astimezone(ZoneInfo(self.timezone))
        due = datetime.combine(local.date(), policy.alerts.night_done_by, local.tzinfo)
        return due if due > local else due + timedelta(days=1)

    def time_until_due(self, policy: Policy, *, after: datetime) -> timedelta:
        """How long the night of the first window that ends after a moment may take."""
        end = self.next_end(after)
        return self.due(end, policy) - end


def alerts(facts: Facts, policy: Policy, nights: Nights) -> list[Alert]:
    """The alerts that hold by the facts, but for those that the policy switched off.

    Failed runs are no fact of the database: Airflow tells of them itself.
    """
    found = [
        *_night_late(facts, policy, nights),
        *_identity_broken(facts),
        *_review_rate(facts, policy),
        *_leak_bound(facts, policy),
        *_queue_age(facts, policy),
        *_promotion_age(facts, policy),
    ]
    return [alert for alert in found if alert.kind not in policy.alerts.silent]


# Of these the rules say whether they hold; a failed run is over when Airflow says so.
BY_RULE = frozenset(AlertKind) - {AlertKind.RUN_FAILED}


def _night_late(facts: Facts, policy: Policy, nights: Nights) -> Iterator[Alert]:
    if facts.done_until is None:
        end, fact = nights.last_end(facts.now), NO_NIGHT
    else:
        end = nights.next_end(facts.done_until)
        fact = end.isoformat()
    due = nights.due(end, policy)
    if facts.now >= due:
        details = {"window_end": _minute(end), "due": _minute(due)}
        yield Alert(AlertKind.NIGHT_LATE, fact, details)


def _identity_broken(facts: Facts) -> Iterator[Alert]:
    for run_id in facts.broken:
        yield Alert(AlertKind.IDENTITY_BROKEN, run_id, {"run_id": run_id})


def _review_rate(facts: Facts, policy: Policy) -> Iterator[Alert]:
    least = policy.alerts.review_rate_photos
    enough = (night for night in facts.verdicts if sum(night[1].values()) >= least)
    run_id, verdicts = next(enough, ("", {}))
    rate, band = review_rate(verdicts), policy.reviewing.review_rate_alert
    if rate is not None and outside(rate, band):
        side = "high" if rate > band[1] else "low"
        details = {"run_id": run_id, "rate": rate, "low": band[0], "high": band[1]}
        yield Alert(AlertKind.REVIEW_RATE, side, details)


def _leak_bound(facts: Facts, policy: Policy) -> Iterator[Alert]:
    """Broken beyond chance: even the low end of the exact interval lies over the bound."""
    bound, leak = policy.retraining.leak_bound.rate, facts.leak
    if leak is not None and leak.low > bound:
        details = {
            "month": leak.month, "rate": leak.rate, "low": leak.low, "high": leak.high,
            "audited": leak.audited, "leaked": leak.leaked, "bound": bound,
        }  # fmt: skip
        yield Alert(AlertKind.LEAK_BOUND, leak.month, details)


def _queue_age(facts: Facts, policy: Policy) -> Iterator[Alert]:
    limit = timedelta(hours=policy.alerts.queue_hours)
    if facts.oldest is not None and facts.oldest > limit:
        hours = facts.oldest / timedelta(hours=1)
        details = {"hours": hours, "limit": policy.alerts.queue_hours, "waiting": facts.waiting}
        yield Alert(AlertKind.QUEUE_AGE, QUEUE, details)


def _promotion_age(facts: Facts, policy: Policy) -> Iterator[Alert]:
    months, last = policy.alerts.promotion_months, facts.promotion
    if last is not None and last.at <= _months_before(facts.now, months):
        details = {"model_hash": last.model_hash, "since": _minute(last.at), "months": months}
        yield Alert(AlertKind.PROMOTION_AGE, last.model_hash, details)


def _months_before(moment: datetime, months: int) -> datetime:
    """The same day of an earlier month, or that month's last."""
    year, month = divmod(moment.year * 12 + moment.month - 1 - months, 12)
    day = min(moment.day, monthrange(year, month + 1)[1])
    return moment.replace(year=year, month=month + 1, day=day)


def _minute(moment: datetime) -> str:
    return moment.isoformat(sep=" ", timespec="minutes")
