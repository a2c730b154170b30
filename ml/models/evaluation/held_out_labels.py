"""Labels that were held out of training, counted at the thresholds of a pass."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ml.core.stats import Floats
from ml.policy.verdict import VIOLATION_MAJORITY

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class HeldOutLabels:
    """Violation scores, 0..1, truth, positive weights and group numbers of N labels, each (N,).

    Labels that represent several photos (weight = 1 / share of their route that is reviewed) are
    counted in units of the heaviest one that passed: n = sum(w) / max(w) labels and
    k = sum(w * leaked) / max(w) leaks. The variance of k, sum (w / max w)^2 p (1 - p), never
    exceeds that of a binomial with size n and the weighted rate: w / max w is at most 1, and
    p (1 - p) is concave. Kish's larger n = (sum w)^2 / sum w^2 (Survey Sampling, 1965) is valid
    only if leaks are independent of the weights. Here they are not: the heavy labels belong to
    photos that are not reviewed otherwise (`tests/properties/test_thresholds.py`).

    Photos of a group, as near-duplicates, tend to leak together, so that a group counts as one
    label of their mean weight: the share of it that leaked varies less than a single label would.
    """

    violation_scores: Floats
    is_violation: Bools
    weights: Floats
    groups: Ints  # from 0 on

    @cached_property
    def _shares(self) -> Floats:
        """Weights (N,) that add up to the mean weight in each group."""
        shares: Floats = self.weights / np.bincount(self.groups)[self.groups]
        return shares

    def passed(self, threshold: float) -> Bools:
        """(N,): whether the photos pass."""
        return passes(self.violation_scores, threshold)

    def counts(self, threshold: float) -> tuple[float, float]:
        """(passed, leaked) at a threshold, in units of the heaviest group that passed there."""
        passed = self.passed(threshold)
        if not passed.any():
            return 0.0, 0.0
        unit = np.bincount(self.groups[passed], self._shares[passed]).max()
        shares = self._shares[passed] / unit
        return float(shares.sum()), float(shares[self.is_violation[passed]].sum())

    def review_share(self, threshold: float) -> float:
        """Weighted share of the photos that do not pass, 0..1."""
        return review_share(self.violation_scores, self.weights, threshold)


def review_share(violation_scores: Floats, weights: Floats, pass_confidence: float) -> float:
    """Weighted share of photos (N,) that do not pass, 0..1."""
    passed = passes(violation_scores, pass_confidence)
    return float(weights[~passed].sum() / weights.sum())


def passes(violation_scores: Floats, pass_confidence: float) -> Bools:
    """(N,): whether photos pass by their scores, to the bit as in `ml.policy.verdict.decide`."""
    passed: Bools = (1.0 - violation_scores >= pass_confidence) & (
        violation_scores < VIOLATION_MAJORITY
    )
    return passed


def hold_out(
    violation_scores: Floats, is_violation: Bools, weights: Floats, groups: Ints | None = None
) -> HeldOutLabels:
    """The labels; photos with the same number in `groups` count as one, None: each is alone."""
    numbers = np.arange(len(weights)) if groups is None else groups
    alike = np.unique(numbers, return_inverse=True)[1]
    return HeldOutLabels(violation_scores, is_violation, weights, alike)
