"""Screen `duplicates`: near duplicates of photos that reviewers decided on, by PDQ hash."""

from dataclasses import dataclass
from typing import Protocol

from ml.core.types import Json, ScreenResult, negative, positive, unknown
from ml.vision.images.fingerprint import (
    HASH_BITS,
    MIN_QUALITY,
    NEAR_DUPLICATE_DISTANCE,
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


def screen_duplicates(
    pdq: str,
    pdq_quality: int,
    decided: DuplicateIndexProtocol,
    *,
    distance: int = NEAR_DUPLICATE_DISTANCE,
) -> ScreenResult:
    """Fire `near_duplicate_blocked` if a reviewer blocked a near duplicate of the photo.

    Near duplicates that passed are evidence only: a screen never approves a photo. `value` is the
    distance to the nearest blocked photo, in bits. A hash of low quality is not looked up.
    """
    if len(pdq) != _HEX_DIGITS:
        return unknown(NAME, "failed", {"error": f"not a PDQ hash: {len(pdq)} digits"})
    if pdq_quality <= MIN_QUALITY:
        return negative(NAME, None, {"low_quality": pdq_quality})
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


def of_page_of_text() -> ScreenResult:
    """The result for a page of text: PDQ cannot distinguish such photos."""
    return negative(NAME, None, {"dense_text": True})
