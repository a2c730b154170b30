from datetime import UTC, datetime, timedelta

import pytest

from ml.core.errors import SettingsError
from ml.core.window import Window, resolve_window

# 02:00 in Shanghai, which has no summer time, is 18:00 UTC of the day before.
TICK = datetime(2026, 11, 22, 18, tzinfo=UTC)
DAY = timedelta(days=1)
LAST_NIGHT = Window(TICK - DAY, TICK)


def resolve(
    *,
    requested: tuple[str | None, str | None] = (None, None),
    data_interval: tuple[datetime, datetime] | None = None,
    run_after: datetime = TICK,
    by_uploads: bool = False,
) -> Window:
    return resolve_window(
        requested=requested,
        data_interval=data_interval,
        run_after=run_after,
        schedule="0 2 * * *",
        timezone="Asia/Shanghai",
        by_uploads=by_uploads,
    )


def test_run_of_announced_uploads_covers_the_day_so_far() -> None:
    noon = TICK + timedelta(hours=10)
    interval = (noon, noon)  # what Airflow gives a run by an asset
    assert resolve(by_uploads=True, run_after=noon, data_interval=interval) == Window(TICK, noon)
    at_the_tick = resolve(by_uploads=True, run_after=TICK)
    assert at_the_tick == LAST_NIGHT  # never an empty window


def test_requested_times_override_the_data_interval() -> None:
    requested = ("2026-11-01T02:00:00+08:00", "2026-11-02T03:30:00+08:00")
    window = resolve(requested=requested, data_interval=(TICK - DAY, TICK))
    assert window.start == datetime(2026, 10, 31, 18, tzinfo=UTC)
    assert window.end == datetime(2026, 11, 1, 19, 30, tzinfo=UTC)


def test_scheduled_run_covers_its_data_interval() -> None:
    interval = (TICK - 9 * DAY, TICK - 8 * DAY)
    assert resolve(data_interval=interval) == Window(*interval)


@pytest.mark.parametrize(
    ("run_after", "nights_later"),
    [
        (TICK - timedelta(microseconds=1), -1),
        (TICK - timedelta(seconds=30), -1),
        (TICK, 0),
        (TICK + timedelta(microseconds=1), 0),
        (TICK + timedelta(hours=16), 0),
        (TICK + DAY - timedelta(seconds=1), 0),
        (TICK + DAY, 1),
    ],
)
def test_manual_run_covers_the_last_complete_interval(
    run_after: datetime, nights_later: int
) -> None:
    shift = nights_later * DAY
    assert resolve(run_after=run_after) == Window(LAST_NIGHT.start + shift, TICK + shift)


@pytest.mark.parametrize("seconds", [1, 30, 59.5])
def test_manual_run_just_after_the_tick_covers_the_interval_that_ended(seconds: float) -> None:
    assert resolve(run_after=TICK + timedelta(seconds=seconds)) == LAST_NIGHT


def test_empty_data_interval_is_ignored() -> None:
    assert resolve(data_interval=(TICK, TICK)) == LAST_NIGHT


@pytest.mark.parametrize(
    "requested", [("2026-11-01T02:00:00Z", None), (None, "2026-11-01T02:00:00Z")]
)
def test_single_requested_time_is_rejected(requested: tuple[str | None, str | None]) -> None:
    with pytest.raises(SettingsError, match="both window_start and window_end, or neither"):
        resolve(requested=requested)


@pytest.mark.parametrize(
    ("requested", "words"),
    [
        (("2026-11-01T02:00:00", "2026-11-02T02:00:00"), "has no time zone"),
        (("2026-11-01T02:00:00Z", "2026-11-02T02:00:00"), "has no time zone"),
        (("2026-11-02T02:00:00Z", "2026-11-01T02:00:00Z"), "ends"),
        (("2026-11-02T02:00:00Z", "2026-11-02T10:00:00+08:00"), "ends"),
        (("yesterday", "2026-11-01T02:00:00Z"), "'yesterday' is no ISO 8601 time"),
    ],
)
def test_requested_times_without_a_valid_window_are_rejected(
    requested: tuple[str, str], words: str
) -> None:
    with pytest.raises(SettingsError, match=words):
        resolve(requested=requested)
