"""The nightly window: the upload times that one nightly run covers."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from croniter import croniter

from ml.core.errors import SettingsError


@dataclass(frozen=True)
class Window:
    """Upload times from `start` (inclusive) to `end` (exclusive), both with a time zone."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise SettingsError("a window's times need a time zone, e.g. 2026-11-22T02:00:00+08:00")
        if self.start >= self.end:
            raise SettingsError(f"the window ends ({self.end}) before it starts ({self.start})")


def resolve_window(
    *,
    requested: tuple[str | None, str | None],
    data_interval: tuple[datetime, datetime] | None,
    run_after: datetime,
    schedule: str,
    timezone: str,
    by_uploads: bool = False,
) -> Window:
    """Resolve the window of a run from the first source that is present.

    These are `requested`, start and end as ISO 8601 text, the parameters of a manual run; then, of
    a run that announced uploads have started (`by_uploads`), the interval of the schedule that is
    not complete yet, until `run_after`; then the `data_interval` of a scheduled or backfill run;
    then, for manual runs by REST or CLI, the last complete interval of the schedule before
    `run_after`. A retry gets the same one.

    Raises:
        SettingsError: only one of start and end is given, or they are not a valid window.
    """
    start, end = requested
    if start and end:
        return Window(parse_time(start), parse_time(end))
    if start or end:
        raise SettingsError("give both window_start and window_end, or neither")
    if by_uploads:
        begun = croniter(schedule, run_after.astimezone(ZoneInfo(timezone))).get_prev(datetime)
        return Window(begun, run_after)
    if data_interval is not None and data_interval[0] < data_interval[1]:
        return Window(*data_interval)
    # `get_prev` excludes its argument, and the interval that ends exactly at `run_after` counts.
    after = run_after.astimezone(ZoneInfo(timezone)) + timedelta(microseconds=1)
    last: datetime = croniter(schedule, after).get_prev(datetime)
    return Window(croniter(schedule, last).get_prev(datetime), last)


def parse_time(text: str) -> datetime:
    """Parse an ISO 8601 time that has a time zone; raises `SettingsError` if it is no such time."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise SettingsError(
            f"{text!r} is no ISO 8601 time; write 2026-11-22T02:00:00+08:00"
        ) from error
    if moment.tzinfo is None:
        raise SettingsError(f"{text!r} has no time zone: add one, such as +08:00")
    return moment
