from datetime import UTC, datetime, timedelta

import pytest

from ml.audit.window import Window, resolve_window
from ml.errors import SettingsError

# 02:00 in Shanghai, which has no summer time, is 18:00 UTC of the day before.
TICK = datetime(2026, 11, 22, 18, tzinfo=UTC)
DAY = timedelta(days=1)
LAST_NIGHT = Window(TICK - DAY, TICK)


def resolve(
    *,
    given: tuple[str | None, str | None] = (None, None),
    data_interval: tuple[datetime, datetime] | None = None,
    run_after: datetime = TICK,
) -> Window:
    return resolve_window(
        given=given,
        data_interval=data_interval,
        run_after=run_after,
        schedule="0 2 * * *",
        timezone="Asia/Shanghai",
    )


def test_given_times_go_before_the_interval() -> None:
    given = ("2026-11-01T02:00:00+08:00", "2026-11-02T03:30:00+08:00")
    window = resolve(given=given, data_interval=(TICK - DAY, TICK))
    assert window.start == datetime(2026, 10, 31, 18, tzinfo=UTC)
    assert window.end == datetime(2026, 11, 1, 19, 30, tzinfo=UTC)


def test_a_scheduled_run_answers_for_its_data_interval() -> None:
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
def test_a_manual_run_answers_for_the_last_complete_night(
    run_after: datetime, nights_later: int
) -> None:
    shift = nights_later * DAY
    assert resolve(run_after=run_after) == Window(LAST_NIGHT.start + shift, TICK + shift)


@pytest.mark.parametrize("seconds", [1, 30, 59.5])
def test_a_manual_run_within_the_minute_of_the_tick(seconds: float) -> None:
    assert resolve(run_after=TICK + timedelta(seconds=seconds)) == LAST_NIGHT


def test_an_empty_interval_of_a_manual_run_is_none() -> None:
    assert resolve(data_interval=(TICK, TICK)) == LAST_NIGHT


@pytest.mark.parametrize("given", [("2026-11-01T02:00:00Z", None), (None, "2026-11-01T02:00:00Z")])
def test_one_of_two_times_is_refused(given: tuple[str | None, str | None]) -> None:
    with pytest.raises(SettingsError, match="both window_start and window_end, or neither"):
        resolve(given=given)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("2026-11-01T02:00:00", "2026-11-02T02:00:00"), "need a time zone"),
        (("2026-11-01T02:00:00Z", "2026-11-02T02:00:00"), "need a time zone"),
        (("2026-11-02T02:00:00Z", "2026-11-01T02:00:00Z"), "ends"),
        (("2026-11-02T02:00:00Z", "2026-11-02T10:00:00+08:00"), "ends"),
        (("yesterday", "2026-11-01T02:00:00Z"), "'yesterday' is no ISO 8601 time"),
    ],
)
def test_times_that_are_no_window_are_refused(given: tuple[str, str], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        resolve(given=given)
