"""Alert rules: a pure function of signals, policy and schedule."""

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from croniter import croniter

from ml.core.types import Alert, AlertKind
from ml.operations.alerting.signals import Signals
from ml.operations.monitoring.trend import outside, review_rate
from ml.policy.operations import Alerts
from ml.policy.schema import Policy

QUEUE = "queue"  # dedup key of the queue's age
NO_RUN = "no run yet"


@dataclass(frozen=True)
class RunSchedule:
    """When nightly runs are due: a cron expression in a time zone (IANA name)."""

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
        tick: datetime = getattr(croniter(self.schedule, local), direction)(datetime)
        return tick

    def due(self, end: datetime, rules: Alerts) -> datetime:
        """Deadline of the run whose window ends at `end`."""
        local = end.astimezone(ZoneInfo(self.timezone))
        due = datetime.combine(local.date(), rules.nightly_run_deadline, local.tzinfo)
        return due if due > local else due + timedelta(days=1)

    def time_until_due(self, rules: Alerts, *, after: datetime) -> timedelta:
        """How long the run of the first window that ends after a moment may take."""
        end = self.next_end(after)
        return self.due(end, rules) - end


def apply_rules(signals: Signals, policy: Policy, schedule: RunSchedule) -> list[Alert]:
    """The alerts that these signals raise, without the kinds that the policy mutes.

    Failed runs are no signal: Airflow reports them itself.
    """
    raised = [
        *_nightly_run_late(signals, policy, schedule),
        *_identity_broken(signals),
        *_review_rate(signals, policy),
        *_leak_bound(signals, policy),
        *_queue_age(signals, policy),
        *_promotion_age(signals, policy),
    ]
    return [alert for alert in raised if alert.kind not in policy.alerts.muted]


# Kinds that the rules raise and resolve; a failed run is over when Airflow says so.
BY_RULE = frozenset(AlertKind) - {AlertKind.RUN_FAILED}


def _nightly_run_late(signals: Signals, policy: Policy, schedule: RunSchedule) -> Iterator[Alert]:
    if signals.done_until is None:
        end, dedup_key = schedule.last_end(signals.now), NO_RUN
    else:
        end = schedule.next_end(signals.done_until)
        dedup_key = end.isoformat()
    due = schedule.due(end, policy.alerts)
    if signals.now >= due:
        details = {"window_end": _minute(end), "due": _minute(due)}
        yield Alert(AlertKind.RUN_LATE, dedup_key, details)


def _identity_broken(signals: Signals) -> Iterator[Alert]:
    for run_id in signals.unbalanced_runs:
        yield Alert(AlertKind.IDENTITY_BROKEN, run_id, {"run_id": run_id})


def _review_rate(signals: Signals, policy: Policy) -> Iterator[Alert]:
    min_photos = policy.alerts.review_rate_photos
    large_enough = (run for run in signals.verdicts if sum(run[1].values()) >= min_photos)
    run_id, verdicts = next(large_enough, ("", {}))
    rate, band = review_rate(verdicts), policy.reviewing.review_rate_alert
    if rate is not None and outside(rate, band):
        side = "high" if rate > band[1] else "low"
        details = {"run_id": run_id, "rate": rate, "low": band[0], "high": band[1]}
        yield Alert(AlertKind.REVIEW_RATE, side, details)


def _leak_bound(signals: Signals, policy: Policy) -> Iterator[Alert]:
    """Significantly broken: even the low end of the exact interval lies above the bound."""
    bound, leak = policy.retraining.leak_bound.rate, signals.leak
    if leak is not None and leak.low > bound:
        yield Alert(AlertKind.LEAK_BOUND, leak.month, asdict(leak) | {"bound": bound})


def _queue_age(signals: Signals, policy: Policy) -> Iterator[Alert]:
    limit = timedelta(hours=policy.alerts.queue_hours)
    if signals.oldest is not None and signals.oldest > limit:
        hours = signals.oldest / timedelta(hours=1)
        details = {"hours": hours, "limit": policy.alerts.queue_hours, "waiting": signals.waiting}
        yield Alert(AlertKind.QUEUE_AGE, QUEUE, details)


def _promotion_age(signals: Signals, policy: Policy) -> Iterator[Alert]:
    if signals.promotion is None:
        return
    months, (model_hash, since) = policy.alerts.promotion_months, signals.promotion
    if since <= _months_before(signals.now, months):
        details = {"model_hash": model_hash, "since": _minute(since), "months": months}
        yield Alert(AlertKind.PROMOTION_AGE, model_hash, details)


def _months_before(moment: datetime, months: int) -> datetime:
    """The same day of an earlier month, or that month's last."""
    year, month = divmod(moment.year * 12 + moment.month - 1 - months, 12)
    day = min(moment.day, monthrange(year, month + 1)[1])
    return moment.replace(year=year, month=month + 1, day=day)


def _minute(moment: datetime) -> str:
    return moment.isoformat(sep=" ", timespec="minutes")
