"""Which model version judged a photo: each run with its version and result."""

from pathlib import Path

import pytest

from ml.models import registry
from ml.storage.database import in_transaction
from ml.storage.read.model_listing import VerdictOrigin, verdict_origin
from tests.support.nightly_run import run_nightly
from tests.support.photos import BRIGHT, photo
from tests.support.servers import Shop
from tests.support.versions import add_version

pytestmark = pytest.mark.integration


def _judged(shop: Shop, key: str) -> list[VerdictOrigin]:
    return in_transaction(shop.connections.engine, lambda c: verdict_origin(c, key))


def test_each_run_that_judged_a_photo_is_named_with_its_version(shop: Shop, tmp_path: Path) -> None:
    key = shop.upload("a.jpg", photo(BRIGHT))
    broken = shop.upload("broken.jpg", b"no photo")
    second = add_version(shop, tmp_path / "second")
    run_nightly(shop, "first")
    registry.promote(second, engine=shop.connections.engine, by="ann", reason="better")
    run_nightly(shop, "second")
    found = _judged(shop, key)
    assert [(j.run_id, j.model_hash, j.decision) for j in found] == [
        ("first", shop.model_hash, "pass"),
        ("second", second, "review"),
    ]
    assert [j.window for j in found] == [shop.window] * 2
    assert [j.reasons for j in found] == [("confident_normal",), ("low_confidence",)]
    assert None not in [j.judged_at for j in found]
    assert [(j.outcome, j.decision) for j in _judged(shop, broken)] == [("quarantined", None)] * 2
    assert _judged(shop, "never/seen.jpg") == []
