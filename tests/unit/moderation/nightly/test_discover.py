from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from ml.core.window import Window
from ml.moderation.nightly.discover import prefixes

SHANGHAI = "Asia/Shanghai"


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=ZoneInfo(SHANGHAI))


def listed(template: str, window: Window, days: int = 0) -> list[str]:
    return list(prefixes(template, window, lookback=timedelta(days=days), timezone=SHANGHAI))


def test_plain_prefix_is_listed_once() -> None:
    assert listed("reviews/", Window(at(22, 2), at(23, 2)), days=7) == ["reviews/"]


def test_dated_prefixes_cover_window_and_look_back_in_order() -> None:
    found = listed("reviews/%Y/%m/%d/", Window(at(22, 2), at(23, 2)), days=2)
    assert found == [f"reviews/2026/11/{day}/" for day in (20, 21, 22, 23)]


def test_dated_prefixes_use_the_settings_time_zone() -> None:
    utc = ZoneInfo("UTC")
    window = Window(at(22, 2).astimezone(utc), at(22, 5).astimezone(utc))
    assert listed("%d/", window) == ["22/"]


def test_prefix_may_contain_hours() -> None:
    assert listed("%H/", Window(at(22, 22), at(23, 1))) == ["22/", "23/", "00/", "01/"]


@pytest.mark.parametrize(("template", "prefixes_of_a_week"), [("%H/", 24), ("%A/", 7)])
def test_prefix_that_recurs_in_the_look_back_is_listed_once(
    template: str, prefixes_of_a_week: int
) -> None:
    found = listed(template, Window(at(22, 2), at(23, 2)), days=7)
    assert len(found) == len(set(found)) == prefixes_of_a_week


def test_dated_prefixes_include_the_last_partial_day() -> None:
    assert listed("%d/", Window(at(22, 1, 30), at(23, 0, 10))) == ["22/", "23/"]
