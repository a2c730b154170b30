from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ml.operations.retention import steps
from ml.operations.retention.purge import Plan, Purged
from ml.policy.operations import Retention

END = datetime(2026, 11, 22, tzinfo=UTC)
AFTER = END + timedelta(hours=5)


def _planned(*, dry_run: bool) -> dict[str, Any]:
    plan = Plan(run_id="run", cutoff=END, dry_run=dry_run, retention=Retention())
    return plan.model_dump(mode="json")


@pytest.mark.parametrize(
    ("requested", "manual", "dry_run"),
    [(None, True, True), (None, False, False), (False, True, False), (True, False, True)],
)
def test_manual_run_only_counts_unless_requested_otherwise(
    requested: bool | None, manual: bool, dry_run: bool
) -> None:
    planned = steps.plan("run", interval_end=END, run_after=AFTER, dry_run=requested, manual=manual)
    assert planned["dry_run"] is dry_run


@pytest.mark.parametrize(("interval_end", "cutoff"), [(END, END), (None, AFTER)])
def test_cutoff_is_end_of_interval_or_start_of_run(
    interval_end: datetime | None, cutoff: datetime
) -> None:
    planned = steps.plan(
        "run", interval_end=interval_end, run_after=AFTER, dry_run=None, manual=False
    )
    plan = Plan.model_validate(planned)
    assert plan.cutoff == cutoff
    assert plan.model_dump(mode="json") == planned


def test_note_has_a_line_in_both_languages_for_each_kind() -> None:
    results = [Purged("verdicts", 400, 12_345, 5 * 2**20), Purged("archived_photos", None)]
    note = steps.note(_planned(dry_run=False), [asdict(purged) for purged in results])
    assert note.startswith("**Deleted · 已删除** (until 截至 2026-11-22T00:00:00+00:00)")
    assert "| verdicts 判定 | 400 | 12,345 | 5.0 MiB |" in note
    assert "| archived photos 存档图片 | forever 永久保留 | | |" in note


def test_note_of_dry_run_states_that_nothing_was_deleted() -> None:
    note = steps.note(_planned(dry_run=True), [])
    assert note.startswith("**Dry run, nothing deleted · 试运行，未删除**")
