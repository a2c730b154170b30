"""Spot check: which decided photos are sampled for review, and the error rates that follow."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ml.core.stats import lower_bound, upper_bound
from ml.policy.schema import Policy

CONFIDENCE = 0.95  # of the two-sided interval
ANY_CLASS = ""  # in place of a class: all that contradict the decision


@dataclass(frozen=True)
class SampleDraw:
    """Uniform numbers in [0, 1) of one content hash; equal in every retry and run.

    `selection` decides whether the photo is sampled; `score` and `label` decide its queue priority.
    """

    selection: float
    score: float
    label: float


def draw_sample(key: bytes, content_sha256: str) -> SampleDraw:
    """Keyed BLAKE2b (RFC 7693) of a content hash: unpredictable without the key."""
    digest = hashlib.blake2b(content_sha256.encode(), key=key, digest_size=24).digest()
    return SampleDraw(*(int.from_bytes(digest[i : i + 8], "big") / 2**64 for i in (0, 8, 16)))


def priority_among_reviews(sample: SampleDraw, policy: Policy) -> float:
    """Queue priority that does not reveal that the task is a spot check.

    That of a random violation class with a random score from 1 - `pass_confidence` to 1.
    """
    weights = sorted(policy.priority_weights.values())
    min_score = 1.0 - policy.pass_confidence
    score = min_score + sample.score * (1.0 - min_score)
    return score * weights[int(sample.label * len(weights))]


@dataclass(frozen=True)
class SpotCheckCounts:
    """Photos of one month, decision and class (`name`): `violations` contradict the decision."""

    month: str
    decision: str
    name: str
    sampled: int
    reviewed: int
    violations: int


@dataclass(frozen=True)
class Rate:
    """Rate of contradicted decisions with its exact two-sided interval; None: none reviewed yet."""

    rate: float | None
    low: float
    high: float


def estimate_rate(counts: SpotCheckCounts, *, confidence: float = CONFIDENCE) -> Rate:
    """The rate with its interval (Clopper and Pearson 1934, doi:10.1093/biomet/26.4.404)."""
    if not counts.reviewed:
        return Rate(None, 0.0, 1.0)
    one_sided = 1.0 - (1.0 - confidence) / 2
    violations, reviewed = np.array([float(counts.violations)]), np.array([float(counts.reviewed)])
    low = float(lower_bound(violations, reviewed, one_sided)[0])
    high = float(upper_bound(violations, reviewed, one_sided)[0])
    return Rate(counts.violations / counts.reviewed, low, high)


def contradicting_classes(decision: str, policy: Policy) -> list[str]:
    """The classes that contradict the decision: violations a pass, and all others a block."""
    return [name for name in policy.classes if (name in policy.violations) == (decision == "pass")]


def count_contradictions(
    answers: Iterable[tuple[str, str, str | None, int]], policy: Policy
) -> list[SpotCheckCounts]:
    """Counts for each month, decision and class that contradicts it, and one for `ANY_CLASS`.

    `answers` are (month, decision, label, photos); the label is None where nobody has answered. A
    label that the policy no longer knows counts as no answer.
    """
    by_label: dict[tuple[str, str], Counter[str | None]] = defaultdict(Counter)
    for month, decision, label, photos in answers:
        by_label[month, decision][label if label in policy.classes else None] += photos
    result = []
    for (month, decision), counts in sorted(by_label.items()):
        sampled = counts.total()
        reviewed = sampled - counts[None]
        by_class = {name: counts[name] for name in contradicting_classes(decision, policy)}
        for name, photos in {ANY_CLASS: sum(by_class.values()), **by_class}.items():
            result.append(SpotCheckCounts(month, decision, name, sampled, reviewed, photos))
    return result
