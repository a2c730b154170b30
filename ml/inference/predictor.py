"""The predictor: one loaded model version, from prepared pixels to calibrated scores."""

from collections.abc import Sequence
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.models import ResNet

from ml.errors import ModelError
from ml.images.preprocess import normalise
from ml.inference.device import fast_type
from ml.model.card import ModelCard
from ml.model.checkpoint import Checkpoint
from ml.model.resnet18 import build

Scores = dict[str, float]


class Predictor:
    """A model version on a device.

    Every forward has the same batch size (short batches are padded), so that a photo's scores do
    not depend on which others it is judged with: a resumed shard repeats an unbroken one's scores.

    Args:
        checkpoint: weights and card.
        device: where to compute.
        batch_images: images a forward.
        dtype: number type; None takes the device's fast one.

    Raises:
        ModelError: the weights do not fit the architecture of the card.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        device: torch.device,
        batch_images: int,
        dtype: torch.dtype | None = None,
    ) -> None:
        self.card: ModelCard = checkpoint.card
        self.batch_images = batch_images
        self._device = device
        self._dtype = dtype or fast_type(device)
        network = build(len(self.card.classes))
        try:
            network.load_state_dict(checkpoint.state)
        except RuntimeError as error:
            raise ModelError(f"weights do not fit {self.card.architecture}: {error}") from error
        fused = _for_inference(network).to(device, self._dtype)
        self._network: nn.Module = fused.to(memory_format=torch.channels_last)

    def logits(self, pixels: Sequence[npt.NDArray[np.uint8]]) -> npt.NDArray[np.float32]:
        """Raw logits (N, classes) of N prepared images, each uint8 (3, crop, crop)."""
        parts = [
            self._forward(pixels[i : i + self.batch_images])
            for i in range(0, len(pixels), self.batch_images)
        ]
        return np.concatenate(parts)

    def scores(self, pixels: Sequence[npt.NDArray[np.uint8]]) -> list[Scores]:
        """Calibrated probability of each class, softmax(logits / temperature), per image."""
        scaled = self.logits(pixels).astype(np.float64) / self.card.calibration.temperature
        scaled -= scaled.max(axis=1, keepdims=True)
        odds = np.exp(scaled)
        probabilities = odds / odds.sum(axis=1, keepdims=True)
        return [dict(zip(self.card.classes, map(float, row), strict=True)) for row in probabilities]

    def _forward(self, pixels: Sequence[npt.NDArray[np.uint8]]) -> npt.NDArray[np.float32]:
        crop = self.card.preprocessing.crop
        batch = np.zeros((self.batch_images, 3, crop, crop), dtype=np.uint8)
        np.stack(pixels, out=batch[: len(pixels)])
        with torch.inference_mode():
            pixels_there = torch.from_numpy(batch).to(self._device)
            inputs = normalise(pixels_there, self.card.preprocessing, dtype=self._dtype)
            logits: npt.NDArray[np.float32] = self._network(inputs).float().cpu().numpy()
        return logits[: len(pixels)]


def _for_inference(network: ResNet) -> ResNet:
    """Fold each batch normalisation into the convolution before it: same function, fewer passes."""
    network.eval()
    _fuse(network, "conv1", "bn1")
    for stage in (network.layer1, network.layer2, network.layer3, network.layer4):
        for block in stage:
            _fuse(block, "conv1", "bn1")
            _fuse(block, "conv2", "bn2")
            if block.downsample is not None:
                _fuse(block.downsample, "0", "1")
    return network


def _fuse(parent: nn.Module, convolution: str, normalisation: str) -> None:
    fused = fuse_conv_bn_eval(
        cast("nn.Conv2d", parent.get_submodule(convolution)),
        cast("nn.BatchNorm2d", parent.get_submodule(normalisation)),
    )
    setattr(parent, convolution, fused)
    setattr(parent, normalisation, nn.Identity())
