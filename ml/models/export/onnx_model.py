"""A version as one ONNX file: normalization, network, calibrated probabilities; and its check."""

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime  # type: ignore[import-untyped]  # ships no types
import torch
from torch import nn

from ml.core.errors import ModelError
from ml.models.architectures.classifier import Classifier
from ml.models.card import ModelCard
from ml.models.checkpoint import Checkpoint
from ml.models.load_check import TOLERANCE
from ml.vision.images.preprocess import MAX_ASPECT, channel_values

# The newest set that every onnxruntime since 1.12 (2022) and OpenVINO read; the network needs no
# operation of a newer one.
OPSET = 17
INPUT, PROBABILITIES, LOGITS = "pixels", "probabilities", "logits"
_BATCH = "batch"


class _ScoredPhotos(nn.Module):
    """From prepared photos, uint8 (N, 3, crop, crop), to calibrated probabilities and logits."""

    def __init__(self, network: Classifier, card: ModelCard) -> None:
        super().__init__()
        self.network = network
        self._temperature = card.calibration.temperature
        mean, std = channel_values(card.preprocessing, torch.device("cpu"))
        self._mean, self._std = mean, std

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        inputs = (pixels.to(torch.float32) / 255 - self._mean) / self._std
        logits = self.network(inputs)
        return torch.softmax(logits / self._temperature, dim=1), logits


def export_onnx(checkpoint: Checkpoint) -> bytes:
    """The version as an ONNX file of opset `OPSET`.

    Input `pixels`, uint8 (batch, 3, crop, crop), of any batch size: photos prepared as the metadata
    says. Outputs, float32 (batch, classes): calibrated `probabilities`, and `logits`.
    """
    card = checkpoint.card
    model = _trace(_ScoredPhotos(checkpoint.build_network(), card).eval(), card)
    onnx.helper.set_model_props(model, describe_model(card))
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


def _trace(network: nn.Module, card: ModelCard) -> onnx.ModelProto:
    crop = card.preprocessing.crop
    example = torch.zeros(2, 3, crop, crop, dtype=torch.uint8)
    names = (INPUT, PROBABILITIES, LOGITS)
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        path = Path(folder) / "model.onnx"
        # The new exporter needs another package and writes the same graph; sides are constants.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # type: ignore[attr-defined]  # documented there
        torch.onnx.export(
            network,
            (example,),
            path,
            input_names=[INPUT],
            output_names=[PROBABILITIES, LOGITS],
            dynamic_axes={name: {0: _BATCH} for name in names},
            opset_version=OPSET,
            dynamo=False,
        )
        return onnx.load(path)


def describe_model(card: ModelCard) -> dict[str, str]:
    """The metadata of the file, as text: what one must know to use it without this program."""
    spec = card.preprocessing
    fit = "both sides" if spec.fit == "squash" else "the short side"
    steps = (
        "decode to upright RGB (sRGB, transparency on white)",
        f"crop the center of a strip to {MAX_ASPECT}:1 if it is longer",
        f"resize {fit} to {spec.resize} pixels, {spec.interpolation}, with antialiasing (Pillow)",
        f"crop the central {spec.crop} x {spec.crop} pixels",
        "order as channel, row, column; uint8, 0 to 255; the file itself normalizes",
    )
    return {
        "model_hash": card.model_hash,
        "architecture": card.architecture,
        "classes": json.dumps(card.classes, ensure_ascii=False),
        "preprocessing": json.dumps(spec.model_dump(mode="json")),
        "preprocessing_steps": json.dumps(steps),
        "temperature": repr(card.calibration.temperature),
        "pass_confidence": repr(card.thresholds.pass_confidence),
        "opset": str(OPSET),
    }


def check_onnx(
    data: bytes,
    card: ModelCard,
    pixels: npt.NDArray[np.uint8],
    logits: npt.NDArray[np.float32],
) -> float:
    """The largest difference between the file's logits and a probe's, by onnxruntime on the CPU.

    Each photo is also computed alone: a batch size that was fixed by mistake fails here.

    Raises:
        ModelError: a difference over the bound of the load check, or wrong probabilities.
    """
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    outputs = [_run(session, pixels), *(_run(session, photo[None]) for photo in pixels)]
    whole, alone = outputs[0], np.concatenate([output[LOGITS] for output in outputs[1:]])
    difference = float(max(np.abs(found - logits).max() for found in (whole[LOGITS], alone)))
    scaled = logits.astype(np.float64) / card.calibration.temperature
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    expected = powers / powers.sum(axis=1, keepdims=True)
    gap = float(np.abs(whole[PROBABILITIES] - expected).max())
    if not max(difference, gap) <= TOLERANCE:  # also of NaN
        raise ModelError(
            f"the ONNX file of version {card.model_hash[:12]} gives other scores than its probe "
            f"(logits differ by {difference:.2g}, probabilities by {gap:.2g}, at most "
            f"{TOLERANCE:g}): nothing was written; install the versions of requirements.txt"
        )
    return difference


def _run(
    session: onnxruntime.InferenceSession, pixels: npt.NDArray[np.uint8]
) -> Mapping[str, npt.NDArray[np.float32]]:
    names = [PROBABILITIES, LOGITS]
    return dict(zip(names, session.run(names, {INPUT: pixels}), strict=True))
