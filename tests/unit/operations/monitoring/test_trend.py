from datetime import UTC, datetime

import pytest

from ml.operations.monitoring.trend import RunTotals, outside, review_rate, total_saved

AT = datetime(2026, 11, 23, tzinfo=UTC)


def nightly_run(listed: int, *, machine: float, review: float, saved: float) -> RunTotals:
    yuan = {"machine": machine, "review": review, "saved": saved}
    return RunTotals("night", AT, "reconciled", listed, {"listed": listed, "yuan": yuan})


def test_review_rate_is_a_share_of_verdicts() -> None:
    assert review_rate({"pass": 60, "review": 30, "block": 10}) == pytest.approx(0.3)
    assert review_rate({"pass": 0, "review": 0, "block": 0}) is None
    assert review_rate(None) is None


@pytest.mark.parametrize(
    ("rate", "warns"), [(0.1, False), (0.5, False), (0.0999, True), (0.5001, True), (None, False)]
)
def test_ends_of_the_band_are_inside(rate: float | None, warns: bool) -> None:
    assert outside(rate, (0.1, 0.5)) is warns


def test_cost_per_photo_includes_machine_and_reviewers() -> None:
    assert nightly_run(100, machine=1.0, review=4.0, saved=15.0).yuan_per_photo == pytest.approx(
        0.05
    )
    assert nightly_run(0, machine=1.0, review=0.0, saved=-1.0).yuan_per_photo is None
    assert RunTotals("n", AT, "running", 5, None).yuan_per_photo is None


def test_savings_are_summed_over_runs_with_a_report() -> None:
    runs = [
        nightly_run(100, machine=1.0, review=4.0, saved=15.0),
        RunTotals("running", AT, "running", 5, None),
        nightly_run(10, machine=1.0, review=4.0, saved=-3.0),
    ]
    assert total_saved(runs) == pytest.approx(12.0)


def test_review_tasks_are_reviews_and_drawn_photos() -> None:
    report = {"verdicts": {"pass": 9, "review": 5, "block": 1}}
    older = RunTotals("older", AT, "reconciled", 15, report)
    drawn = {"spot_check": {"passed": 2, "blocked": 1}}
    assert older.review_tasks == 5  # a report of a version without spot checks
    assert RunTotals("n", AT, "reconciled", 15, report | drawn).review_tasks == 8
    learning = report | drawn | {"active_learning": 4}
    assert RunTotals("n", AT, "reconciled", 15, learning).review_tasks == 12
    assert RunTotals("n", AT, "running", 15, None).review_tasks is None
