"""The nightly window: which upload times one audit run answers for."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from croniter import croniter

from ml.errors import SettingsError


@dataclass(frozen=True)
class Window:
    """Upload times from `start` (included) to `end` (not included), both with a time zone."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise SettingsError("a window's times need a time zone, e.g. 2026-11-22T02:00:00+08:00")
        if self.start >= self.end:
            raise SettingsError(f"the window ends ({self.end}) before it starts ({self.start})")


def resolve_window(
    *,
    given: tuple[str | None, str | None],
    data_interval: tuple[datetime, datetime] | None,
    run_after: datetime,
    schedule: str,
    timezone: str,
) -> Window:
    """The window of a run, from the first of these that there is.

    1. `given`: start and end as ISO 8601 text, the parameters of a manual run;
    2. `data_interval` of a scheduled or backfill run;
    3. the last complete interval of the schedule before `run_after`: manual runs by REST or CLI
       have no interval of their own. It depends on the run alone, so a retry reads the same.

    Raises:
        SettingsError: only one of start and end is given, or they are no proper window.
    """
    start, end = given
    if start and end:
        return Window(_time(start), _time(end))
    if start or end:
        raise SettingsError("give both window_start and window_end, or neither")
    if data_interval is not None and data_interval[0] < data_interval[1]:
        return Window(*data_interval)
    # A hair later: `get_prev` leaves out the moment itself, and a run on the tick is complete.
    after = run_after.astimezone(ZoneInfo(timezone)) + timedelta(microseconds=1)
    last: datetime = croniter(schedule, after).get_prev(datetime)
    return Window(croniter(schedule, last).get_prev(datetime), last)


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise SettingsError(
            f"{text!r} is no ISO 8601 time; write 2026-11-22T02:00:00+08:00"
        ) from error
