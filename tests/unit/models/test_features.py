from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from structlog.testing import capture_logs

from ml.core.computation import REFERENCE
from ml.core.types import ArchitectureName
from ml.models.checkpoint import Checkpoint, build_network, load_checkpoint
from ml.models.features import FeatureCache, FeatureReader, Floats, Ints, trunk_hash
from ml.models.predictor import Predictor
from ml.vision.images.open_photo import DecodeLimits
from tests.support.champion import make_champion
from tests.support.photos import BRIGHT, DARK, photo
from tests.unit.models.training.pictures import SPEC


def reader(checkpoint: Checkpoint, batch_size: int = 4) -> FeatureReader:
    return FeatureReader(
        checkpoint,
        device=torch.device("cpu"),
        batch_size=batch_size,
        limits=DecodeLimits(),
        decode_threads=2,
    )


def write_photos(folder: Path, photos: list[bytes]) -> list[Path]:
    paths = [folder / str(n) for n in range(len(photos))]
    for path, data in zip(paths, photos, strict=True):
        path.write_bytes(data)
    return paths


@pytest.mark.parametrize("architecture", get_args(ArchitectureName))
def test_feature_reader_features_times_the_head_are_the_logits(
    architecture: ArchitectureName, tmp_path: Path
) -> None:
    make_champion(tmp_path / "version", architecture=architecture)
    checkpoint = load_checkpoint(tmp_path / "version")
    photos = [photo(level, seed=seed) for seed in range(5) for level in (BRIGHT, DARK)]
    read = reader(checkpoint)
    features, readable = read.read(write_photos(tmp_path, photos))
    assert readable == [True] * 10
    names = checkpoint.build_network().head_parameters
    head, bias = (checkpoint.state[name].numpy() for name in names)
    assert features.shape == (10, head.shape[1])
    predictor = Predictor(
        checkpoint, device=torch.device("cpu"), batch_size=4, computation=REFERENCE
    )
    pixels = [p for n in range(10) if (p := read._prepare(tmp_path / str(n))) is not None]
    assert np.allclose(features @ head.T + bias, predictor.logits(pixels), atol=1e-2)


def test_feature_reader_logs_and_skips_undecodable_photos(
    champion_folder: Path, tmp_path: Path
) -> None:
    paths = write_photos(tmp_path, [photo(seed=0), b"no photo", photo(seed=1)])
    with capture_logs() as logs:
        features, readable = reader(load_checkpoint(champion_folder)).read(paths)
    assert len(features) == 2
    assert readable == [True, False, True]
    assert [(line["photo"], line["log_level"]) for line in logs] == [("1", "warning")]


def test_feature_reader_returns_no_features_for_no_paths(champion_folder: Path) -> None:
    features, readable = reader(load_checkpoint(champion_folder)).read([])
    assert features.shape == (0, 512)
    assert readable == []


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


def test_feature_cache_of_one_architecture_is_empty_for_another(file: Path) -> None:
    torch.manual_seed(0)
    resnet18, lite0 = (trunk_hash(build_network(2, a), SPEC) for a in get_args(ArchitectureName))
    FeatureCache(file).get_or_compute(resnet18, ["a"], _FakeExtractor())
    extractor = _FakeExtractor()
    FeatureCache(file).get_or_compute(lite0, ["a"], extractor)
    assert extractor.requested == [0]


@pytest.mark.parametrize("architecture", get_args(ArchitectureName))
def test_trunk_hash_depends_on_weights_and_preprocessing_but_not_on_the_head(
    architecture: ArchitectureName,
) -> None:
    torch.manual_seed(0)
    network = build_network(2, architecture)
    before = trunk_hash(network, SPEC)
    with torch.no_grad():
        network.head.weight += 1
    assert trunk_hash(network, SPEC) == before
    for changed in ({"resize": 41}, {"fit": "squash"}):
        assert trunk_hash(network, SPEC.model_copy(update=changed)) != before
    with torch.no_grad():
        next(network.buffers()).add_(1)  # a running mean
    assert trunk_hash(network, SPEC) != before
