"""Promotion and rejection: only with every gate passed against the present champion."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from ml.core.errors import ModelError, PolicyError, PromotionConflict, RunNotStarted
from ml.learning.retrain.promote import promote_candidate, reject_candidate, rollback
from ml.models import registry
from ml.storage import retrain_runs
from ml.storage.database import in_transaction
from ml.storage.model_versions import list_promotions
from tests.support.servers import Shop
from tests.support.versions import (
    add_altered_version,
    add_version,
    add_version_row,
    set_gate_decision,
    start_retraining_run,
)

pytestmark = pytest.mark.integration


def _promote(shop: Shop, run_id: str = "month") -> str:
    return promote_candidate(
        run_id, by="ann", reason="every gate passed",
        settings=shop.settings, connections=shop.connections,
    )  # fmt: skip


def _reject(shop: Shop, run_id: str = "month") -> None:
    reject_candidate(run_id, by="bob", reason="not now", connections=shop.connections)


def _champion(shop: Shop) -> str:
    return in_transaction(shop.connections.engine, registry.champion_hash)


def _switches(shop: Shop) -> list[tuple[str, str, str]]:
    rows = in_transaction(shop.connections.engine, list_promotions)
    return [(row.model_hash, row.promoted_by, row.reason) for row in rows]


def _end(shop: Shop, run_id: str = "month") -> tuple[str, str]:
    run = in_transaction(shop.connections.engine, lambda c: retrain_runs.load(c, run_id))
    return run.state, run.reason


@pytest.fixture
def candidate(shop: Shop, tmp_path: Path) -> str:
    """The candidate of the run `month`, which passed every gate."""
    version = add_version(shop, tmp_path / "candidate")
    start_retraining_run(shop, "month", version)
    set_gate_decision(shop, version)
    return version


def test_candidate_that_passed_every_gate_is_promoted(shop: Shop, candidate: str) -> None:
    assert _promote(shop) == candidate == _champion(shop)
    assert _end(shop) == ("promoted", "every gate passed")
    assert _switches(shop)[1:] == [(candidate, "ann", "every gate passed")]


@pytest.mark.parametrize("kind", ["nan", "constant", "missing"])
def test_candidate_without_usable_scores_is_not_promoted(
    shop: Shop, champion_folder: Path, tmp_path: Path, kind: str
) -> None:
    version = add_altered_version(shop, champion_folder, tmp_path, spoil=kind)
    start_retraining_run(shop, "month", version)
    set_gate_decision(shop, version)
    with pytest.raises(ModelError, match=r"not finite|same scores|do not fit"):
        _promote(shop)
    assert (_champion(shop), _end(shop)[0]) == (shop.model_hash, "running")


def test_promotion_is_idempotent_even_after_a_rollback(shop: Shop, candidate: str) -> None:
    _promote(shop)
    _promote(shop)
    assert len(_switches(shop)) == 2
    parts = {"settings": shop.settings, "connections": shop.connections}
    rollback("previous", by="ann", reason="worse after all", **parts)
    assert _promote(shop) == candidate
    assert _champion(shop) == shop.model_hash


def test_a_held_candidate_is_refused_with_the_gates_that_held_it(
    shop: Shop, candidate: str
) -> None:
    set_gate_decision(shop, candidate, held_by="recall_floor:violate")
    with pytest.raises(ModelError, match=r"recall_floor:violate \(too low\)$"):
        _promote(shop)
    assert _champion(shop) == shop.model_hash
    assert _end(shop)[0] == "running"


def _ungated(shop: Shop, candidate: str) -> None:
    shop.execute(
        "update moderation.model_version set gate_decision = null where model_hash = :h",
        h=candidate,
    )


def _gated_beside_another(shop: Shop, candidate: str) -> None:
    set_gate_decision(shop, candidate, compared_with=add_version_row(shop, "e"))


def _rejected(shop: Shop, candidate: str) -> None:
    assert candidate
    _reject(shop)


def _without_candidate(shop: Shop, candidate: str) -> None:
    assert candidate
    shop.execute("update moderation.retrain_run set candidate_hash = null")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_ungated, "has not been gated"),
        (_gated_beside_another, "clear its `evaluate`"),
        (_rejected, "rejected, not now"),
        (_without_candidate, "`calibrate` did not finish"),
    ],
)
def test_rejected_promotion_changes_nothing(
    spoil: Callable[[Shop, str], None],
    said: str,
    shop: Shop,
    candidate: str,
) -> None:
    spoil(shop, candidate)
    before = _end(shop)
    with pytest.raises(ModelError, match=said):
        _promote(shop)
    assert _champion(shop) == shop.model_hash
    assert _end(shop) == before


def test_changed_champion_stops_the_promotion(shop: Shop, candidate: str) -> None:
    other = add_version_row(shop, "e")
    registry.promote(other, engine=shop.connections.engine, by="bob", reason="in a hurry")
    with pytest.raises(PromotionConflict, match=other[:12]):
        _promote(shop)
    assert _champion(shop) == other != candidate
    assert _end(shop)[0] == "running"


def test_candidate_with_classes_other_than_the_policys_is_rejected(
    shop: Shop, champion_folder: Path, tmp_path: Path
) -> None:
    other = add_altered_version(shop, champion_folder, tmp_path / "c", classes=("normal", "weapon"))
    start_retraining_run(shop, "month", other)
    set_gate_decision(shop, other)
    with pytest.raises(PolicyError, match="weapon"):
        _promote(shop)
    assert _champion(shop) == shop.model_hash


def test_rejected_candidate_stays_registered_without_promotion(shop: Shop, candidate: str) -> None:
    _reject(shop)
    _reject(shop)
    assert _end(shop) == ("rejected", "not now")
    assert _champion(shop) == shop.model_hash != candidate


def test_promoted_run_cannot_be_rejected(shop: Shop, candidate: str) -> None:
    _promote(shop)
    with pytest.raises(ModelError, match="roll back"):
        _reject(shop)
    assert _end(shop)[0] == "promoted"
    assert _champion(shop) == candidate


def test_unknown_run_is_rejected(shop: Shop) -> None:
    with pytest.raises(RunNotStarted):
        _promote(shop, "never")
    with pytest.raises(RunNotStarted):
        _reject(shop, "never")


def test_concurrent_promotion_and_rejection_have_one_winner(shop: Shop, candidate: str) -> None:
    for number in range(10):
        run_id = f"race-{number}"
        shop.execute("delete from moderation.champion")
        registry.promote(shop.model_hash, engine=shop.connections.engine, by="test", reason="again")
        start_retraining_run(shop, run_id, candidate)
        barrier = threading.Barrier(2)

        def end(way: Callable[[Shop, str], object], name: str = run_id) -> None:
            barrier.wait()  # noqa: B023 - used up within this round
            with suppress(ModelError):
                way(shop, name)

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(end, [_promote, _reject]))
        promoted = _champion(shop) == candidate
        assert _end(shop, run_id)[0] == ("promoted" if promoted else "rejected")


def _acts(shop: Shop) -> list[tuple[object, ...]]:
    return shop.rows(
        "select actor, action, target, detail from moderation.activity order by activity_id"
    )


def test_promotion_is_logged_with_the_approver(shop: Shop, candidate: str) -> None:
    before = len(_acts(shop))
    for _ in range(2):
        _promote(shop)
    said = {"previous": shop.model_hash, "reason": "every gate passed"}
    assert _acts(shop)[before:] == [("ann", "promote", f"model_version:{candidate}", said)]


def test_rejection_is_logged_with_its_actor(shop: Shop, candidate: str) -> None:
    before = len(_acts(shop))
    for _ in range(2):
        _reject(shop)
    said = {"run_id": "month", "reason": "not now"}
    assert _acts(shop)[before:] == [("bob", "reject", f"model_version:{candidate}", said)]
