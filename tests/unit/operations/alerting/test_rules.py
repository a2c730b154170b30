from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from ml.core.types import Alert, AlertKind
from ml.operations.alerting.rules import RunSchedule, apply_rules
from ml.operations.alerting.signals import Signals
from ml.operations.monitoring.leak_rate import MonthlyLeakRate
from ml.policy.operations import Alerts
from ml.policy.schema import Policy
from ml.storage.read.run_summary import RunQuarantine
from tests.support.policies import policy

SHANGHAI = ZoneInfo("Asia/Shanghai")
SCHEDULE = RunSchedule("0 2 * * *", "Asia/Shanghai")
NORMAL = Signals(
    now=datetime(2026, 11, 23, 12, tzinfo=SHANGHAI),
    done_until=datetime(2026, 11, 23, 2, tzinfo=SHANGHAI),
    verdicts=(("night", {"pass": 900, "review": 100, "block": 0}),),
    leak=MonthlyLeakRate("2026-11", 500, 5, 0.01, 0.003, 0.023),
    waiting=40,
    oldest=timedelta(hours=10),
    promotion=("m", datetime(2026, 11, 1, tzinfo=UTC)),
)


def _policy(**changed: object) -> Policy:
    section = Alerts.model_validate(changed)
    return policy(violate=None).model_copy(update={"alerts": section})


def _raise(signals: Signals, **changed: object) -> list[Alert]:
    return apply_rules(signals, _policy(**changed), SCHEDULE)


def test_normal_signals_raise_no_alert() -> None:
    assert _raise(NORMAL) == []


@pytest.mark.parametrize(
    ("now", "late"),
    [
        (datetime(2026, 11, 24, 5, 59, tzinfo=SHANGHAI), False),
        (datetime(2026, 11, 24, 6, 0, tzinfo=SHANGHAI), True),
        (datetime(2026, 11, 23, 22, 0, tzinfo=UTC), True),  # the same moment
    ],
)
def test_run_is_late_from_the_deadline_in_the_time_zone_of_the_schedule(
    now: datetime, late: bool
) -> None:
    found = _raise(replace(NORMAL, now=now))
    assert [a.kind for a in found] == [AlertKind.RUN_LATE] * late


def test_alert_of_late_run_keeps_its_key_while_further_runs_are_missed() -> None:
    names = {
        _raise(replace(NORMAL, now=NORMAL.now + timedelta(days=days)))[0].key for days in (1, 2, 5)
    }
    assert names == {"run_late:2026-11-24T02:00:00+08:00"}


def test_deadline_is_the_next_day_if_the_window_ends_after_that_time() -> None:
    runs = RunSchedule("0 22 * * *", "Asia/Shanghai")
    ended = datetime(2026, 11, 22, 22, tzinfo=SHANGHAI)
    signals = replace(NORMAL, done_until=ended - timedelta(days=1))
    before = replace(signals, now=datetime(2026, 11, 23, 5, 59, tzinfo=SHANGHAI))
    after = replace(signals, now=datetime(2026, 11, 23, 6, 0, tzinfo=SHANGHAI))
    assert apply_rules(before, _policy(), runs) == []
    assert [a.dedup_key for a in apply_rules(after, _policy(), runs)] == [ended.isoformat()]


def test_deadline_is_the_same_hour_after_a_clock_change() -> None:
    runs = RunSchedule("0 2 * * *", "Europe/Berlin")
    berlin = ZoneInfo("Europe/Berlin")
    signals = replace(NORMAL, done_until=datetime(2026, 10, 24, 2, tzinfo=berlin))
    # Clocks went back at 03:00 on the 25th: 05:59 there is 04:59 UTC.
    early = replace(signals, now=datetime(2026, 10, 25, 4, 59, tzinfo=UTC))
    assert apply_rules(early, _policy(), runs) == []
    assert apply_rules(
        replace(signals, now=datetime(2026, 10, 25, 5, 0, tzinfo=UTC)), _policy(), runs
    )


def test_deployment_without_runs_has_one_alert() -> None:
    keys = {
        _raise(replace(NORMAL, done_until=None, now=NORMAL.now + timedelta(days=days)))[0].key
        for days in (0, 1, 7)
    }
    assert keys == {"run_late:no run yet"}


def test_each_unbalanced_run_raises_an_alert() -> None:
    found = _raise(replace(NORMAL, unbalanced_runs=("a", "b")))
    assert [a.key for a in found] == ["identity_broken:a", "identity_broken:b"]


@pytest.mark.parametrize(
    ("review", "fact"), [(499, None), (500, None), (501, "high"), (1000, "high")]
)
def test_review_rate_outside_of_its_band_raises_an_alert(review: int, fact: str | None) -> None:
    verdicts = {"pass": 1000 - review, "review": review, "block": 0}
    found = _raise(replace(NORMAL, verdicts=(("night", verdicts),)))
    assert [a.dedup_key for a in found] == ([fact] if fact else [])


def test_run_with_few_photos_is_ignored_in_favor_of_the_previous_one() -> None:
    few = ("few", {"pass": 0, "review": 3, "block": 0})
    high = ("high", {"pass": 100, "review": 900, "block": 0})
    assert _raise(replace(NORMAL, verdicts=(few,))) == []
    assert [a.details["run_id"] for a in _raise(replace(NORMAL, verdicts=(few, high)))] == ["high"]


@pytest.mark.parametrize(("low", "broken"), [(0.029, False), (0.03, False), (0.031, True)])
def test_leak_bound_alert_needs_the_whole_interval_above_the_bound(
    low: float, broken: bool
) -> None:
    leak = MonthlyLeakRate("2026-11", 400, 20, 0.05, low, 0.08)
    found = _raise(replace(NORMAL, leak=leak))
    assert [a.key for a in found] == ["leak_bound:2026-11"] * broken


@pytest.mark.parametrize(
    ("quarantined", "listed", "high"),
    [(100, 1000, False), (101, 1000, True), (30, 30, True), (9, 9, False), (0, 0, False)],
)
def test_share_of_quarantined_photos_over_the_limit_raises_an_alert(
    quarantined: int, listed: int, high: bool
) -> None:
    signals = replace(NORMAL, quarantine=RunQuarantine("night", listed, quarantined))
    found = _raise(signals)
    assert [a.key for a in found] == ["quarantine_share:night"] * high
    assert _raise(signals, max_quarantine_share=1) == []


@pytest.mark.parametrize(("hours", "old"), [(24, False), (24.1, True)])
def test_queue_older_than_the_limit_raises_an_alert(hours: float, old: bool) -> None:
    found = _raise(replace(NORMAL, oldest=timedelta(hours=hours)))
    assert [a.key for a in found] == ["queue_age:queue"] * old


@pytest.mark.parametrize(
    ("at", "old"),
    [
        (datetime(2026, 8, 23, 12, 0, tzinfo=SHANGHAI), True),
        (datetime(2026, 8, 23, 12, 1, tzinfo=SHANGHAI), False),
    ],
)
def test_no_promotion_for_calendar_months_raises_an_alert(at: datetime, old: bool) -> None:
    found = _raise(replace(NORMAL, promotion=("old", at)))
    assert [a.key for a in found] == ["promotion_age:old"] * old


def test_month_before_the_last_day_of_a_long_month_is_the_last_of_a_short_one() -> None:
    now = datetime(2026, 5, 31, 12, tzinfo=SHANGHAI)
    last = datetime(2026, 2, 28, 12, tzinfo=SHANGHAI)
    done = datetime(2026, 5, 31, 2, tzinfo=SHANGHAI)
    signals = replace(NORMAL, now=now, done_until=done, promotion=("m", last))
    assert [a.kind for a in _raise(signals)] == [AlertKind.PROMOTION_AGE]


def test_muted_kind_is_not_raised() -> None:
    signals = replace(NORMAL, unbalanced_runs=("a",), oldest=timedelta(days=9))
    assert [a.kind for a in _raise(signals, muted=["queue_age"])] == [AlertKind.IDENTITY_BROKEN]


def test_deadline_follows_the_policy() -> None:
    signals = replace(NORMAL, now=datetime(2026, 11, 24, 6, 30, tzinfo=SHANGHAI))
    assert _raise(signals, nightly_run_deadline=time(7)) == []
