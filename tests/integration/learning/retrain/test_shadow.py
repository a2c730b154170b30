"""The candidate as shadow: request, withdrawal, and the verdicts that it would have changed."""

from pathlib import Path

import pytest

from ml.core.errors import ModelError, RunNotStarted
from ml.learning.retrain import shadow
from ml.learning.retrain.promote import reject_candidate
from tests.support.nightly_run import run_nightly, start_run
from tests.support.photos import BRIGHT, DARK, photo
from tests.support.servers import Shop
from tests.support.versions import add_version, add_version_row, start_retraining_run

pytestmark = pytest.mark.integration


def _requested(shop: Shop) -> list[tuple[object, ...]]:
    return shop.rows("select model_hash, requested_at from moderation.shadow")


@pytest.fixture
def candidate(shop: Shop, tmp_path: Path) -> str:
    """The candidate of the run `month`, which sends to review what the champion passes."""
    version = add_version(shop, tmp_path / "candidate")
    start_retraining_run(shop, "month", version)
    return version


def test_shadow_run_shows_changed_verdicts(shop: Shop, candidate: str) -> None:
    for i in range(25):
        shop.upload(f"bright-{i:02}.jpg", photo(BRIGHT, seed=i))
    for i in range(3):
        shop.upload(f"dark-{i}.jpg", photo(DARK, seed=50 + i))
    shop.upload("broken.jpg", b"no photo")
    run_nightly(shop, "before")
    assert shadow.shadow_run("month", connections=shop.connections) is None
    assert shadow.shadow_difference("before", connections=shop.connections) is None
    shop.execute("truncate moderation.verdict")  # as if the photos were new ones

    shadow.request_shadow("month", connections=shop.connections)
    start_run(shop, "night")
    assert shadow.shadow_run("month", connections=shop.connections) is None
    run_nightly(shop, "night")
    assert shadow.shadow_run("month", connections=shop.connections) == "night"
    assert shop.rows("select shadow_hash from moderation.audit_run where run_id = 'night'") == [
        (candidate,)
    ]
    found = shadow.shadow_difference("night", connections=shop.connections)
    prefix = shop.settings.photo_prefix
    assert found == {
        "photos": 28,
        "same": 3,
        "changes": {"pass->review": 25},
        "samples": {"pass->review": [f"{prefix}bright-{i:02}.jpg" for i in range(20)]},
    }


def test_first_shadow_run_stays_the_result(shop: Shop, candidate: str) -> None:
    assert candidate
    shadow.request_shadow("month", connections=shop.connections)
    run_nightly(shop, "empty")
    assert shadow.shadow_run("month", connections=shop.connections) is None  # it showed nothing
    for name in ("a", "b"):
        shop.upload(f"{name}.jpg", photo(BRIGHT, seed=ord(name)))
        run_nightly(shop, name)
        assert shadow.shadow_run("month", connections=shop.connections) == "a"


def test_request_and_withdrawal_of_a_shadow_are_idempotent(shop: Shop, candidate: str) -> None:
    shadow.request_shadow("month", connections=shop.connections)
    once = _requested(shop)
    shadow.request_shadow("month", connections=shop.connections)
    assert _requested(shop) == once
    assert once[0][0] == candidate
    for _ in range(2):
        shadow.withdraw_shadow("month", connections=shop.connections)
        assert _requested(shop) == []


def test_later_shadow_request_is_not_withdrawn_by_the_earlier_run(
    shop: Shop, candidate: str
) -> None:
    assert candidate
    later = add_version_row(shop, "d")
    start_retraining_run(shop, "later", later)
    shadow.request_shadow("month", connections=shop.connections)
    shadow.request_shadow("later", connections=shop.connections)
    shadow.withdraw_shadow("month", connections=shop.connections)
    assert [row[0] for row in _requested(shop)] == [later]


def test_shadow_request_without_a_candidate_raises(shop: Shop) -> None:
    start_retraining_run(shop, "month", None)
    with pytest.raises(ModelError, match="no candidate"):
        shadow.request_shadow("month", connections=shop.connections)
    shadow.withdraw_shadow("month", connections=shop.connections)
    assert shadow.shadow_run("month", connections=shop.connections) is None


def test_shadow_request_of_an_ended_run_raises(shop: Shop) -> None:
    start_retraining_run(shop, "month", add_version_row(shop, "c"))
    reject_candidate("month", by="ann", reason="no", connections=shop.connections)
    with pytest.raises(ModelError, match="rejected"):
        shadow.request_shadow("month", connections=shop.connections)
    with pytest.raises(RunNotStarted):
        shadow.request_shadow("never", connections=shop.connections)
