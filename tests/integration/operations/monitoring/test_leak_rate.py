from datetime import UTC, datetime, timedelta

import pytest

from ml.operations.monitoring.leak_rate import MonthlyLeakRate, monthly_leak_rates
from ml.storage.database import in_transaction
from ml.storage.leak_estimates import list_leaked_photos
from tests.support.audit_rows import Rows
from tests.support.policies import policy

pytestmark = pytest.mark.integration

SINCE = datetime(2026, 1, 1, tzinfo=UTC)
NOVEMBER = datetime(2026, 11, 10, tzinfo=UTC)


def months(rows: Rows, since: datetime = SINCE) -> list[MonthlyLeakRate]:
    rules = policy(violate=None)
    return in_transaction(
        rows.engine,
        lambda c: monthly_leak_rates(c, policy=rules, timezone="Asia/Shanghai", since=since),
    )


@pytest.fixture
def passed(rows: Rows) -> list[str]:
    rows.nightly_run("n", day=0)
    return rows.photos("n", [0.1] * 5)


def test_month_has_rate_and_exact_interval(rows: Rows, passed: list[str]) -> None:
    for key, label in zip(passed, ["violate", *["normal"] * 4], strict=True):
        rows.audit_label(key, label, at=NOVEMBER)
    (month,) = months(rows)
    assert (month.reviewed, month.leaked, month.rate) == (5, 1, 0.2)
    # Clopper and Pearson's table for 1 of 5.
    assert (month.low, month.high) == pytest.approx((0.005051, 0.716418), abs=1e-6)


def test_months_without_answers_are_left_out(rows: Rows, passed: list[str]) -> None:
    assert months(rows) == []
    rows.audit_label(passed[0], "normal", at=NOVEMBER)
    assert months(rows, since=datetime(2100, 1, 1, tzinfo=UTC)) == []


def test_blocked_photos_are_no_leak(rows: Rows) -> None:
    rows.nightly_run("n", day=0)
    blocked = rows.photos("n", [0.9], decision="block")
    rows.audit_label(blocked[0], "normal", at=NOVEMBER)
    assert months(rows) == []


def test_undone_label_does_not_count(rows: Rows, passed: list[str]) -> None:
    label = rows.audit_label(passed[0], "violate", at=NOVEMBER)
    rows.execute(
        "insert into moderation.decision_undo (label_id, undone_by) values (:l, 'ann')", l=label
    )
    assert months(rows) == []


def test_leaked_photos_are_listed_with_the_latest_first(rows: Rows, passed: list[str]) -> None:
    for day, (key, label) in enumerate(
        [(passed[0], "violate"), (passed[1], "normal"), (passed[2], "violate")], start=1
    ):
        rows.audit_label(key, label, at=datetime(2026, 11, day, tzinfo=UTC))
    found = in_transaction(
        rows.engine, lambda c: list_leaked_photos(c, since=SINCE, violations={"violate"})
    )
    assert found == [passed[2], passed[0]]


def test_corrected_label_counts_in_rate_and_list(rows: Rows, passed: list[str]) -> None:
    rows.audit_label(passed[0], "violate", at=NOVEMBER)
    rows.execute(
        "insert into moderation.human_label (content_sha256, label, reviewer, decided_at, route) "
        "values ('sha-' || :key, 'normal', 'bob', :at, 'second_review')",
        key=passed[0],
        at=NOVEMBER + timedelta(days=1),
    )
    (month,) = months(rows)
    assert (month.reviewed, month.leaked) == (1, 0)
    leaked = in_transaction(
        rows.engine, lambda c: list_leaked_photos(c, since=SINCE, violations={"violate"})
    )
    assert leaked == []
