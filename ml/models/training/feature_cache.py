"""Feature cache: features of photos under frozen weights, in a file, each computed once."""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import structlog
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from ml.vision.images.preprocess import Preprocessing

log = structlog.get_logger()

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

_SOURCE, _HASHES, _FEATURES = "source", "hashes", "features"


class FeatureCache:
    """A file with the features of the latest training's photos, by content hash.

    Features that a training does not request are dropped, so that the file does not grow and
    nothing remains of deleted photos. A file of other weights, or an unreadable one, counts as
    empty.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def get_or_compute(
        self, source: str, hashes: Sequence[str], compute: Callable[[Ints], Floats]
    ) -> Floats:
        """Features in the order of the photos, fp32 (N, F).

        Args:
            source: identifies the weights and the preprocessing, see `trunk_hash`.
            hashes: content hash of each photo, at least one.
            compute: takes the indices of the photos that are not cached, returns their features.
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
        if not self._path.is_file():
            return {}
        try:
            with safe_open(self._path, framework="numpy") as file:
                facts = file.metadata() or {}
                if facts.get(_SOURCE) != source:
                    return {}
                return dict(
                    zip(json.loads(facts[_HASHES]), file.get_tensor(_FEATURES), strict=True)
                )
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            log.warning(
                "the feature cache cannot be read: features are computed again",
                file=str(self._path),
                reason=str(error),
            )
            return {}

    def _save(self, source: str, hashes: Sequence[str], features: Floats) -> None:
        """Replace the file atomically: a killed training leaves the old file or the new one."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        facts = {_SOURCE: source, _HASHES: json.dumps(list(hashes))}
        handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=self._path.name)
        os.close(handle)
        try:
            save_file({_FEATURES: torch.from_numpy(features)}, name, facts)
            Path(name).replace(self._path)
        finally:
            Path(name).unlink(missing_ok=True)


def trunk_hash(network: nn.Module, spec: Preprocessing) -> str:
    """SHA-256 (hex) of what determines the features: all tensors but the head's, and the spec."""
    digest = hashlib.sha256(spec.model_dump_json().encode())
    for name, tensor in network.state_dict().items():
        if not name.startswith("fc."):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
