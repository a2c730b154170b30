from datetime import UTC, datetime

import pytest

from ml.operations.leak import Audited, audited_by_month, leaked_photos
from ml.storage.database import in_transaction
from tests.integration.operations.rows import Rows

pytestmark = pytest.mark.integration

SINCE = datetime(2026, 1, 1, tzinfo=UTC)
NOVEMBER = datetime(2026, 11, 10, tzinfo=UTC)


def audited(rows: Rows) -> list[Audited]:
    return in_transaction(
        rows.engine, lambda c: audited_by_month(c, since=SINCE, timezone="Asia/Shanghai")
    )


@pytest.fixture
def passed(rows: Rows) -> list[str]:
    rows.night("n", day=0)
    return rows.photos("n", [0.1] * 5)


def test_labels_are_counted_by_the_month_of_the_shops_zone(rows: Rows, passed: list[str]) -> None:
    rows.audit_label(passed[0], "normal", at=NOVEMBER)
    rows.audit_label(passed[1], "normal", at=NOVEMBER)
    rows.audit_label(passed[2], "violate", at=NOVEMBER)
    # 17:00 UTC on the last of October is November in Shanghai.
    rows.audit_label(passed[3], "violate", at=datetime(2026, 10, 31, 17, tzinfo=UTC), rate=0.5)
    assert sorted(audited(rows), key=str) == sorted(
        [
            Audited("2026-11", "normal", 0.01, 2),
            Audited("2026-11", "violate", 0.01, 1),
            Audited("2026-11", "violate", 0.5, 1),
        ],
        key=str,
    )


def test_only_passes_that_the_audit_drew_count(rows: Rows, passed: list[str]) -> None:
    blocked = rows.photos("n", [0.9], decision="block")
    rows.audit_label(blocked[0], "normal", at=NOVEMBER)
    rows.audit_label(passed[0], "violate", at=NOVEMBER, route="second_review")
    rows.audit_label(passed[1], "violate", at=datetime(2025, 12, 1, tzinfo=UTC))
    assert audited(rows) == []


def test_what_was_taken_back_counts_no_more(rows: Rows, passed: list[str]) -> None:
    label = rows.audit_label(passed[0], "violate", at=NOVEMBER)
    rows.execute(
        "insert into moderation.decision_undo (label_id, undone_by) values (:l, 'ann')", l=label
    )
    assert audited(rows) == []


def test_the_last_decision_on_a_task_stands(rows: Rows, passed: list[str]) -> None:
    label = rows.audit_label(passed[0], "violate", at=NOVEMBER)
    rows.execute(
        "insert into moderation.human_label (content_sha256, label, reviewer, decided_at, route, "
        "sampling_rate, task_id) select content_sha256, 'normal', 'bob', decided_at, route, "
        "sampling_rate, task_id from moderation.human_label where label_id = :l",
        l=label,
    )
    assert audited(rows) == [Audited("2026-11", "normal", 0.01, 1)]


def test_the_photos_that_leaked_are_named_the_latest_first(rows: Rows, passed: list[str]) -> None:
    for day, (key, label) in enumerate(
        [(passed[0], "violate"), (passed[1], "normal"), (passed[2], "violate")], start=1
    ):
        rows.audit_label(key, label, at=datetime(2026, 11, day, tzinfo=UTC))
    found = in_transaction(
        rows.engine, lambda c: leaked_photos(c, since=SINCE, violations={"violate"})
    )
    assert found == [passed[2], passed[0]]
