"""What a model version sees in photos: the values that its head decides by."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import structlog
import torch
from torch import nn

from ml.errors import ImageRejected, ModelError
from ml.images.decode import DecodeLimits, decode
from ml.images.preprocess import Preprocessing, normalise, prepare
from ml.inference.bounded import bounded_map
from ml.model.checkpoint import Checkpoint
from ml.model.resnet18 import build

log = structlog.get_logger()

FEATURES = 512  # of ResNet18 before its head

Floats = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]


class FeatureReader:
    """A model version without its head, on a device.

    Args:
        checkpoint: weights and card; the card says how pixels are prepared.
        device: where to compute, in float32.
        batch_images: photos a forward.
        limits: what a photo may be.
        decode_threads: workers.

    Raises:
        ModelError: the weights do not fit the architecture of the card.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        device: torch.device,
        batch_images: int,
        limits: DecodeLimits,
        decode_threads: int,
    ) -> None:
        self._spec: Preprocessing = checkpoint.card.preprocessing
        self._device = device
        self._batch_images = batch_images
        self._limits = limits
        self._decode_threads = decode_threads
        network = build(len(checkpoint.card.classes))
        try:
            network.load_state_dict(checkpoint.state)
        except RuntimeError as error:
            raise ModelError(
                f"weights do not fit {checkpoint.card.architecture}: {error}"
            ) from error
        network.fc = nn.Identity()
        self._network = network.eval().to(device, memory_format=torch.channels_last)

    def read(self, paths: Iterable[Path]) -> tuple[Floats, list[bool]]:
        """Features (n, 512) of the n photos that can be decoded, and which of `paths` they are.

        Others are told of in the log. Memory holds a few batches of pixels at a time.
        """
        parts, readable = [np.empty((0, FEATURES), np.float32)], []
        with ThreadPoolExecutor(self._decode_threads, "decode") as decoders:
            ahead = self._batch_images + self._decode_threads
            prepared = bounded_map(decoders, self._prepare, paths, ahead=ahead)
            with closing(prepared):
                for batch in _batches(prepared, self._batch_images):
                    pixels = [p for p in batch if p is not None]
                    readable += [p is not None for p in batch]
                    if pixels:
                        parts.append(self._forward(pixels))
        return np.concatenate(parts), readable

    def _prepare(self, path: Path) -> Pixels | None:
        try:
            photo = decode(path.read_bytes(), limits=self._limits, short_side=self._spec.resize)
        except ImageRejected as error:
            log.warning("photo cannot be decoded", photo=path.name, reason=str(error))
            return None
        return prepare(photo.image, self._spec)

    def _forward(self, pixels: Sequence[Pixels]) -> Floats:
        with torch.inference_mode():
            batch = torch.from_numpy(np.stack(pixels)).to(self._device)
            features: Floats = self._network(normalise(batch, self._spec)).cpu().numpy()
        return features


def _batches(items: Iterator[Pixels | None], size: int) -> Iterator[list[Pixels | None]]:
    while batch := list(islice(items, size)):
        yield batch
