"""Photos on which candidate and champion disagree, for a person to look at."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

from ml.core.settings import Settings
from ml.models.evaluation.model_comparison import ModelScores, Photos, is_violation
from ml.policy.schema import Policy
from ml.policy.verdict import Decision
from ml.storage.connections import Connections
from ml.storage.photo_cache import local_copies
from ml.vision.images.decode import DecodeLimits, decode, decode_limits

MAX_DISAGREEMENTS = 12
_THUMBNAIL_PIXELS = 160
_JPEG_QUALITY = 80


@dataclass(frozen=True)
class Disagreement:
    """One photo: the truth, both decisions, both violation scores (0..1)."""

    content_sha256: str
    label: str
    category: str
    candidate: str
    champion: str
    candidate_score: float
    champion_score: float


def find_disagreements(
    hashes: Sequence[str],
    photos: Photos,
    *,
    candidate: ModelScores,
    champion: ModelScores,
    policy: Policy,
) -> list[Disagreement]:
    """All photos with different decisions, the weightiest first.

    First violations that only the candidate would pass, then those that only the champion would,
    then the rest; within each by how far the violation scores are apart.
    """
    ours, theirs = candidate.decisions(policy), champion.decisions(policy)
    our_scores = candidate.violation_scores(policy)
    their_scores = champion.violation_scores(policy)
    violation = is_violation(photos.labels, policy)
    names = list(policy.classes)

    def order(i: int) -> tuple[int, float, str]:
        leaks = bool(violation[i]) and ours[i] is Decision.PASS
        caught = bool(violation[i]) and theirs[i] is Decision.PASS
        rank = 0 if leaks else 1 if caught else 2
        return rank, -abs(float(our_scores[i] - their_scores[i])), hashes[i]

    differing = sorted((i for i in range(len(hashes)) if ours[i] is not theirs[i]), key=order)
    return [
        Disagreement(
            content_sha256=hashes[i],
            label=names[photos.labels[i]],
            category=photos.categories[i],
            candidate=ours[i].value,
            champion=theirs[i].value,
            candidate_score=float(our_scores[i]),
            champion_score=float(their_scores[i]),
        )
        for i in differing
    ]


def thumbnails(
    hashes: Sequence[str], *, settings: Settings, connections: Connections
) -> dict[str, bytes]:
    """Small JPEGs, by content hash, of kept photos that can be decoded; nothing but their pixels.

    Raises:
        ImageRejected: a photo cannot be decoded.
    """
    limits = decode_limits(settings)
    paths = local_copies(connections.models, hashes, settings.data_dir / "labelled")
    return {path.name: thumbnail(path.read_bytes(), limits) for path in paths}


def thumbnail(data: bytes, limits: DecodeLimits) -> bytes:
    """A JPEG of at most 160 pixels a side, without EXIF or comment: `decode` drops both."""
    image = decode(data, limits=limits, short_side=_THUMBNAIL_PIXELS).image
    image.thumbnail((_THUMBNAIL_PIXELS, _THUMBNAIL_PIXELS))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=_JPEG_QUALITY, optimize=True)
    return out.getvalue()
