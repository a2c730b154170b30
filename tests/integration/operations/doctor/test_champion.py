import pytest

from ml.models import registry
from ml.operations.doctor.check import CheckStatus
from tests.integration.operations.doctor.conftest import Examine, failures
from tests.support.servers import Shop

pytestmark = pytest.mark.integration


def test_no_champion(examined: Examine, shop: Shop) -> None:
    shop.execute("delete from moderation.champion")
    found = examined()
    assert failures(found) == ["champion"]
    assert "promote" in found["champion"].remedy
    assert found["champion's classes"].state is CheckStatus.SKIPPED


def test_damaged_weights_are_seen_past_the_cache(examined: Examine, shop: Shop) -> None:
    models, settings = shop.connections.models, shop.settings
    registry.fetch(shop.model_hash, store=models, cache=shop.connections.model_cache)
    key = f"models/{shop.model_hash}/weights.safetensors"
    whole = models.get(key)
    models.put(key, whole[:-1] + bytes([whole[-1] ^ 1]))
    try:
        found = examined(data_dir=settings.data_dir)
    finally:
        models.put(key, whole)
    assert failures(found) == ["champion"]
    assert "damaged" in found["champion"].message
    assert "backup" in found["champion"].remedy


def test_absent_weights(examined: Examine, shop: Shop) -> None:
    key = f"models/{shop.model_hash}/weights.safetensors"
    whole = shop.connections.models.get(key)
    shop.connections.models.delete(key)
    try:
        found = examined()
    finally:
        shop.connections.models.put(key, whole)
    assert failures(found) == ["champion"]
    assert "ObjectNotFound" not in found["champion"].message
    assert "NoSuchKey" in found["champion"].message
