from datetime import UTC, datetime

from ml.operations.retention.plan import Plan
from ml.operations.retention.purge import Purged
from ml.operations.retention.run_note import markdown
from ml.policy.operations import Retention

AT = datetime(2026, 11, 22, tzinfo=UTC)


def test_each_kind_has_its_line_in_both_languages() -> None:
    results = [Purged("verdicts", 400, 12_345, 5 * 2**20), Purged("archived_photos", None)]
    note = markdown(Plan("run", AT, dry_run=False, retention=Retention()), results)
    assert note.startswith("**Deleted · 已删除** (until 截至 2026-11-22T00:00:00+00:00)")
    assert "| verdicts 判定 | 400 | 12,345 | 5.0 MiB |" in note
    assert "| archived photos 存档图片 | forever 永久保留 | | |" in note


def test_a_dry_run_says_that_nothing_was_deleted() -> None:
    note = markdown(Plan("run", AT, dry_run=True, retention=Retention()), [])
    assert note.startswith("**Dry run, nothing deleted · 试运行，未删除**")
