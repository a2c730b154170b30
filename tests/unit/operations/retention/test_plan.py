from datetime import UTC, datetime, timedelta

import pytest

from ml.operations.retention.plan import from_json, make_plan
from ml.policy.operations import Retention

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


@pytest.mark.parametrize(("interval_end", "cutoff"), [(END, END), (None, AFTER)])
def test_ages_count_from_the_end_of_the_interval(
    interval_end: datetime | None, cutoff: datetime
) -> None:
    plan = make_plan(
        "run", retention=Retention(training_artifact_days=60),
        interval_end=interval_end, run_after=AFTER, dry_run=None, by_hand=False,
    )  # fmt: skip
    assert plan.cutoff == cutoff
    assert plan.expiry_cutoff(60) == cutoff - timedelta(days=60)
    assert from_json(plan.to_json()) == plan
