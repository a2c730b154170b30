"""What the operations page shows, read in one transaction."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from moderation_ui.resources import Resources

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from ml.operations.backlog import Forecast, Pace
    from ml.operations.drift import Drift
    from ml.operations.leak import LeakMonth
    from ml.operations.night import Night
    from ml.operations.patience import Part
    from ml.operations.photos import NightPhoto
    from ml.operations.shadow import Shadowed
    from ml.operations.trend import NightSummary
    from ml.review.queue import QueueCounts
    from ml.storage.alerts import StoredAlert

_LEAK_SPAN = timedelta(days=366)
_QUARANTINED_SHOWN = 20
_MOST_KEPT = 200
_KEPT: "dict[tuple[str, str, datetime | None], Part[Any]]" = {}
T = TypeVar("T")


@dataclass(frozen=True)
class Backlog:
    """The review queue now; `queue` is None where it could not be counted in time."""

    queue: "QueueCounts | None"
    pace: "Pace | None"
    inflow: float | None
    forecast: "Forecast"


@dataclass(frozen=True)
class Leaks:
    """Estimates by month, and the keys of the photos that leaked."""

    months: "list[LeakMonth]"
    photos: list[str]


@dataclass(frozen=True)
class Morning:
    """One night with all around it; a `Part` may have come too late to be shown."""

    night: "Night"
    nights: "list[NightSummary]"
    overdue: datetime | None
    backlog: Backlog
    leaks: "Part[Leaks]"
    drift: "Part[Drift | None]"
    shadow: "Part[Shadowed | None]"
    quarantine_reasons: dict[str, int]
    quarantined: "Part[list[NightPhoto]]"
    alerts: "Part[list[StoredAlert]]"


def overdue_since(opened: Resources, newest_end: datetime | None) -> datetime | None:
    """End of the window that no night has answered for, by the schedule; else None."""
    from ml.operations.night import overdue

    settings = opened.settings
    return overdue(
        newest_end, now=datetime.now(UTC), schedule=settings.schedule, timezone=settings.timezone
    )


def find_night(opened: Resources, run_id: str | None) -> "Night | None":
    """The night asked for, else the newest."""
    from ml.operations import night

    if run_id is None:
        return opened.transaction(night.newest)
    return opened.transaction(lambda c: night.find(c, run_id))


def gather(opened: Resources, night: "Night", *, is_newest: bool) -> Morning:
    """All that the page of a night shows."""
    return opened.transaction(lambda c: _gather(c, opened, night, is_newest=is_newest))


def _gather(
    connection: "Connection", opened: Resources, night: "Night", *, is_newest: bool
) -> Morning:
    from ml.operations.drift import drift_of
    from ml.operations.patience import within
    from ml.operations.shadow import shadow_of
    from ml.operations.trend import nights_until
    from ml.storage.alerts import open_alerts

    nights = nights_until(connection, night)
    return Morning(
        night=night,
        nights=nights,
        overdue=overdue_since(opened, night.window.end) if is_newest else None,
        backlog=_backlog(connection, opened, nights),
        leaks=within(connection, lambda c: _leaks(c, opened)),
        drift=_once("drift", night, lambda: within(connection, lambda c: drift_of(c, night))),
        shadow=_once("shadow", night, lambda: within(connection, lambda c: shadow_of(c, night))),
        quarantine_reasons=_reasons(night),
        quarantined=within(connection, lambda c: _quarantined(c, night)),
        alerts=within(connection, lambda c: open_alerts(c) if is_newest else []),
    )


def _once(name: str, night: "Night", look: "Callable[[], Part[T]]") -> "Part[T]":
    """What does not change once a night is reconciled is looked up once a process."""
    key = (name, night.run_id, night.ended_at)
    if key in _KEPT:
        return _KEPT[key]
    part = look()
    if night.state == "reconciled" and part.in_time:
        if len(_KEPT) >= _MOST_KEPT:
            _KEPT.clear()
        _KEPT[key] = part
    return part


def _backlog(connection: "Connection", opened: Resources, nights: "list[NightSummary]") -> Backlog:
    from ml.operations.backlog import forecast, inflow, pace
    from ml.operations.patience import within
    from ml.review.queue import counts

    commerce = opened.connections.commerce
    queue = within(connection, lambda c: counts(c, commerce=commerce)).value
    speed = within(connection, pace).value
    added = inflow(nights)
    waiting = None if queue is None else queue.open_count + queue.claimed_count
    return Backlog(queue, speed, added, forecast(waiting, speed, added))


def _leaks(connection: "Connection", opened: Resources) -> Leaks:
    from ml.operations.leak import leak_months, leaked_photos

    since, policy = datetime.now(UTC) - _LEAK_SPAN, opened.policy
    timezone = opened.settings.timezone
    months = leak_months(connection, policy=policy, timezone=timezone, since=since)
    if not months:
        return Leaks([], [])
    return Leaks(months, leaked_photos(connection, since=since, violations=policy.violations))


def _reasons(night: "Night") -> dict[str, int]:
    return dict(night.report["quarantine_reasons"]) if night.report else {}


def _quarantined(connection: "Connection", night: "Night") -> "list[NightPhoto]":
    from ml.operations.photos import Wanted, photos_of

    if not night.quarantined:
        return []
    wanted = Wanted(night.run_id, outcome="quarantined")
    return photos_of(connection, wanted, limit=_QUARANTINED_SHOWN).photos
