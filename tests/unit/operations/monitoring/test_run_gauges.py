from typing import Any

from ml.core.errors import QuarantineReason
from ml.operations.monitoring.run_gauges import alert_gauges, queue_gauges, run_gauges

REPORT: dict[str, Any] = {
    "listed": 10, "judged": 7, "quarantined": 2, "already_judged": 1,
    "verdicts": {"pass": 4, "review": 3, "block": 0},
    "quarantine_reasons": {"corrupt": 2},
    "seconds": {"fetch": 1.5, "wall": 4.0},
    "images_per_second": 2.2,
    "yuan": {"manual_only": 2.0, "machine": 0.01, "review": 2.5, "saved": -0.51,
             "saved_share": None},
}  # fmt: skip


def test_a_night_is_measured_by_photos_verdicts_quarantine_seconds_and_cost() -> None:
    found = dict(run_gauges(REPORT))
    assert found["audit.photos.listed"] == 10
    assert found["audit.photos.already_judged"] == 1
    assert found["audit.verdicts.review"] == 3
    assert found["audit.seconds.wall"] == 4.0
    assert found["audit.yuan.saved"] == -0.51
    assert found["audit.images_per_second"] == 2.2


def test_a_reason_that_did_not_occur_is_zero_and_not_last_nights() -> None:
    found = dict(run_gauges(REPORT))
    assert found["audit.quarantine.corrupt"] == 2
    others = {f"audit.quarantine.{r.value}" for r in QuarantineReason} - {
        "audit.quarantine.corrupt"
    }
    assert {found[name] for name in others} == {0}


def test_what_is_unknown_is_left_out() -> None:
    assert "audit.images_per_second" not in dict(run_gauges({**REPORT, "images_per_second": None}))


def test_an_empty_queue_has_age_zero() -> None:
    assert dict(queue_gauges(waiting=0, oldest_seconds=None)) == {
        "queue.waiting": 0,
        "queue.oldest_seconds": 0.0,
    }


def test_the_watch_says_that_it_ran() -> None:
    found = dict(alert_gauges(by_kind={"queue_age": 1, "run_late": 0}, undelivered=1))
    assert found == {
        "alerts.open.queue_age": 1,
        "alerts.open.run_late": 0,
        "alerts.undelivered": 1,
        "watch.ran": 1,
    }
