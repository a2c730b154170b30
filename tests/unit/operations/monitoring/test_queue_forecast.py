from datetime import UTC, datetime

import pytest

from ml.operations.monitoring.queue_forecast import Forecast, Throughput, forecast, inflow
from ml.operations.monitoring.trend import RunTotals

AT = datetime(2026, 11, 23, tzinfo=UTC)
PACE = Throughput(decisions=240, reviewers=2, hours=6, last_at=AT)


def nightly_run(review: int | None) -> RunTotals:
    report = None
    if review is not None:
        report = {"verdicts": {"pass": 900, "review": review, "block": 0}}
    return RunTotals("night", AT, "reconciled", 1000, report)


def test_queue_shrinks_if_reviewers_are_faster_than_inflow() -> None:
    # 240 in 6 hours are 40 per hour; 240 per day less 140 per run leave 100 per day.
    found = forecast(1000, PACE, 140)
    assert found == Forecast("shrinks", hours_to_empty=25.0, net_per_day=100.0, days_to_empty=10.0)


def test_queue_grows_or_holds_if_inflow_is_not_slower() -> None:
    assert forecast(1000, PACE, 300) == Forecast("grows", 25.0, -60.0, None)
    assert forecast(1000, PACE, 240) == Forecast("holds", 25.0, 0.0, None)


@pytest.mark.parametrize(
    ("waiting", "pace", "added", "outlook"),
    [
        (None, PACE, 10.0, "unknown"),
        (0, None, None, "empty"),
        (5, None, 10.0, "idle"),
        (5, PACE, None, "unknown"),
    ],
)
def test_unknown_input_gives_no_number(
    waiting: int | None, pace: Throughput | None, added: float | None, outlook: str
) -> None:
    found = forecast(waiting, pace, added)
    assert found.outlook == outlook
    assert found.days_to_empty is None
    assert found.net_per_day is None


def test_inflow_is_the_mean_of_the_last_seven_reports() -> None:
    runs = [
        nightly_run(9000),
        *(nightly_run(n) for n in (10, 20, 30, 40, 50, 60)),
        nightly_run(None),
        nightly_run(70),
    ]
    assert inflow(runs) == 40
    assert inflow([nightly_run(None)]) is None
