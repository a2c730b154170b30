from pathlib import Path

import numpy as np
import pytest
import torch

from ml.models.checkpoint import build_network
from ml.models.training.feature_cache import FeatureCache, Floats, Ints, trunk_hash
from tests.unit.models.training.pictures import SPEC


class _FakeExtractor:
    """Returns `[index, index]` as features, and records the requested indices."""

    def __init__(self) -> None:
        self.requested: list[int] = []

    def __call__(self, missing: Ints) -> Floats:
        self.requested += missing.tolist()
        return np.repeat(missing[:, None], 2, axis=1).astype(np.float32)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "new" / "features.safetensors"


def test_feature_cache_computes_each_photo_once(file: Path) -> None:
    extractor = _FakeExtractor()
    first = FeatureCache(file).get_or_compute("w", ["a", "b"], extractor)
    second = FeatureCache(file).get_or_compute("w", ["b", "a"], extractor)
    assert extractor.requested == [0, 1]
    assert first.tolist() == [[0, 0], [1, 1]]
    assert second.tolist() == [[1, 1], [0, 0]]
    assert first.dtype == second.dtype == np.float32


def test_feature_cache_computes_new_photos_and_drops_unrequested_ones(file: Path) -> None:
    FeatureCache(file).get_or_compute("w", ["a", "b"], _FakeExtractor())
    extractor = _FakeExtractor()
    FeatureCache(file).get_or_compute("w", ["b", "c"], extractor)
    assert extractor.requested == [1]
    extractor = _FakeExtractor()
    FeatureCache(file).get_or_compute("w", ["a", "b"], extractor)
    assert extractor.requested == [0]


def test_feature_cache_computes_again_for_other_weights(file: Path) -> None:
    FeatureCache(file).get_or_compute("w", ["a"], _FakeExtractor())
    extractor = _FakeExtractor()
    FeatureCache(file).get_or_compute("v", ["a"], extractor)
    assert extractor.requested == [0]


@pytest.mark.parametrize("cut", [0, 5, -1])
def test_feature_cache_treats_a_damaged_file_as_empty(file: Path, cut: int) -> None:
    FeatureCache(file).get_or_compute("w", ["a"], _FakeExtractor())
    file.write_bytes(file.read_bytes()[:cut])
    extractor = _FakeExtractor()
    assert FeatureCache(file).get_or_compute("w", ["a"], extractor).tolist() == [[0, 0]]
    assert extractor.requested == [0]


def test_feature_cache_leaves_no_temporary_files(file: Path) -> None:
    FeatureCache(file).get_or_compute("w", ["a"], _FakeExtractor())
    assert [p.name for p in file.parent.iterdir()] == [file.name]


def test_trunk_hash_depends_on_weights_and_preprocessing_but_not_on_the_head() -> None:
    torch.manual_seed(0)
    network = build_network(2)
    before = trunk_hash(network, SPEC)
    with torch.no_grad():
        network.fc.weight += 1
    assert trunk_hash(network, SPEC) == before
    assert trunk_hash(network, SPEC.model_copy(update={"resize": 41})) != before
    with torch.no_grad():
        network.bn1.running_mean += 1
    assert trunk_hash(network, SPEC) != before
