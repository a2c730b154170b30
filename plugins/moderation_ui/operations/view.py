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
    """The review queue now; `queue` is None where it could not be counted in time."""

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
    quarantine_reasons: dict[str, int]
    quarantined: "TimedResult[list[RunPhoto]]"
    alerts: "TimedResult[list[StoredAlert]]"


def overdue_since(opened: Resources, newest_end: datetime | None) -> datetime | None:
    """End of the last scheduled window that no run covers; else None."""
    from ml.operations.monitoring.run_summary import overdue

    settings = opened.settings
    return overdue(
        newest_end, now=datetime.now(UTC), schedule=settings.schedule, timezone=settings.timezone
    )


def find_nightly_run(opened: Resources, run_id: str | None) -> "NightlyRun | None":
    """The run asked for, else the newest."""
    from ml.operations.monitoring.run_summary import find_run

    return opened.transaction(find_run, run_id)


def gather(opened: Resources, nightly_run: "NightlyRun", *, is_newest: bool) -> RunOverview:
    """All that the page of a run shows."""
    return opened.transaction(lambda c: _gather(c, opened, nightly_run, is_newest=is_newest))


def _gather(
    connection: "Connection", opened: Resources, nightly_run: "NightlyRun", *, is_newest: bool
) -> RunOverview:
    from ml.operations.monitoring.drift import drift_of
    from ml.operations.monitoring.shadow_comparison import shadow_of
    from ml.operations.monitoring.trend import runs_until
    from ml.storage.alerts import open_alerts
    from ml.storage.database import with_timeout

    runs = runs_until(connection, nightly_run)
    return RunOverview(
        nightly_run=nightly_run,
        runs=runs,
        overdue=overdue_since(opened, nightly_run.window.end) if is_newest else None,
        backlog=_backlog(connection, opened, runs),
        leaks=with_timeout(connection, lambda c: _leaks(c, opened)),
        drift=_cached(
            "drift",
            nightly_run,
            lambda: with_timeout(connection, lambda c: drift_of(c, nightly_run)),
        ),
        shadow=_cached(
            "shadow",
            nightly_run,
            lambda: with_timeout(connection, lambda c: shadow_of(c, nightly_run)),
        ),
        quarantine_reasons=_reasons(nightly_run),
        quarantined=with_timeout(connection, lambda c: _quarantined(c, nightly_run)),
        alerts=with_timeout(connection, lambda c: open_alerts(c) if is_newest else []),
    )


def _cached(
    name: str, nightly_run: "NightlyRun", query: "Callable[[], TimedResult[T]]"
) -> "TimedResult[T]":
    """Cache a section of a reconciled run, which no longer changes, in this process."""
    key = (name, nightly_run.run_id, nightly_run.ended_at)
    if key in _CACHE:
        return _CACHE[key]
    result = query()
    if nightly_run.state == "reconciled" and result.completed:
        if len(_CACHE) >= _MAX_CACHED:
            _CACHE.clear()
        _CACHE[key] = result
    return result


def _backlog(connection: "Connection", opened: Resources, runs: "list[RunTotals]") -> Backlog:
    from ml.operations.monitoring.queue_forecast import forecast, inflow, throughput
    from ml.storage.database import with_timeout
    from ml.storage.review_queue import count_tasks

    commerce = opened.connections.commerce
    queue = with_timeout(connection, lambda c: count_tasks(c, commerce=commerce)).value
    pace = with_timeout(connection, throughput).value
    added = inflow(runs)
    waiting = None if queue is None else queue.open_count + queue.claimed_count
    return Backlog(queue, pace, added, forecast(waiting, pace, added))


def _leaks(connection: "Connection", opened: Resources) -> Leaks:
    from ml.operations.monitoring.leak_rate import monthly_leak_rates
    from ml.storage.leak_estimates import list_leaked_photos

    since, policy = datetime.now(UTC) - _LEAK_SPAN, opened.policy
    timezone = opened.settings.timezone
    months = monthly_leak_rates(connection, policy=policy, timezone=timezone, since=since)
    if not months:
        return Leaks([], [])
    return Leaks(months, list_leaked_photos(connection, since=since, violations=policy.violations))


def _reasons(nightly_run: "NightlyRun") -> dict[str, int]:
    return dict(nightly_run.report["quarantine_reasons"]) if nightly_run.report else {}


def _quarantined(connection: "Connection", nightly_run: "NightlyRun") -> "list[RunPhoto]":
    from ml.storage.read.run_photos import PhotoFilter, list_run_photos

    if not nightly_run.quarantined:
        return []
    photo_filter = PhotoFilter(nightly_run.run_id, outcome="quarantined")
    return list_run_photos(connection, photo_filter, limit=_QUARANTINED_SHOWN).photos
