"""Compare candidate and champion on the same photos: metrics, paired tests and slices."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest

from ml.models.evaluation.metrics import evaluate
from ml.models.evaluation.slices import SliceScores, slice_table
from ml.policy.schema import Policy
from ml.policy.verdict import Decision, decide

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_CONFIDENCE = 0.95  # of the interval


@dataclass(frozen=True)
class PairedTest:
    """Candidate versus champion on the same photos.

    `gained` counts photos that only the candidate got right, `lost` those that only the champion
    got right. `difference` is the candidate's accuracy minus the champion's, -1..1, with its 95 %
    interval `low` to `high`; `p_value` is two-sided.
    """

    photos: int
    gained: int
    lost: int
    difference: float
    low: float
    high: float
    p_value: float

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


def paired_test(candidate_correct: Bools, champion_correct: Bools) -> PairedTest:
    """Compare two versions photo by photo with McNemar's exact test (1947, Psychometrika 12:153).

    Null hypothesis: a photo that only one of them got right is equally likely to be either's.
    Without photos the result is difference 0, interval -1..1, p 1.

    Args:
        candidate_correct: (N,).
        champion_correct: (N,), of the same photos in the same order.
    """
    photos = len(candidate_correct)
    gained = int((candidate_correct & ~champion_correct).sum())
    lost = int((champion_correct & ~candidate_correct).sum())
    low, high = _confidence_interval(photos, gained, lost)
    return PairedTest(
        photos=photos,
        gained=gained,
        lost=lost,
        difference=(gained - lost) / photos if photos else 0.0,
        low=low,
        high=high,
        p_value=float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0,
    )


def _confidence_interval(photos: int, gained: int, lost: int) -> tuple[float, float]:
    """Agresti and Min 2005 (Statistics in Medicine 24:729): Wald with half a photo added per cell.

    Unlike the plain Wald interval it does not collapse where the two versions never differ.
    """
    if not photos:
        return -1.0, 1.0
    z = NormalDist().inv_cdf(0.5 + _CONFIDENCE / 2.0)
    total = photos + 2.0
    center = (gained - lost) / total
    half_width = z * math.sqrt((gained + lost + 1.0) / total - center**2) / math.sqrt(total)
    return max(-1.0, center - half_width), min(1.0, center + half_width)


@dataclass(frozen=True)
class Photos:
    """N labelled photos: index of the true class, category, and slice names by grouping."""

    labels: Ints
    categories: Sequence[str]
    groups: Mapping[str, Sequence[str | None]]

    def subset(self, rows: Ints) -> "Photos":
        """The photos at these rows."""
        return Photos(
            self.labels[rows],
            [self.categories[i] for i in rows],
            {name: [values[i] for i in rows] for name, values in self.groups.items()},
        )


@dataclass(frozen=True)
class ModelScores:
    """A version's calibrated probabilities (N, C), in the policy's class order, and threshold."""

    probabilities: Floats
    pass_confidence: float

    def subset(self, rows: Ints) -> "ModelScores":
        """The scores of the photos at these rows."""
        return ModelScores(self.probabilities[rows], self.pass_confidence)

    def decisions(self, policy: Policy) -> list[Decision]:
        """The version's decision on each photo."""
        return [
            decide(
                dict(zip(policy.classes, row, strict=True)),
                pass_confidence=self.pass_confidence,
                policy=policy,
            ).decision
            for row in self.probabilities.tolist()
        ]

    def violation_scores(self, policy: Policy) -> Floats:
        """(N,): summed probability of the violation classes, 0..1."""
        columns = [c for c, name in enumerate(policy.classes) if name in policy.violations]
        scores: Floats = self.probabilities[:, columns].sum(axis=1)
        return scores

    def slice_scores(self, labels: Ints, policy: Policy) -> SliceScores:
        """Per photo, whether the version predicted the true class, and whether it let it pass."""
        passed = [decision is Decision.PASS for decision in self.decisions(policy)]
        correct = self.probabilities.argmax(axis=1) == labels
        return SliceScores(correct=correct, passed=np.array(passed, dtype=bool))


def compare(
    photos: Photos, *, candidate: ModelScores, champion: ModelScores | None, policy: Policy
) -> dict[str, Any]:
    """Evaluate both versions at their own thresholds, test the difference, and evaluate slices.

    Args:
        photos: at least one.
        candidate: its scores on the photos.
        champion: its scores on the photos; None if there is no champion.
        policy: determines classes and verdicts.

    Returns:
        `photos`, `candidate` and `champion` (see `ml.models.evaluation.metrics.evaluate`), `paired`
        (see `PairedTest`; None without a champion) and `slices`.
    """
    violation = is_violation(photos.labels, policy)
    of_candidate = candidate.slice_scores(photos.labels, policy)
    of_champion = champion.slice_scores(photos.labels, policy) if champion else None
    return {
        "photos": len(photos.labels),
        "candidate": _evaluate(photos, candidate, policy),
        "champion": _evaluate(photos, champion, policy) if champion else None,
        "paired": _paired_tests(photos.labels, violation, of_candidate, of_champion, policy)
        if of_champion
        else None,
        "slices": slice_table(
            photos.groups, violation=violation, candidate=of_candidate, champion=of_champion
        ),
    }


def is_violation(labels: Ints, policy: Policy) -> Bools:
    """(N,): whether the true class is a violation."""
    by_class = np.array([name in policy.violations for name in policy.classes], dtype=bool)
    flags: Bools = by_class[labels]
    return flags


def _evaluate(photos: Photos, scores: ModelScores, policy: Policy) -> dict[str, Any]:
    return evaluate(
        scores.probabilities,
        photos.labels,
        classes=list(policy.classes),
        policy=policy,
        pass_confidence=scores.pass_confidence,
        categories=photos.categories,
    )


def _paired_tests(
    labels: Ints, violation: Bools, candidate: SliceScores, champion: SliceScores, policy: Policy
) -> dict[str, Any]:
    def test(rows: Bools) -> dict[str, Any]:
        return paired_test(candidate.correct[rows], champion.correct[rows]).to_dict()

    return {
        "accuracy": test(np.ones(len(labels), dtype=bool)),
        "recall": {name: test(labels == c) for c, name in enumerate(policy.classes)},
        # "Correct" means here that a violation did not pass.
        "leak": paired_test(~candidate.passed[violation], ~champion.passed[violation]).to_dict(),
    }
