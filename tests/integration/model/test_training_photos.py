from pathlib import Path

import pytest
from structlog.testing import capture_logs

from ml.model import registry
from ml.model.training_photos import read_training_photos, write_training_photos
from tests.support.champion import make_champion
from tests.support.servers import Shop

pytestmark = pytest.mark.integration


def test_a_registered_version_tells_what_it_was_trained_on(shop: Shop, tmp_path: Path) -> None:
    make_champion(tmp_path, seed=3)
    write_training_photos(tmp_path, train=["b" * 64, "a" * 64], validation=["c" * 64])
    model_hash = registry.register(
        tmp_path, engine=shop.connections.engine, store=shop.connections.models
    )
    found = read_training_photos(shop.connections.models, model_hash)
    assert found == {"a" * 64, "b" * 64}


def test_an_older_version_has_no_list_and_that_is_said(shop: Shop) -> None:
    with capture_logs() as logs:
        assert read_training_photos(shop.connections.models, shop.model_hash) == frozenset()
    assert [e["log_level"] for e in logs] == ["warning"]


def test_equal_parts_give_equal_bytes(tmp_path: Path) -> None:
    texts = []
    for hashes in (["2", "1"], ["1", "2", "2"]):
        write_training_photos(tmp_path, train=hashes, validation=[])
        texts.append((tmp_path / "training_photos.json").read_bytes())
    assert texts[0] == texts[1]
