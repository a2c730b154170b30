from datetime import UTC, datetime, timedelta

import pytest

from ml.core.errors import StorageError
from ml.policy.schema import load_policy
from ml.review.decide import ReviewerDecision, decide_task
from tests.support.nightly_run import run_nightly
from tests.support.photos import BRIGHT, DARK, photo
from tests.support.servers import Shop

pytestmark = pytest.mark.integration

AT = datetime(2026, 11, 1, 9, tzinfo=UTC)


def _decided(shop: Shop, task_id: object, label: str, at: datetime = AT, who: str = "ann") -> None:
    decision = ReviewerDecision(int(str(task_id)), label, who, decided_at=at)
    with shop.connections.engine.begin() as connection:
        decide_task(
            connection,
            decision,
            policy=load_policy(shop.settings.policy_file),
            commerce=shop.connections.commerce,
            names=shop.settings.commerce,
        )


def _only_task(shop: Shop) -> object:
    return shop.rows("select task_id from moderation.review_task")[0][0]


@pytest.mark.parametrize(("label", "status"), [("violate", "block"), ("normal", "pass")])
def test_decision_writes_label_task_and_status(shop: Shop, label: str, status: str) -> None:
    key = shop.upload("a.jpg", photo(DARK))
    run_nightly(shop)
    assert shop.status(key) == "review"
    _decided(shop, _only_task(shop), label)
    assert shop.status(key) == status
    assert shop.rows("select state from moderation.review_task") == [("decided",)]
    labels = shop.rows("select label, reviewer, route, decided_at from moderation.human_label")
    assert labels == [(label, "ann", "violation", AT)]


def test_repeated_decision_is_written_once(shop: Shop) -> None:
    shop.upload("a.jpg", photo(DARK))
    run_nightly(shop)
    for _ in range(2):
        _decided(shop, _only_task(shop), "violate")
    assert shop.rows("select count(*) from moderation.human_label") == [(1,)]


def test_later_decision_of_another_reviewer_sets_the_status(shop: Shop) -> None:
    key = shop.upload("a.jpg", photo(DARK))
    run_nightly(shop)
    _decided(shop, _only_task(shop), "violate")
    _decided(shop, _only_task(shop), "normal", AT + timedelta(hours=1), "bob")
    assert shop.rows("select label from moderation.human_label order by 1") == [
        ("normal",),
        ("violate",),
    ]
    assert shop.status(key) == "pass"


def test_next_nightly_run_keeps_a_decision(shop: Shop) -> None:
    key = shop.upload("a.jpg", photo(DARK))
    run_nightly(shop)
    _decided(shop, _only_task(shop), "normal", datetime.now(UTC))
    run_nightly(shop, "again")
    assert shop.status(key) == "pass"


def test_rejected_decision_changes_nothing(shop: Shop) -> None:
    shop.upload("a.jpg", photo(DARK))
    shop.upload("b.jpg", photo(BRIGHT))
    run_nightly(shop)
    with pytest.raises(StorageError, match="no review task"):
        _decided(shop, 999, "normal")
    with pytest.raises(StorageError, match="no class"):
        _decided(shop, _only_task(shop), "spam")
    assert shop.rows("select count(*) from moderation.human_label") == [(0,)]
