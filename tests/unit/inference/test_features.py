from pathlib import Path

import numpy as np
import torch
from structlog.testing import capture_logs

from ml.images.decode import DecodeLimits
from ml.inference.features import FEATURES, FeatureReader
from ml.inference.predictor import Predictor
from ml.model.checkpoint import Checkpoint, load_checkpoint
from tests.support.photos import BRIGHT, DARK, photo


def reader(checkpoint: Checkpoint, batch_images: int = 4) -> FeatureReader:
    return FeatureReader(
        checkpoint,
        device=torch.device("cpu"),
        batch_images=batch_images,
        limits=DecodeLimits(),
        decode_threads=2,
    )


def written(folder: Path, photos: list[bytes]) -> list[Path]:
    paths = [folder / str(n) for n in range(len(photos))]
    for path, data in zip(paths, photos, strict=True):
        path.write_bytes(data)
    return paths


def test_the_head_on_the_features_gives_the_logits(champion_folder: Path, tmp_path: Path) -> None:
    checkpoint = load_checkpoint(champion_folder)
    photos = [photo(level, seed=seed) for seed in range(5) for level in (BRIGHT, DARK)]
    read = reader(checkpoint)
    features, readable = read.read(written(tmp_path, photos))
    assert features.shape == (10, FEATURES)
    assert readable == [True] * 10
    head, bias = (checkpoint.state[f"fc.{name}"].numpy() for name in ("weight", "bias"))
    predictor = Predictor(
        checkpoint, device=torch.device("cpu"), batch_images=4, dtype=torch.float32
    )
    pixels = [p for n in range(10) if (p := read._prepare(tmp_path / str(n))) is not None]
    assert np.allclose(features @ head.T + bias, predictor.logits(pixels), atol=1e-2)


def test_what_cannot_be_decoded_is_told_and_left_out(champion_folder: Path, tmp_path: Path) -> None:
    paths = written(tmp_path, [photo(seed=0), b"no photo", photo(seed=1)])
    with capture_logs() as logs:
        features, readable = reader(load_checkpoint(champion_folder)).read(paths)
    assert len(features) == 2
    assert readable == [True, False, True]
    assert [(line["photo"], line["log_level"]) for line in logs] == [("1", "warning")]


def test_nothing_to_read_is_no_features(champion_folder: Path) -> None:
    features, readable = reader(load_checkpoint(champion_folder)).read([])
    assert features.shape == (0, FEATURES)
    assert readable == []
