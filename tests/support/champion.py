"""A test champion in two seconds: its features know nothing, its head separates by brightness."""

import io
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ml.core.types import ArchitectureName
from ml.models.architectures.classifier import Classifier
from ml.models.card import Calibration, ModelCard, PretrainedWeights, Thresholds
from ml.models.checkpoint import build_network, save_card, save_weights
from ml.vision.images.preprocess import Preprocessing, normalize, prepare
from tests.support.photos import BRIGHT, DARK, photo

SPEC = Preprocessing(
    resize=40, crop=32, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25), interpolation="bilinear"
)


def make_champion(
    folder: Path,
    *,
    seed: int = 0,
    pass_confidence: float = 0.7,
    architecture: ArchitectureName = "resnet18",
    spec: Preprocessing = SPEC,
) -> ModelCard:
    """Write weights and card; bright photos are `normal`, dark ones `violate`."""
    card = ModelCard(
        architecture=architecture,
        weights_sha256=save_weights(_weights(seed, architecture), folder),
        classes=("normal", "violate"),
        preprocessing=spec,
        calibration=Calibration(temperature=1.0, fitted_on=0),
        thresholds=Thresholds(pass_confidence=pass_confidence, source="test"),
        pretrained_weights=PretrainedWeights(kind="scratch", detail="test"),
        preset="test",
        data_hash="0" * 64,
        training_images=0,
        metrics={"accuracy": 1.0},
        libraries={},
        seed=seed,
    )
    save_card(card, folder)
    return card


@cache
def _weights(seed: int, architecture: ArchitectureName) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    network = build_network(2, architecture).eval()
    with torch.inference_mode():
        _fit_head(network)
    return network.state_dict()


def _fit_head(network: Classifier) -> None:
    """Least squares on the features of 40 photos; logits of about -4 and 4."""
    levels = [BRIGHT] * 20 + [DARK] * 20
    pixels = [
        prepare(Image.open(io.BytesIO(photo(level, seed=i))).convert("RGB"), SPEC)
        for i, level in enumerate(levels)
    ]
    head = network.head
    features = network.features(normalize(torch.from_numpy(np.stack(pixels)), SPEC)).double()
    ones = torch.ones(len(levels), 1, dtype=torch.float64)
    wanted = torch.tensor([[4.0, -4.0] if level == BRIGHT else [-4.0, 4.0] for level in levels])
    solved = torch.linalg.lstsq(
        torch.cat([features, ones], 1), wanted.double(), driver="gelsd"
    ).solution
    head.weight.copy_(solved[:-1].T)
    head.bias.copy_(solved[-1])
