"""Features of photos: a network's output before its head, computed or cached in a file."""

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import KW_ONLY, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import structlog
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from ml.core.concurrency import batched, bounded_map
from ml.core.errors import ImageRejected
from ml.core.files import write_file
from ml.models.architectures.classifier import Classifier
from ml.models.checkpoint import Checkpoint, move_network
from ml.vision.images.decode import DECODING, decode
from ml.vision.images.open_photo import DecodeLimits
from ml.vision.images.preprocess import Preprocessing, normalize, prepare

log = structlog.get_logger()

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Pixels = npt.NDArray[np.uint8]


@dataclass
class FeatureReader:
    """Extracts features in float32 with a model version whose head is removed."""

    checkpoint: Checkpoint
    _: KW_ONLY
    device: torch.device
    batch_size: int
    limits: DecodeLimits
    decode_threads: int

    def __post_init__(self) -> None:
        self._spec = self.checkpoint.card.preprocessing
        self._network = move_network(self.checkpoint.build_network(), self.device)

    def read(self, paths: Iterable[Path]) -> tuple[Floats, list[bool]]:
        """Features (n, F) of the n photos that can be decoded, and a flag per path for which.

        Photos that cannot be decoded are logged. Memory holds a few batches of pixels at a time.
        """
        features = [np.empty((0, self._network.head.in_features), np.float32)]
        readable = []
        with ThreadPoolExecutor(self.decode_threads, "decode") as decoders:
            ahead = self.batch_size + self.decode_threads
            prepared = bounded_map(decoders, self._prepare, paths, ahead=ahead)
            with closing(prepared):
                for batch in batched(prepared, self.batch_size):
                    pixels = [p for p in batch if p is not None]
                    readable += [p is not None for p in batch]
                    if pixels:
                        features.append(self._forward(pixels))
        return np.concatenate(features), readable

    def _prepare(self, path: Path) -> Pixels | None:
        try:
            photo = decode(path.read_bytes(), limits=self.limits, short_side=self._spec.resize)
        except ImageRejected as error:
            log.warning("photo cannot be decoded", photo=path.name, reason=str(error))
            return None
        if photo.has_other_views:  # its label may be about any of them
            return None
        return prepare(photo.image, self._spec)

    def _forward(self, pixels: Sequence[Pixels]) -> Floats:
        with torch.inference_mode():
            batch = torch.from_numpy(np.stack(pixels)).to(self.device)
            features: Floats = self._network.features(normalize(batch, self._spec)).cpu().numpy()
        return features


@dataclass(frozen=True)
class FeatureCache:
    """A file with the features of the latest training's photos, by content hash.

    Features that a training does not request are dropped, so that the file does not grow and
    nothing remains of deleted photos. A file of other weights, or an unreadable one, counts as
    empty.
    """

    path: Path

    def get_or_compute(
        self, source: str, hashes: Sequence[str], compute: Callable[[Ints], Floats]
    ) -> Floats:
        """Features in the order of the photos, fp32 (N, F).

        `source` identifies the weights and the preprocessing, see `trunk_hash`. `hashes` are the
        content hashes of the photos, at least one. `compute` takes the indices of the photos that
        are not cached and returns their features.
        """
        cached = self._load(source)
        missing = np.array([i for i, h in enumerate(hashes) if h not in cached], dtype=np.int64)
        if len(missing):
            computed = compute(missing)
            cached |= {hashes[i]: row for i, row in zip(missing, computed, strict=True)}
        log.info("features of frozen weights", photos=len(hashes), computed=len(missing))
        features = np.stack([cached[h] for h in hashes])
        if len(missing):
            self._save(source, hashes, features)
        return features

    def _load(self, source: str) -> dict[str, Floats]:
        if not self.path.is_file():
            return {}
        try:
            with safe_open(self.path, framework="numpy") as file:
                facts = file.metadata() or {}
                if facts.get("source") != source:
                    return {}
                return dict(
                    zip(json.loads(facts["hashes"]), file.get_tensor("features"), strict=True)
                )
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            log.warning(
                "the feature cache cannot be read: features are computed again",
                file=str(self.path),
                reason=str(error),
            )
            return {}

    def _save(self, source: str, hashes: Sequence[str], features: Floats) -> None:
        """Replace the file: a killed training leaves the old one or the new one."""
        facts = {"source": source, "hashes": json.dumps(list(hashes))}
        write_file(self.path, save({"features": torch.from_numpy(features)}, facts))


def trunk_hash(network: Classifier, spec: Preprocessing) -> str:
    """SHA-256 (hex) of what determines the features: all tensors but the head's, spec, decoding."""
    digest = hashlib.sha256(f"{spec.model_dump_json()} {DECODING}".encode())
    for name, tensor in network.state_dict().items():
        if name not in network.head_parameters:
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
