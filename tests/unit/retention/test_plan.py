from datetime import UTC, datetime, timedelta

import pytest

from ml.policy.retention import Retention
from ml.retention.plan import from_json, make_plan

END = datetime(2026, 11, 22, tzinfo=UTC)
AFTER = END + timedelta(hours=5)


@pytest.mark.parametrize(
    ("asked", "by_hand", "dry"),
    [(None, True, True), (None, False, False), (False, True, False), (True, False, True)],
)
def test_by_hand_only_counts_unless_it_is_told_otherwise(
    asked: bool | None, by_hand: bool, dry: bool
) -> None:
    plan = make_plan(
        "run", retention=Retention(), interval_end=END, run_after=AFTER, dry_run=asked,
        by_hand=by_hand,
    )  # fmt: skip
    assert plan.dry_run is dry


@pytest.mark.parametrize(("interval_end", "cut_off"), [(END, END), (None, AFTER)])
def test_ages_count_from_the_end_of_the_interval(
    interval_end: datetime | None, cut_off: datetime
) -> None:
    plan = make_plan(
        "run", retention=Retention(training_days=60), interval_end=interval_end, run_after=AFTER,
        dry_run=None, by_hand=False,
    )  # fmt: skip
    assert plan.cut_off == cut_off
    assert plan.since(60) == cut_off - timedelta(days=60)
    assert from_json(plan.to_json()) == plan
