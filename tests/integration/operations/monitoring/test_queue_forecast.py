from datetime import timedelta

import pytest

from ml.operations.monitoring.queue_forecast import Throughput, throughput
from ml.storage.database import in_transaction
from tests.support.audit_rows import Rows

pytestmark = pytest.mark.integration


def did(rows: Rows, who: str, *, hours_ago: float, what: str = "decide") -> None:
    rows.execute(
        "insert into moderation.activity (actor, action, target, occurred_at) values "
        "(:who, :what, 'x', date_trunc('hour', now()) + interval '1 minute' - :ago)",
        who=who, what=what, ago=timedelta(hours=hours_ago),
    )  # fmt: skip


def seen(rows: Rows) -> Throughput | None:
    return in_transaction(rows.engine, throughput)


def test_throughput_without_decisions_is_unknown(rows: Rows) -> None:
    assert seen(rows) is None
    did(rows, "ann", hours_ago=24 * 8)
    assert seen(rows) is None


def test_throughput_counts_hours_with_decisions(rows: Rows) -> None:
    for _ in range(10):
        did(rows, "ann", hours_ago=2)
    for _ in range(6):
        did(rows, "bob", hours_ago=2)
    for _ in range(4):
        did(rows, "ann", hours_ago=9)
    did(rows, "cat", hours_ago=2, what="skip")
    found = seen(rows)
    assert found is not None
    assert (found.decisions, found.reviewers, found.hours) == (20, 2, 2)
    assert found.per_hour == 10


def test_throughput_after_a_weekend_is_of_the_last_working_day(rows: Rows) -> None:
    did(rows, "ann", hours_ago=60)
    did(rows, "bob", hours_ago=70)
    did(rows, "cat", hours_ago=90)  # more than a day before the last one
    found = seen(rows)
    assert found is not None
    assert (found.decisions, found.reviewers) == (2, 2)
