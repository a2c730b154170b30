"""Does the photo look like one that people have decided on? PDQ hashes, compared exactly."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import faiss
import numpy as np
import numpy.typing as npt

from ml.images.fingerprint import HASH_BITS, MIN_QUALITY, NEAR_DUPLICATE_DISTANCE
from ml.screens.outcome import Json, ScreenOutcome, fires, quiet, unknown

NAME = "duplicates"
_MOST_EVIDENCE = 5  # matches kept of each kind, the nearest first
_HEX_DIGITS = HASH_BITS // 4


@dataclass(frozen=True)
class Decided:
    """A photo that people decided on: content hash, PDQ of `perceptual_hash`, and the decision."""

    content_sha256: str
    pdq: str
    pdq_quality: int
    blocked: bool


@dataclass(frozen=True)
class Match:
    """A decided photo within reach, `distance` bits (0 to 31) away."""

    content_sha256: str
    distance: int
    blocked: bool


class Bank(Protocol):
    """Where near duplicates are looked up."""

    def near(self, pdq: str, distance: int = NEAR_DUPLICATE_DISTANCE) -> list[Match]:
        """The decided photos at most `distance` bits away, the nearest first."""
        ...  # pragma: no cover - a protocol's method has no body


class DecidedPhotos:
    """An exact index of decided photos; no match within 31 bits is missed.

    Every hash is compared (faiss's IndexBinaryFlat: 32 bytes a photo). Measured with a million
    random hashes: 2 ms a look-up on a quiet core, 5 to 12 on a busy one (benchmarks/screens_limits
    has it beside a forward pass). An exact multi-index hash (16 bands of 16 bits, one bit of
    tolerance) took 2 ms on the busy one, yet 12 s to build, and its figures hold for evenly spread
    bits only, which those of real photos are not. Safe in a pool of threads.

    Args:
        photos: hashes of quality 49 or less are left out: they match what has nothing in common.
    """

    def __init__(self, photos: Iterable[Decided]) -> None:
        usable = [photo for photo in photos if photo.pdq_quality > MIN_QUALITY]
        self._hashes = [photo.content_sha256 for photo in usable]
        self._blocked = np.array([photo.blocked for photo in usable], dtype=bool)
        self._index = faiss.IndexBinaryFlat(HASH_BITS)
        if usable:
            self._index.add(_rows([photo.pdq for photo in usable]))

    def __len__(self) -> int:
        return len(self._hashes)

    def near(self, pdq: str, distance: int = NEAR_DUPLICATE_DISTANCE) -> list[Match]:
        """The decided photos at most `distance` bits away, the nearest first."""
        if not self._hashes:
            return []
        # faiss's radius is exclusive.
        _, distances, places = self._index.range_search(_rows([pdq]), distance + 1)
        found = [
            Match(self._hashes[place], int(bits), bool(self._blocked[place]))
            for place, bits in zip(places.tolist(), distances.tolist(), strict=True)
        ]
        return sorted(found, key=lambda match: (match.distance, match.content_sha256))


def screen_duplicates(
    pdq: str,
    pdq_quality: int,
    decided: Bank,
    *,
    distance: int = NEAR_DUPLICATE_DISTANCE,
    dense_text: bool = False,
) -> ScreenOutcome:
    """Fire `near_duplicate_blocked` where a person blocked a photo that looks the same.

    A likeness of passed photos is evidence only: a screen approves nothing. `value` is the distance
    to the nearest blocked photo, in bits.

    Args:
        pdq: 64 hexadecimal digits of `perceptual_hash`.
        pdq_quality: 0..100; a hash of low quality is not looked up.
        decided: photos that people decided on.
        distance: most bits of a match.
        dense_text: a page of text is not looked up: all of them look alike to PDQ.
    """
    if len(pdq) != _HEX_DIGITS:
        return unknown(NAME, "failed", {"error": f"not a PDQ hash: {len(pdq)} digits"})
    if pdq_quality <= MIN_QUALITY:
        return quiet(NAME, None, {"low_quality": pdq_quality})
    if dense_text:
        return quiet(NAME, None, {"dense_text": True})
    matches = decided.near(pdq, distance)
    blocked = [match for match in matches if match.blocked]
    passed = [match for match in matches if not match.blocked]
    evidence: dict[str, Json] = {}
    if blocked:
        evidence["blocked"] = [_evidence(match) for match in blocked[:_MOST_EVIDENCE]]
    if passed:
        evidence["passed"] = [_evidence(match) for match in passed[:_MOST_EVIDENCE]]
    if blocked:
        return fires(NAME, "near_duplicate_blocked", float(blocked[0].distance), evidence)
    return quiet(NAME, None, evidence)


def _evidence(match: Match) -> dict[str, Json]:
    return {"content_sha256": match.content_sha256, "distance": match.distance}


def _rows(hashes: list[str]) -> npt.NDArray[np.uint8]:
    raw = bytes.fromhex("".join(hashes))
    return np.frombuffer(raw, dtype=np.uint8).reshape(len(hashes), HASH_BITS // 8)
