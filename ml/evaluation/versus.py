"""A candidate beside the champion on one set of labelled photos, as a JSON-ready report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ml.evaluation.comparison import paired
from ml.evaluation.metrics import evaluate
from ml.evaluation.slices import Judgement, slice_table
from ml.policy.policy import Policy
from ml.policy.verdict import Decision, decide

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Photos:
    """N labelled photos: index of the true class, category, and slice names by grouping."""

    labels: Ints
    categories: Sequence[str]
    groups: Mapping[str, Sequence[str | None]]

    def take(self, rows: Ints) -> "Photos":
        """Some of them."""
        return Photos(
            self.labels[rows],
            [self.categories[i] for i in rows],
            {name: [values[i] for i in rows] for name, values in self.groups.items()},
        )


@dataclass(frozen=True)
class Side:
    """A version's calibrated probabilities (N, C), in the policy's order, and its own cut-off."""

    probabilities: Floats
    pass_confidence: float

    def take(self, rows: Ints) -> "Side":
        """The same version on some of the photos."""
        return Side(self.probabilities[rows], self.pass_confidence)

    def decisions(self, policy: Policy) -> list[Decision]:
        """What the version would have done with each photo."""
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

    def judgement(self, labels: Ints, policy: Policy) -> Judgement:
        """Where it named the true class, and what it let pass."""
        passed = [decision is Decision.PASS for decision in self.decisions(policy)]
        right = self.probabilities.argmax(axis=1) == labels
        return Judgement(right=right, passed=np.array(passed, dtype=bool))


def compare(
    photos: Photos, *, candidate: Side, champion: Side | None, policy: Policy
) -> dict[str, Any]:
    """Measure both at their own cut-offs, test the difference, look at slices.

    Args:
        photos: at least one.
        candidate: what it makes of the photos.
        champion: the same; None where there is none.
        policy: classes and what passes.

    Returns:
        `photos`, `candidate` and `champion` (see `ml.evaluation.metrics.evaluate`), `paired` (see
        `ml.evaluation.comparison`; None without a champion) and `slices`.
    """
    violation = is_violation(photos.labels, policy)
    ours = candidate.judgement(photos.labels, policy)
    theirs = champion.judgement(photos.labels, policy) if champion else None
    return {
        "photos": len(photos.labels),
        "candidate": _measure(photos, candidate, policy),
        "champion": _measure(photos, champion, policy) if champion else None,
        "paired": _paired(photos.labels, violation, ours, theirs, policy) if theirs else None,
        "slices": slice_table(photos.groups, violation=violation, candidate=ours, champion=theirs),
    }


def is_violation(labels: Ints, policy: Policy) -> Bools:
    """(N,): the true class is a violation."""
    bad = np.array([name in policy.violations for name in policy.classes], dtype=bool)
    flags: Bools = bad[labels]
    return flags


def _measure(photos: Photos, side: Side, policy: Policy) -> dict[str, Any]:
    return evaluate(
        side.probabilities,
        photos.labels,
        classes=list(policy.classes),
        policy=policy,
        pass_confidence=side.pass_confidence,
        categories=photos.categories,
    )


def _paired(
    labels: Ints, violation: Bools, candidate: Judgement, champion: Judgement, policy: Policy
) -> dict[str, Any]:
    def test(chosen: Bools) -> dict[str, Any]:
        return paired(candidate.right[chosen], champion.right[chosen]).to_dict()

    return {
        "accuracy": test(np.ones(len(labels), dtype=bool)),
        "recall": {name: test(labels == c) for c, name in enumerate(policy.classes)},
        # "right" is here: a violation did not pass.
        "leak": paired(~candidate.passed[violation], ~champion.passed[violation]).to_dict(),
    }
