from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from ml.core.types import Alert, AlertKind
from ml.operations.alerting.rules import LastPromotion, RunSchedule, Signals, alerts
from ml.operations.monitoring.leak_rate import MonthlyLeakRate
from ml.policy.operations import Alerts
from ml.policy.schema import Policy
from tests.support.policies import policy

SHANGHAI = ZoneInfo("Asia/Shanghai")
NIGHTS = RunSchedule("0 2 * * *", "Asia/Shanghai")
WELL = Signals(
    now=datetime(2026, 11, 23, 12, tzinfo=SHANGHAI),
    done_until=datetime(2026, 11, 23, 2, tzinfo=SHANGHAI),
    verdicts=(("night", {"pass": 900, "review": 100, "block": 0}),),
    leak=MonthlyLeakRate("2026-11", 500, 5, 0.01, 0.003, 0.023),
    waiting=40,
    oldest=timedelta(hours=10),
    promotion=LastPromotion("m", datetime(2026, 11, 1, tzinfo=UTC)),
)


def _policy(**changed: object) -> Policy:
    section = Alerts.model_validate(changed)
    return policy(violate=None).model_copy(update={"alerts": section})


def _found(facts: Signals, **changed: object) -> list[Alert]:
    return alerts(facts, _policy(**changed), NIGHTS)


def test_where_all_is_well_there_is_no_alert() -> None:
    assert _found(WELL) == []


@pytest.mark.parametrize(
    ("now", "late"),
    [
        (datetime(2026, 11, 24, 5, 59, tzinfo=SHANGHAI), False),
        (datetime(2026, 11, 24, 6, 0, tzinfo=SHANGHAI), True),
        (datetime(2026, 11, 23, 22, 0, tzinfo=UTC), True),  # the same moment
    ],
)
def test_a_night_is_late_from_the_time_of_day_on_in_the_shops_zone(
    now: datetime, late: bool
) -> None:
    found = _found(replace(WELL, now=now))
    assert [a.kind for a in found] == [AlertKind.RUN_LATE] * late


def test_the_late_night_keeps_its_name_while_further_ones_are_missed() -> None:
    names = {
        _found(replace(WELL, now=WELL.now + timedelta(days=days)))[0].key for days in (1, 2, 5)
    }
    assert names == {"run_late:2026-11-24T02:00:00+08:00"}


def test_a_window_that_ends_after_the_time_of_day_has_until_the_next_day() -> None:
    runs = RunSchedule("0 22 * * *", "Asia/Shanghai")
    ended = datetime(2026, 11, 22, 22, tzinfo=SHANGHAI)
    facts = replace(WELL, done_until=ended - timedelta(days=1))
    before = replace(facts, now=datetime(2026, 11, 23, 5, 59, tzinfo=SHANGHAI))
    after = replace(facts, now=datetime(2026, 11, 23, 6, 0, tzinfo=SHANGHAI))
    assert alerts(before, _policy(), runs) == []
    assert [a.dedup_key for a in alerts(after, _policy(), runs)] == [ended.isoformat()]


def test_a_clock_change_does_not_move_the_hour() -> None:
    runs = RunSchedule("0 2 * * *", "Europe/Berlin")
    berlin = ZoneInfo("Europe/Berlin")
    facts = replace(WELL, done_until=datetime(2026, 10, 24, 2, tzinfo=berlin))
    # Clocks went back at 03:00 on the 25th: 05:59 there is 04:59 UTC.
    early = replace(facts, now=datetime(2026, 10, 25, 4, 59, tzinfo=UTC))
    assert alerts(early, _policy(), runs) == []
    assert alerts(replace(facts, now=datetime(2026, 10, 25, 5, 0, tzinfo=UTC)), _policy(), runs)


def test_a_deployment_without_any_night_has_one_alert_under_one_name() -> None:
    keys = {
        _found(replace(WELL, done_until=None, now=WELL.now + timedelta(days=days)))[0].key
        for days in (0, 1, 7)
    }
    assert keys == {"run_late:no run yet"}


def test_every_run_that_does_not_balance_is_an_alert_of_its_own() -> None:
    found = _found(replace(WELL, broken=("a", "b")))
    assert [a.key for a in found] == ["identity_broken:a", "identity_broken:b"]


@pytest.mark.parametrize(
    ("review", "fact"), [(499, None), (500, None), (501, "high"), (1000, "high")]
)
def test_the_review_rate_is_outside_of_its_band(review: int, fact: str | None) -> None:
    verdicts = {"pass": 1000 - review, "review": review, "block": 0}
    found = _found(replace(WELL, verdicts=(("night", verdicts),)))
    assert [a.dedup_key for a in found] == ([fact] if fact else [])


def test_a_night_of_a_few_photos_says_nothing_and_the_one_before_stands() -> None:
    few = ("few", {"pass": 0, "review": 3, "block": 0})
    high = ("high", {"pass": 100, "review": 900, "block": 0})
    assert _found(replace(WELL, verdicts=(few,))) == []
    assert [a.details["run_id"] for a in _found(replace(WELL, verdicts=(few, high)))] == ["high"]


@pytest.mark.parametrize(("low", "broken"), [(0.029, False), (0.03, False), (0.031, True)])
def test_the_leak_bound_is_broken_when_chance_does_not_explain_it(low: float, broken: bool) -> None:
    leak = MonthlyLeakRate("2026-11", 400, 20, 0.05, low, 0.08)
    found = _found(replace(WELL, leak=leak))
    assert [a.key for a in found] == ["leak_bound:2026-11"] * broken


@pytest.mark.parametrize(("hours", "old"), [(24, False), (24.1, True)])
def test_a_queue_is_too_old(hours: float, old: bool) -> None:
    found = _found(replace(WELL, oldest=timedelta(hours=hours)))
    assert [a.key for a in found] == ["queue_age:queue"] * old


@pytest.mark.parametrize(
    ("at", "old"),
    [
        (datetime(2026, 8, 23, 12, 0, tzinfo=SHANGHAI), True),
        (datetime(2026, 8, 23, 12, 1, tzinfo=SHANGHAI), False),
    ],
)
def test_no_promotion_for_months_by_the_calendar(at: datetime, old: bool) -> None:
    found = _found(replace(WELL, promotion=LastPromotion("old", at)))
    assert [a.key for a in found] == ["promotion_age:old"] * old


def test_months_before_the_last_of_a_long_month_end_in_a_short_one() -> None:
    now = datetime(2026, 5, 31, 12, tzinfo=SHANGHAI)
    last = datetime(2026, 2, 28, 12, tzinfo=SHANGHAI)
    done = datetime(2026, 5, 31, 2, tzinfo=SHANGHAI)
    facts = replace(WELL, now=now, done_until=done, promotion=LastPromotion("m", last))
    assert [a.kind for a in _found(facts)] == [AlertKind.PROMOTION_AGE]


def test_a_silent_kind_is_not_raised() -> None:
    facts = replace(WELL, broken=("a",), oldest=timedelta(days=9))
    assert [a.kind for a in _found(facts, muted=["queue_age"])] == [AlertKind.IDENTITY_BROKEN]


def test_another_hour_of_the_policy_is_followed() -> None:
    facts = replace(WELL, now=datetime(2026, 11, 24, 6, 30, tzinfo=SHANGHAI))
    assert _found(facts, nightly_run_deadline=time(7)) == []
