import json
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from ml.models import registry
from ml.models.training_manifest import read_training_manifest, write_training_manifest
from tests.support.champion import make_champion
from tests.support.servers import Shop

pytestmark = pytest.mark.integration


def test_read_training_manifest_lists_the_training_photos_of_a_registered_version(
    shop: Shop, tmp_path: Path
) -> None:
    make_champion(tmp_path, seed=3)
    write_training_manifest(tmp_path, ["b" * 64, "a" * 64])
    model_hash = registry.register(
        tmp_path, engine=shop.connections.engine, store=shop.connections.models
    )
    actual = read_training_manifest(shop.connections.models, model_hash)
    assert actual == {"a" * 64, "b" * 64}


def test_validation_photos_of_an_earlier_release_are_no_training_photos(
    shop: Shop, tmp_path: Path
) -> None:
    make_champion(tmp_path, seed=4)
    splits = {"train": ["a" * 64], "validation": ["c" * 64]}
    (tmp_path / "training_photos.json").write_text(json.dumps(splits), encoding="utf-8")
    model_hash = registry.register(
        tmp_path, engine=shop.connections.engine, store=shop.connections.models
    )
    assert read_training_manifest(shop.connections.models, model_hash) == {"a" * 64}


def test_read_training_manifest_warns_about_a_version_without_one(shop: Shop) -> None:
    with capture_logs() as logs:
        assert read_training_manifest(shop.connections.models, shop.model_hash) == frozenset()
    assert [e["log_level"] for e in logs] == ["warning"]


def test_write_training_manifest_is_deterministic(tmp_path: Path) -> None:
    texts = []
    for hashes in (["2", "1"], ["1", "2", "2"]):
        write_training_manifest(tmp_path, hashes)
        texts.append((tmp_path / "training_photos.json").read_bytes())
    assert texts[0] == texts[1]
