"""Manual promotion of a version that no retraining run promotes."""

from pathlib import Path

import pytest

from ml.core.errors import ModelError, ObjectNotFound, PolicyError, PromotionConflict
from ml.learning.retrain.promote import promote_manually
from ml.models import registry
from ml.storage.database import in_transaction
from tests.support.servers import Shop
from tests.support.versions import (
    add_altered_version,
    add_version,
    add_version_row,
    set_gate_decision,
)

pytestmark = pytest.mark.integration


def _promote(shop: Shop, model_hash: str, expected: str | None = None) -> None:
    promote_manually(
        model_hash, by="ann", reason="better", expected=expected or shop.model_hash,
        settings=shop.settings, connections=shop.connections,
    )  # fmt: skip


def _champion(shop: Shop) -> str:
    return in_transaction(shop.connections.engine, registry.champion_hash)


def test_version_without_failed_gates_becomes_champion(shop: Shop, tmp_path: Path) -> None:
    second = add_version(shop, tmp_path / "second")
    third = add_version(shop, tmp_path / "third", seed=3)
    set_gate_decision(shop, third)
    _promote(shop, second)
    _promote(shop, second)
    _promote(shop, third, expected=second)
    assert _champion(shop) == third
    assert shop.rows("select count(*) from moderation.promotion") == [(3,)]


def test_held_version_is_rejected_with_the_reason(shop: Shop, tmp_path: Path) -> None:
    second = add_version(shop, tmp_path / "second")
    set_gate_decision(shop, second, held_by="latency")
    with pytest.raises(ModelError, match=r"latency \(too low\)$"):
        _promote(shop, second)
    assert _champion(shop) == shop.model_hash


def test_unusable_version_is_rejected(shop: Shop, champion_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no registered"):
        _promote(shop, "f" * 64)
    with pytest.raises(ObjectNotFound):
        _promote(shop, add_version_row(shop, "e"))
    with pytest.raises(PolicyError, match="weapon"):
        _promote(
            shop, add_altered_version(shop, champion_folder, tmp_path, classes=("normal", "weapon"))
        )
    assert _champion(shop) == shop.model_hash


def test_other_champion_than_expected_stops_the_promotion(shop: Shop, tmp_path: Path) -> None:
    second = add_version(shop, tmp_path / "second")
    with pytest.raises(PromotionConflict):
        _promote(shop, second, expected="e" * 64)
    assert _champion(shop) == shop.model_hash
