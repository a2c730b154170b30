from datetime import UTC, datetime

import pytest

from ml.policy.retention import Retention
from ml.retention.note import markdown, size
from ml.retention.plan import Plan
from ml.retention.purging import Purged

AT = datetime(2026, 11, 22, tzinfo=UTC)


def test_each_kind_has_its_line_in_both_languages() -> None:
    results = [Purged("verdicts", 400, 12_345, 5 * 2**20), Purged("kept_photos", None)]
    note = markdown(Plan("run", AT, dry_run=False, retention=Retention()), results)
    assert note.startswith("**Deleted · 已删除** (until 截至 2026-11-22T00:00:00+00:00)")
    assert "| verdicts 判定 | 400 | 12,345 | 5.0 MiB |" in note
    assert "| kept photos 留存照片 | for ever 永久 | | |" in note


def test_a_dry_run_says_that_nothing_was_deleted() -> None:
    note = markdown(Plan("run", AT, dry_run=True, retention=Retention()), [])
    assert note.startswith("**Dry run, nothing deleted · 演练，未删除**")


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (3 * 2**30, "3.0 GiB"),
        (2**51, "2048.0 TiB"),
    ],
)
def test_bytes_are_told_in_powers_of_1024(number: int, text: str) -> None:
    assert size(number) == text
