"""A champion in two seconds: random ResNet18 features, a head fitted to tell bright from dark."""

import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from ml.images.preprocess import Preprocessing, normalise, prepare
from ml.model.card import Calibration, CutOffs, ModelCard, StartWeights
from ml.model.checkpoint import save_card, save_weights
from ml.model.resnet18 import build
from tests.support.photos import BRIGHT, DARK, photo

SPEC = Preprocessing(
    resize=40, crop=32, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25), interpolation="bilinear"
)


def make_champion(folder: Path, *, seed: int = 0, pass_confidence: float = 0.7) -> ModelCard:
    """Write weights and card; bright photos are `normal`, dark ones `violate`."""
    torch.manual_seed(seed)
    network = build(2).eval()
    with torch.inference_mode():
        _fit_head(network)
    card = ModelCard(
        weights_sha256=save_weights(network.state_dict(), folder),
        classes=("normal", "violate"),
        preprocessing=SPEC,
        calibration=Calibration(temperature=1.0, fitted_on=0),
        cut_offs=CutOffs(pass_confidence=pass_confidence, source="test"),
        start_weights=StartWeights(kind="scratch", detail="test"),
        preset="test",
        data_hash="0" * 64,
        training_images=0,
        validation_images=0,
        metrics={"accuracy": 1.0},
        libraries={},
        seed=seed,
    )
    save_card(card, folder)
    return card


def _fit_head(network: nn.Module) -> None:
    """Least squares on the features of 40 photos; logits of about -4 and 4."""
    levels = [BRIGHT] * 20 + [DARK] * 20
    pixels = [
        prepare(Image.open(io.BytesIO(photo(level, seed=i))).convert("RGB"), SPEC)
        for i, level in enumerate(levels)
    ]
    head, network.fc = network.fc, nn.Identity()
    features = network(normalise(torch.from_numpy(np.stack(pixels)), SPEC)).double()
    network.fc = head
    ones = torch.ones(len(levels), 1, dtype=torch.float64)
    wanted = torch.tensor([[4.0, -4.0] if level == BRIGHT else [-4.0, 4.0] for level in levels])
    solved = torch.linalg.lstsq(
        torch.cat([features, ones], 1), wanted.double(), driver="gelsd"
    ).solution
    head.weight.copy_(solved[:-1].T)
    head.bias.copy_(solved[-1])
