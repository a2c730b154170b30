"""A retraining run from labels to the decision: promoted, or held by named gates."""

from pathlib import Path

import pytest

from ml.learning.retrain.promote import promote_candidate
from ml.models import registry
from ml.storage.database import in_transaction
from tests.integration.learning.retrain.month import (
    LEARNS,
    SMALL,
    Labelled,
    keep_month,
    label_rightly,
    run_month,
)
from tests.integration.learning.retrain.snapshot_fixtures import write_preset
from tests.support.labelled_photos import label_photos, with_retraining
from tests.support.servers import Shop

pytestmark = [pytest.mark.integration, pytest.mark.slow]


def _failed(decision: dict[str, object]) -> set[str]:
    gates = decision["gates"]
    assert isinstance(gates, list)
    return {gate["name"] for gate in gates if not gate["passed"]}


def test_run_with_a_new_kind_of_violation_is_promoted(shop: Shop, tmp_path: Path) -> None:
    settings = with_retraining(shop.settings, tmp_path, **SMALL)
    label_rightly(shop, keep_month(shop, 70))
    manifest, report, decision = run_month(shop, settings, write_preset(tmp_path, **LEARNS))
    golden = report["sets"]["golden"]
    caught = [golden[side]["per_class"]["violate"]["recall"] for side in ("champion", "candidate")]
    assert caught[0] < 0.7 < caught[1]
    assert (decision["decision"], _failed(decision)) == ("promote", set())
    candidate = promote_candidate(
        "month", by="test", reason="gates held", settings=settings, connections=shop.connections
    )
    champion = in_transaction(shop.connections.engine, registry.champion_hash)
    assert champion == candidate == report["candidate"]
    assert manifest.photos_in(manifest.photos[0].part)


def test_run_with_poisoned_labels_is_held_by_named_gates(shop: Shop, tmp_path: Path) -> None:
    settings = with_retraining(shop.settings, tmp_path, **SMALL, label_issues={"action": "keep"})
    photos = keep_month(shop, 70, first=500)
    cut = round(0.4 * len(photos.dark))
    flipped = Labelled(photos.bright, photos.dark[cut:], photos.striped[cut:])
    label_rightly(shop, flipped)
    label_photos(shop, [*photos.dark[:cut], *photos.striped[:cut]], "normal")
    _, _, decision = run_month(shop, settings, write_preset(tmp_path, **LEARNS))
    assert decision["decision"] == "hold"
    assert _failed(decision)
    state = shop.rows("select state, reason from moderation.retrain_run")[0]
    assert state[0] == "held"
    assert all(name in str(state[1]) for name in _failed(decision))
