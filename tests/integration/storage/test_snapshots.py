from pathlib import Path

import pytest

from ml.storage.database import in_transaction
from ml.storage.snapshots import get_golden, get_manifest, write_snapshot
from tests.support.photos import BRIGHT, DARK, photo
from tests.support.retraining import GoldenSpec, RetrainingRun
from tests.support.servers import Shop

pytestmark = pytest.mark.integration


def test_write_snapshot_writes_golden_photos_once(shop: Shop, tmp_path: Path) -> None:
    photos = [GoldenSpec(photo(BRIGHT), "normal"), GoldenSpec(photo(DARK), "violate")]
    month = RetrainingRun(shop, tmp_path)
    month.begin(photos, candidate=shop.model_hash, champion=None)
    store = shop.connections.models
    manifest = get_manifest(store, str(month.run().snapshot_hash))
    golden = get_golden(store, manifest.golden_hash)
    in_transaction(shop.connections.engine, lambda c: write_snapshot(c, manifest, golden))
    rows = shop.rows("select content_sha256, label from moderation.golden_photo order by label")
    assert rows == [(p.content_sha256, p.label) for p in photos]
