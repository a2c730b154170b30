from pathlib import Path

import numpy as np
import torch
from structlog.testing import capture_logs

from ml.models.checkpoint import Checkpoint, load_checkpoint
from ml.models.features import FEATURES, FeatureReader
from ml.models.predictor import Predictor
from ml.vision.images.decode import DecodeLimits
from tests.support.photos import BRIGHT, DARK, photo


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


def test_feature_reader_features_times_the_head_are_the_logits(
    champion_folder: Path, tmp_path: Path
) -> None:
    checkpoint = load_checkpoint(champion_folder)
    photos = [photo(level, seed=seed) for seed in range(5) for level in (BRIGHT, DARK)]
    read = reader(checkpoint)
    features, readable = read.read(write_photos(tmp_path, photos))
    assert features.shape == (10, FEATURES)
    assert readable == [True] * 10
    head, bias = (checkpoint.state[f"fc.{name}"].numpy() for name in ("weight", "bias"))
    predictor = Predictor(checkpoint, device=torch.device("cpu"), batch_size=4, dtype=torch.float32)
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
    assert features.shape == (0, FEATURES)
    assert readable == []
