"""Features of photos: the output of a model version's last layer before the head."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import numpy.typing as npt
import structlog
import torch
from torch import nn

from ml.core.concurrency import batched, bounded_map
from ml.core.errors import ImageRejected
from ml.models.checkpoint import Checkpoint, move_network
from ml.vision.images.decode import DecodeLimits, decode
from ml.vision.images.preprocess import Preprocessing, normalize, prepare

log = structlog.get_logger()

FEATURES = 512  # of ResNet18 before its head

Floats = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]


class FeatureReader:
    """Extracts features with a model version whose head is removed.

    Args:
        checkpoint: weights and card; the card says how pixels are prepared.
        device: where to compute, in float32.
        batch_size: photos per forward pass.
        limits: size limits of a photo.
        decode_threads: number of decoding threads.

    Raises:
        ModelError: the weights do not fit the architecture of the card.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        device: torch.device,
        batch_size: int,
        limits: DecodeLimits,
        decode_threads: int,
    ) -> None:
        self._spec: Preprocessing = checkpoint.card.preprocessing
        self._device = device
        self._batch_size = batch_size
        self._limits = limits
        self._decode_threads = decode_threads
        network = checkpoint.build_network()
        network.fc = nn.Identity()
        self._network = move_network(network, device)

    def read(self, paths: Iterable[Path]) -> tuple[Floats, list[bool]]:
        """Features (n, 512) of the n photos that can be decoded, and a flag per path for which.

        Photos that cannot be decoded are logged. Memory holds a few batches of pixels at a time.
        """
        features, readable = [np.empty((0, FEATURES), np.float32)], []
        with ThreadPoolExecutor(self._decode_threads, "decode") as decoders:
            ahead = self._batch_size + self._decode_threads
            prepared = bounded_map(decoders, self._prepare, paths, ahead=ahead)
            with closing(prepared):
                for batch in batched(prepared, self._batch_size):
                    pixels = [p for p in batch if p is not None]
                    readable += [p is not None for p in batch]
                    if pixels:
                        features.append(self._forward(pixels))
        return np.concatenate(features), readable

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
            features: Floats = self._network(normalize(batch, self._spec)).cpu().numpy()
        return features
