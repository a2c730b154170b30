from datetime import UTC, datetime

import pytest

from ml.operations.monitoring.run_summary import overdue

DAILY = {"schedule": "0 2 * * *", "timezone": "Asia/Shanghai"}
# 02:00 in Shanghai on the 23rd.
TICK = datetime(2026, 11, 22, 18, tzinfo=UTC)


@pytest.mark.parametrize(
    ("newest_end", "now", "missing"),
    [
        (TICK, "2026-11-22T20:00+00:00", None),
        ("2026-11-21T18:00+00:00", "2026-11-22T20:00+00:00", TICK),
        # The tick has just been: the run may still be starting.
        ("2026-11-21T18:00+00:00", "2026-11-22T18:20+00:00", None),
        (None, "2026-11-22T20:00+00:00", TICK),
        # A manual run for a window of its own, later than the schedule's.
        ("2026-11-22T19:00+00:00", "2026-11-22T20:00+00:00", None),
    ],
)
def test_a_night_is_overdue_once_its_window_is_over_and_no_run_answers_for_it(
    newest_end: str | datetime | None, now: str, missing: datetime | None
) -> None:
    if isinstance(newest_end, str):
        newest_end = datetime.fromisoformat(newest_end)
    assert overdue(newest_end, now=datetime.fromisoformat(now), **DAILY) == missing
