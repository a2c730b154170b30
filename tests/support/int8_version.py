"""A version with an int8 variant that has a temperature and a threshold of its own."""

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from ml.core.computation import REFERENCE, Computation
from ml.core.types import ArchitectureName
from ml.models.card import Calibration, Int8Variant, ModelCard, Thresholds
from ml.models.checkpoint import Checkpoint, load_checkpoint, save_card, save_int8
from ml.models.load_check import write_probe
from ml.models.predictor import Predictor
from ml.models.training.quantization import quantize
from ml.vision.images.preprocess import Preprocessing, prepare
from tests.support.champion import SPEC, make_champion
from tests.support.photos import BRIGHT, DARK, MIDDLE, photo

CPU = torch.device("cpu")


def make_int8_version(
    folder: Path,
    *,
    temperature: float,
    pass_confidence: float,
    architecture: ArchitectureName = "resnet18",
    spec: Preprocessing = SPEC,
) -> ModelCard:
    """Write a test champion with an int8 variant, and its probe."""
    make_champion(folder, architecture=architecture, spec=spec)
    checkpoint = load_checkpoint(folder)
    photos = [_prepared(i, spec) for i in range(16)]
    network = quantize(checkpoint.build_network(), spec, photos)
    graph_sha256, weights_sha256 = save_int8(network, folder)
    variant = Int8Variant(
        graph_sha256=graph_sha256,
        weights_sha256=weights_sha256,
        calibration=Calibration(temperature=temperature, fitted_on=0),
        thresholds=Thresholds(pass_confidence=pass_confidence, source="test"),
        calibration_photos=len(photos),
        comparison={},
        libraries={},
    )
    card = checkpoint.card.model_copy(update={"int8": variant})
    checkpoint = Checkpoint(checkpoint.state, card, network)
    logits = [
        Predictor(checkpoint, device=CPU, batch_size=8, computation=computation).logits(photos[:8])
        for computation in (REFERENCE, Computation("openvino", "int8", variant.variant_hash))
    ]
    write_probe(
        folder, torch.from_numpy(np.stack(photos[:8])), torch.from_numpy(logits[0]), logits[1]
    )
    save_card(card, folder)
    return card


def _prepared(seed: int, spec: Preprocessing) -> npt.NDArray[np.uint8]:
    data = photo((BRIGHT, DARK, MIDDLE)[seed % 3], seed=seed)
    return prepare(Image.open(io.BytesIO(data)).convert("RGB"), spec)
