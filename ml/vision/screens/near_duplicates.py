"""Screen `duplicates`: near duplicates of photos that reviewers decided on, by PDQ hash."""

from dataclasses import dataclass, replace
from typing import Protocol

from ml.core.types import Json, ScreenResult, negative, positive, unknown
from ml.vision.images.fingerprint import (
    HASH_BITS,
    MIN_QUALITY,
    NEAR_DUPLICATE_DISTANCE,
)

NAME = "duplicates"
LISTED = "blocklist"  # a reason begins with it: an outside list has the photo
_MAX_EVIDENCE = 5  # matches kept of each kind, the nearest first
_HEX_DIGITS = HASH_BITS // 4


@dataclass(frozen=True)
class Match:
    """A near duplicate that was decided on, `distance` bits (0 to 31) away.

    `turned` is one of `TURNS` if the photo is another orientation of it, `trimmed` whether it is
    one but for its borders. `source` is the outside
    list that has the hash; then there is no content.
    """

    content_sha256: str
    distance: int
    blocked: bool
    turned: str | None = None
    source: str | None = None
    trimmed: bool = False

    @property
    def evidence(self) -> dict[str, Json]:
        """What is recorded of it."""
        found: dict[str, Json] = {"content_sha256": self.content_sha256, "distance": self.distance}
        if self.source is not None:
            found = {"source": self.source, "distance": self.distance}
        if self.turned is not None:
            found["turned"] = self.turned
        return {**found, "trimmed": True} if self.trimmed else found


class DuplicateIndexProtocol(Protocol):
    """An index in which near duplicates are looked up."""

    def find_near(self, pdq: str, distance: int = NEAR_DUPLICATE_DISTANCE) -> list[Match]:
        """The decided photos at most `distance` bits away, the nearest first."""
        ...  # pragma: no cover - a protocol's method has no body

    def find_listed(self, content_sha256: str, data: bytes) -> str | None:
        """The outside list that has the very bytes, if there is one."""
        ...  # pragma: no cover - as above


def screen_duplicates(
    pdq: str,
    pdq_quality: int,
    decided: DuplicateIndexProtocol,
    *,
    distance: int = NEAR_DUPLICATE_DISTANCE,
    listed: str | None = None,
    trimmed: tuple[str, int] | None = None,
) -> ScreenResult:
    """Fire `near_duplicate_blocked` if a reviewer blocked a near duplicate of the photo.

    `blocklist:<source>` if an outside list has the hash of the nearest, or, as `listed`, the bytes.

    Near duplicates that passed are evidence only: a screen never approves a photo. `value` is the
    distance to the nearest blocked photo, in bits. `trimmed` are hash and quality of the photo
    without its borders: looked up if the photo itself is near no blocked one. A hash of low quality
    is not looked up.
    """
    if listed is not None:
        return positive(NAME, f"{LISTED}:{listed}", 0.0, {"blocked": [{"source": listed}]})
    if len(pdq) != _HEX_DIGITS:
        return unknown(NAME, "failed", {"error": f"not a PDQ hash: {len(pdq)} digits"})
    if pdq_quality <= MIN_QUALITY:
        return negative(NAME, None, {"low_quality": pdq_quality})
    matches = decided.find_near(pdq, distance)
    blocked = [match for match in matches if match.blocked]
    if not blocked and trimmed is not None and trimmed[1] > MIN_QUALITY:
        inner = decided.find_near(trimmed[0], distance)
        blocked = [replace(match, trimmed=True) for match in inner if match.blocked]
    passed = [match for match in matches if not match.blocked]
    evidence: dict[str, Json] = {
        kind: [match.evidence for match in found[:_MAX_EVIDENCE]]
        for kind, found in (("blocked", blocked), ("passed", passed))
        if found
    }
    if blocked:
        nearest = blocked[0]
        reason = f"{LISTED}:{nearest.source}" if nearest.source else "near_duplicate_blocked"
        return positive(NAME, reason, float(nearest.distance), evidence)
    return negative(NAME, None, evidence)


def of_page_of_text() -> ScreenResult:
    """The result for a page of text: PDQ cannot distinguish such photos."""
    return negative(NAME, None, {"dense_text": True})
