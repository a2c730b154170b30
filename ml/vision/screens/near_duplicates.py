"""Screen `duplicates`: near duplicates of photos that reviewers decided on, by PDQ hash."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import faiss
import numpy as np
import numpy.typing as npt

from ml.core.types import DecidedPhoto, Json, ScreenResult, negative, positive, unknown
from ml.vision.images.fingerprint import (
    HASH_BITS,
    MIN_QUALITY,
    NEAR_DUPLICATE_DISTANCE,
    pdq_words,
)

NAME = "duplicates"
_MAX_EVIDENCE = 5  # matches kept of each kind, the nearest first
_HEX_DIGITS = HASH_BITS // 4


@dataclass(frozen=True)
class Match:
    """A near duplicate that was decided on, `distance` bits (0 to 31) away."""

    content_sha256: str
    distance: int
    blocked: bool


class DuplicateIndexProtocol(Protocol):
    """An index in which near duplicates are looked up."""

    def find_near(self, pdq: str, distance: int = NEAR_DUPLICATE_DISTANCE) -> list[Match]:
        """The decided photos at most `distance` bits away, the nearest first."""
        ...  # pragma: no cover - a protocol's method has no body


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


def screen_duplicates(
    pdq: str,
    pdq_quality: int,
    decided: DuplicateIndexProtocol,
    *,
    distance: int = NEAR_DUPLICATE_DISTANCE,
    dense_text: bool = False,
) -> ScreenResult:
    """Fire `near_duplicate_blocked` if a reviewer blocked a near duplicate of the photo.

    Near duplicates that passed are evidence only: a screen never approves a photo. `value` is the
    distance to the nearest blocked photo, in bits. A hash of low quality is not looked up, nor that
    of a page of text (`dense_text`), because PDQ cannot distinguish pages.
    """
    if len(pdq) != _HEX_DIGITS:
        return unknown(NAME, "failed", {"error": f"not a PDQ hash: {len(pdq)} digits"})
    if pdq_quality <= MIN_QUALITY:
        return negative(NAME, None, {"low_quality": pdq_quality})
    if dense_text:
        return negative(NAME, None, {"dense_text": True})
    matches = decided.find_near(pdq, distance)
    blocked = [match for match in matches if match.blocked]
    passed = [match for match in matches if not match.blocked]
    evidence: dict[str, Json] = {
        kind: [
            {"content_sha256": match.content_sha256, "distance": match.distance}
            for match in found[:_MAX_EVIDENCE]
        ]
        for kind, found in (("blocked", blocked), ("passed", passed))
        if found
    }
    if blocked:
        return positive(NAME, "near_duplicate_blocked", float(blocked[0].distance), evidence)
    return negative(NAME, None, evidence)


def _to_bytes(*hashes: str) -> npt.NDArray[np.uint8]:
    """Hashes as an array (n, 32) of bytes."""
    return pdq_words(hashes).view(np.uint8)
