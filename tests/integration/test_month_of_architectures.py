"""A whole month that trains a candidate of another architecture than the champion's."""

from pathlib import Path

import pytest

from ml.models import registry
from ml.storage.database import in_transaction
from ml.storage.model_versions import load_card
from tests.integration.learning.retrain.month import (
    LEARNS,
    SMALL,
    keep_month,
    label_rightly,
    run_month,
)
from tests.integration.learning.retrain.snapshot_fixtures import write_preset
from tests.integration.test_architectures import use_and_roll_back
from tests.support.labelled_photos import with_retraining
from tests.support.servers import Shop

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(900)]

# The last feature maps of 32 pixels would be single values, too few for batch norm to learn from.
LARGER = {
    **LEARNS,
    "head": "fitted",
    "preprocessing": {**LEARNS["preprocessing"], "resize": 72, "crop": 64},
    "augmentation": {"crop": "random_resized", "sizes": [64], "min_area": 0.5, "flip": True},
}


def _architecture(shop: Shop, version: str) -> str:
    card = in_transaction(shop.connections.engine, lambda c: load_card(c, version))
    assert card is not None
    return str(card["architecture"])


def test_month_trains_and_promotes_a_candidate_of_another_architecture(
    shop: Shop, tmp_path: Path
) -> None:
    settings = with_retraining(shop.settings, tmp_path, **SMALL)
    settings = settings.model_copy(
        update={"architecture": "efficientnet_lite0", "pretrained_weights": "imagenet"}
    )
    label_rightly(shop, keep_month(shop, 70))
    preset = write_preset(tmp_path, **LARGER)
    _, report, decision = run_month(shop, settings, preset)
    assert decision["decision"] == "promote", decision
    candidate = report["candidate"]
    assert report["training"]["architecture"] == _architecture(shop, candidate)
    assert report["training"]["pretrained_weights"]["kind"] == "imagenet"
    use_and_roll_back(shop, "month")
    champion = in_transaction(shop.connections.engine, registry.champion_hash)
    assert _architecture(shop, champion) == "resnet18"
