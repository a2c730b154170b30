"""Data of the operations page, read in one transaction."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from moderation_ui.web.resources import Resources

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from ml.operations.monitoring.drift import Drift
    from ml.operations.monitoring.leak_rate import MonthlyLeakRate
    from ml.operations.monitoring.queue_forecast import Forecast, Throughput
    from ml.operations.monitoring.run_summary import NightlyRun
    from ml.operations.monitoring.shadow_comparison import Shadowed
    from ml.operations.monitoring.trend import RunTotals
    from ml.policy.schema import Policy
    from ml.storage.alerts import StoredAlert
    from ml.storage.database import TimedResult
    from ml.storage.read.run_photos import RunPhoto
    from ml.storage.review_queue import QueueCounts

_LEAK_SPAN = timedelta(days=366)
_QUARANTINED_SHOWN = 20
_MAX_CACHED = 200
_CACHE: "dict[tuple[str, str, datetime | None], TimedResult[Any]]" = {}
T = TypeVar("T")


@dataclass(frozen=True)
class Backlog:
    """The review queue now; None where a number could not be counted in time."""

    queue: "QueueCounts | None"
    pace: "Throughput | None"
    inflow: float | None
    forecast: "Forecast"


@dataclass(frozen=True)
class Leaks:
    """Estimates by month, and the keys of the photos that leaked."""

    months: "list[MonthlyLeakRate]"
    photos: list[str]


@dataclass(frozen=True)
class RunOverview:
    """One nightly run and its context; the page omits a `TimedResult` that did not complete."""

    nightly_run: "NightlyRun"
    runs: "list[RunTotals]"
    overdue: datetime | None
    backlog: Backlog
    leaks: "TimedResult[Leaks]"
    drift: "TimedResult[Drift | None]"
    shadow: "TimedResult[Shadowed | None]"
    quarantined: "TimedResult[list[RunPhoto]]"
    alerts: "TimedResult[list[StoredAlert]]"


def find_nightly_run(opened: Resources, run_id: str | None) -> "NightlyRun | None":
    """The named run, else the latest."""
    from ml.operations.monitoring.run_summary import find_run

    return opened.transaction(find_run, run_id)


def load_overview(
    connection: "Connection",
    opened: Resources,
    policy: "Policy",
    nightly_run: "NightlyRun",
    is_latest: bool,
) -> RunOverview:
    """All that the page of a run shows; what is overdue and the alerts for the latest alone."""
    from ml.operations.monitoring.drift import drift_of
    from ml.operations.monitoring.shadow_comparison import shadow_of
    from ml.operations.monitoring.trend import runs_until
    from ml.storage.alerts import open_alerts
    from ml.storage.database import with_timeout

    runs = runs_until(connection, nightly_run)
    return RunOverview(
        nightly_run=nightly_run,
        runs=runs,
        overdue=_overdue_since(opened, nightly_run) if is_latest else None,
        backlog=_load_backlog(connection, runs),
        leaks=with_timeout(connection, lambda c: _load_leaks(c, opened, policy)),
        drift=_cached(connection, nightly_run, drift_of),
        shadow=_cached(connection, nightly_run, shadow_of),
        quarantined=with_timeout(connection, lambda c: _load_quarantined(c, nightly_run)),
        alerts=with_timeout(connection, lambda c: open_alerts(c) if is_latest else []),
    )


def _cached(
    connection: "Connection",
    nightly_run: "NightlyRun",
    query: "Callable[[Connection, NightlyRun], T]",
) -> "TimedResult[T]":
    """Query with a timeout; this process caches the result of a reconciled run, which is final."""
    from ml.storage.database import with_timeout

    key = (query.__name__, nightly_run.run_id, nightly_run.ended_at)
    if key in _CACHE:
        return _CACHE[key]
    result = with_timeout(connection, lambda c: query(c, nightly_run))
    if nightly_run.state == "reconciled" and result.completed:
        if len(_CACHE) >= _MAX_CACHED:
            _CACHE.clear()
        _CACHE[key] = result
    return result


def _overdue_since(opened: Resources, latest: "NightlyRun") -> datetime | None:
    from ml.operations.monitoring.run_summary import overdue

    now, schedule, zone = datetime.now(UTC), opened.settings.schedule, opened.settings.timezone
    return overdue(latest.window.end, now=now, schedule=schedule, timezone=zone)


def _load_backlog(connection: "Connection", runs: "list[RunTotals]") -> Backlog:
    from ml.operations.monitoring.queue_forecast import forecast, inflow, throughput
    from ml.storage.database import with_timeout
    from ml.storage.review_queue import count_tasks

    queue = with_timeout(connection, count_tasks).value
    pace = with_timeout(connection, throughput).value
    added = inflow(runs)
    waiting = None if queue is None else queue.open_count + queue.claimed_count
    return Backlog(queue, pace, added, forecast(waiting, pace, added))


def _load_leaks(connection: "Connection", opened: Resources, policy: "Policy") -> Leaks:
    """No estimate without a policy: it names the violations."""
    from ml.operations.monitoring.leak_rate import monthly_leak_rates
    from ml.storage.leak_estimates import list_leaked_photos

    if not policy.classes:
        return Leaks([], [])
    since, timezone = datetime.now(UTC) - _LEAK_SPAN, opened.settings.timezone
    months = monthly_leak_rates(connection, policy=policy, timezone=timezone, since=since)
    if not months:
        return Leaks([], [])
    return Leaks(months, list_leaked_photos(connection, since=since, violations=policy.violations))


def _load_quarantined(connection: "Connection", nightly_run: "NightlyRun") -> "list[RunPhoto]":
    from ml.storage.read.run_photos import PhotoFilter, list_run_photos

    if not nightly_run.quarantined:
        return []
    photo_filter = PhotoFilter(nightly_run.run_id, outcome="quarantined")
    return list_run_photos(connection, photo_filter, limit=_QUARANTINED_SHOWN).photos
