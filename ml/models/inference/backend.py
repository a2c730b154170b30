"""The protocol of backends."""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Logits = npt.NDArray[np.float32]


class InferenceBackend(Protocol):
    """Computes the logits of batches of one size; used by one thread at a time.

    One that was created `with_features` returns the photos' features, too, in further columns.
    `ahead` is how many more batches are worth submitting before the first one's logits are taken.
    """

    ahead: int

    def submit(self, photos: Sequence[Pixels]) -> Callable[[], Logits]:
        """Begin to compute N photos, each (3, crop, crop), N being the batch size at most.

        The returned function waits for their logits (N, classes), whatever was submitted since.
        """
        ...  # pragma: no cover - a protocol's method has no body


def fill_batch(batch: Pixels, photos: Sequence[Pixels]) -> None:
    """Copy photos to the start of a batch (size, 3, crop, crop), and zeros into the rest."""
    np.stack(photos, out=batch[: len(photos)])
    batch[len(photos) :] = 0
