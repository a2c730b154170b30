"""The protocol of backends."""

from typing import Protocol

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Logits = npt.NDArray[np.float32]


class InferenceBackend(Protocol):
    """Computes the logits of full batches; one call at a time."""

    def logits(self, batch: Pixels) -> Logits:
        """Logits (N, classes) of a batch (N, 3, crop, crop), N being the predictor's batch size."""
        ...  # pragma: no cover - a protocol's method has no body
