from datetime import UTC, datetime
from typing import Any

import pytest

from ml.core.errors import QuarantineReason
from ml.operations.monitoring.run_summary import overdue, run_gauges

DAILY = {"schedule": "0 2 * * *", "timezone": "Asia/Shanghai"}
# 02:00 in Shanghai on the 23rd.
TICK = datetime(2026, 11, 22, 18, tzinfo=UTC)


@pytest.mark.parametrize(
    ("newest_end", "now", "missing"),
    [
        (TICK, "2026-11-22T20:00+00:00", None),
        ("2026-11-21T18:00+00:00", "2026-11-22T20:00+00:00", TICK),
        # The window has just ended: the run may still be starting.
        ("2026-11-21T18:00+00:00", "2026-11-22T18:20+00:00", None),
        (None, "2026-11-22T20:00+00:00", TICK),
        # A manual run for a window of its own, later than the schedule's.
        ("2026-11-22T19:00+00:00", "2026-11-22T20:00+00:00", None),
    ],
)
def test_run_is_overdue_once_its_window_ended_without_a_run(
    newest_end: str | datetime | None, now: str, missing: datetime | None
) -> None:
    if isinstance(newest_end, str):
        newest_end = datetime.fromisoformat(newest_end)
    assert overdue(newest_end, now=datetime.fromisoformat(now), **DAILY) == missing


REPORT: dict[str, Any] = {
    "listed": 10, "judged": 7, "quarantined": 2, "already_judged": 1,
    "verdicts": {"pass": 4, "review": 3, "block": 0},
    "quarantine_reasons": {"corrupt": 2},
    "seconds": {"fetch": 1.5, "wall": 4.0},
    "images_per_second": 2.2,
    "yuan": {"manual_only": 2.0, "machine": 0.01, "review": 2.5, "saved": -0.51,
             "saved_share": None},
}  # fmt: skip


def test_run_gauges_have_photos_verdicts_seconds_and_cost() -> None:
    found = dict(run_gauges(REPORT))
    assert found["audit.photos.listed"] == 10
    assert found["audit.photos.already_judged"] == 1
    assert found["audit.verdicts.review"] == 3
    assert found["audit.seconds.wall"] == 4.0
    assert found["audit.yuan.saved"] == -0.51
    assert found["audit.images_per_second"] == 2.2


def test_quarantine_reason_that_did_not_occur_is_sent_as_zero() -> None:
    found = dict(run_gauges(REPORT))
    assert found["audit.quarantine.corrupt"] == 2
    others = {f"audit.quarantine.{r.value}" for r in QuarantineReason} - {
        "audit.quarantine.corrupt"
    }
    assert {found[name] for name in others} == {0}


def test_unknown_value_is_left_out() -> None:
    assert "audit.images_per_second" not in dict(run_gauges({**REPORT, "images_per_second": None}))
