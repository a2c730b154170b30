"""The photos that reviewers decided on, by PDQ hash, in memory."""

from collections.abc import Iterable

import faiss
import numpy as np
import numpy.typing as npt

from ml.core.types import DecidedPhoto
from ml.vision.images.fingerprint import (
    HASH_BITS,
    MIN_QUALITY,
    NEAR_DUPLICATE_DISTANCE,
    pdq_words,
)
from ml.vision.screens.near_duplicates import Match


class DuplicateIndex:
    """Exact index of decided photos; it misses no match within 31 bits. Thread-safe.

    It compares every hash (faiss's IndexBinaryFlat: 32 bytes per photo). Measured with a million
    random hashes: 2 ms per look-up on an idle core, 5 to 12 on a busy one (see
    `benchmarks/screens_limits.py`). An exact multi-index hash (16 bands of 16 bits, one bit of
    tolerance) took 2 ms on the busy core but 12 s to build, and those figures assume uniformly
    distributed bits, which real photos do not have.

    Photos with a hash of quality 49 or less are excluded: they match unrelated photos.
    """

    def __init__(self, photos: Iterable[DecidedPhoto]) -> None:
        usable = [photo for photo in photos if photo.pdq_quality > MIN_QUALITY]
        self._hashes = [photo.content_sha256 for photo in usable]
        self._blocked = np.array([photo.blocked for photo in usable], dtype=bool)
        self._index = faiss.IndexBinaryFlat(HASH_BITS)
        if usable:
            self._index.add(_to_bytes(*(photo.pdq for photo in usable)))

    def __len__(self) -> int:
        return len(self._hashes)

    def find_near(self, pdq: str, distance: int = NEAR_DUPLICATE_DISTANCE) -> list[Match]:
        """The decided photos at most `distance` bits away, the nearest first."""
        if not self._hashes:
            return []
        # faiss's radius is exclusive.
        _, distances, indices = self._index.range_search(_to_bytes(pdq), distance + 1)
        matches = [
            Match(self._hashes[index], int(bits), bool(self._blocked[index]))
            for index, bits in zip(indices.tolist(), distances.tolist(), strict=True)
        ]
        return sorted(matches, key=lambda match: (match.distance, match.content_sha256))


def _to_bytes(*hashes: str) -> npt.NDArray[np.uint8]:
    """Hashes as an array (n, 32) of bytes."""
    return pdq_words(hashes).view(np.uint8)
