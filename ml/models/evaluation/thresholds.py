"""Solve a version's threshold: the lowest one whose leak rate is shown to be small enough.

A photo passes if its violation score leaves at least `pass_confidence` for "no violation". A lower
threshold sends fewer photos to review and leaks more violations. For each threshold of a fixed
grid, held-out labels give the Clopper-Pearson upper bound (Clopper and Pearson 1934, Biometrika
26:404) of the share of violations among the photos that pass. The threshold is selected after
looking at the labels, which favors the one that looks best by chance; so each bound has confidence
1 - (1 - confidence) / len(GRID) (Bonferroni), and all of them hold together with the required
confidence, whichever is selected.

Labels that represent several photos (weight = 1 / share of their route that is reviewed) are
counted in units of the heaviest one that passed: n = sum(w) / max(w) labels and
k = sum(w * leaked) / max(w) leaks. Equal weights give the plain counts. The variance of k,
sum (w / max w)^2 p (1 - p), never exceeds that of a binomial with size n and the weighted rate,
wherever the leaks are: w / max w is at most 1, and p (1 - p) is concave. Kish's
(sum w)^2 / sum w^2 (Survey Sampling, 1965) is the larger n, but valid only if leaks are independent
of the weights. Here they are not: the heavy labels belong to photos that are not reviewed
otherwise. A few of them among many light ones would break the promise in far more runs than the
confidence allows (`tests/properties/test_thresholds.py`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ml.core.stats import Floats, lower_bound, upper_bound
from ml.models.card import LeakEvidence, Thresholds
from ml.policy.verdict import VIOLATION_MAJORITY

Bools = npt.NDArray[np.bool_]

# Fixed before any data, and coarse: each further point would widen the bounds of all others.
GRID = (0.50, 0.55, 0.60, 0.65, 0.70, 0.75, 0.80, 0.85, 0.90, 0.95, 0.975, 0.99)

# Start of `source`; the gates distinguish the two failures by it.
SOLVED = "solved"
TOO_FEW = "policy default: too few labels"
TOO_LEAKY = "policy default: leaks too much"


@dataclass(frozen=True)
class _Labels:
    """Held-out labels, each (N,)."""

    violation_scores: Floats
    is_violation: Bools
    weights: Floats

    def passed(self, threshold: float) -> Bools:
        # To the bit as in `ml.policy.verdict.decide`.
        scores = self.violation_scores
        passed: Bools = (1.0 - scores >= threshold) & (scores < VIOLATION_MAJORITY)
        return passed

    def counts(self, thresholds: Sequence[float]) -> tuple[Floats, Floats]:
        """(passed, leaked) at each threshold, in units of the heaviest label that passed there."""
        passed_counts, leaked_counts = np.zeros(len(thresholds)), np.zeros(len(thresholds))
        for i, threshold in enumerate(thresholds):
            passed = self.passed(threshold)
            if passed.any():
                units = self.weights[passed] / self.weights[passed].max()
                passed_counts[i] = units.sum()
                leaked_counts[i] = units[self.is_violation[passed]].sum()
        return passed_counts, leaked_counts

    def review_rate(self, threshold: float) -> float:
        """Weighted share of the labels that do not pass."""
        return float(self.weights[~self.passed(threshold)].sum() / self.weights.sum())


@dataclass(frozen=True)
class _Bounds:
    """Counts at each threshold of GRID and at the default, and the upper bounds of GRID."""

    passed: Floats
    leaked: Floats
    upper: Floats


def solve_threshold(
    violation_scores: Floats,
    is_violation: Bools,
    weights: Floats,
    *,
    rate: float,
    confidence: float,
    default: float,
) -> Thresholds:
    """The lowest threshold of the grid whose leak rate is at most `rate`, with `confidence`.

    If there is none, the default, with a source that says why: `TOO_LEAKY` if the labels show that
    the default leaks more than `rate` (its lower bound exceeds it), otherwise `TOO_FEW`.

    Args:
        violation_scores: (N,), calibrated, 0..1, of photos that nothing was fitted on except, at
            most, the temperature.
        is_violation: (N,), by their labels.
        weights: (N,), positive: the number of commerce photos that each represents.
        rate: maximum share of violations among passed photos, 0..1.
        confidence: of the statement as a whole, 0.5..1.
        default: the policy's threshold.
    """
    labels = _Labels(violation_scores, is_violation, weights)
    bounds = _bound_leak_rates(labels, confidence, default)
    solutions = np.flatnonzero(bounds.upper <= rate)
    if not solutions.size:
        source = _unsolved_source(bounds, len(weights), rate=rate, confidence=confidence)
        return Thresholds(pass_confidence=default, source=source)
    lowest = int(solutions[0])
    return Thresholds(
        pass_confidence=GRID[lowest],
        source=f"{SOLVED}: leak rate at most {rate:.1%} with confidence {confidence:.0%}",
        evidence=LeakEvidence(
            target_rate=rate,
            confidence=confidence,
            photos=len(weights),
            passed=float(bounds.passed[lowest]),
            leaked=float(bounds.leaked[lowest]),
            upper_bound=float(bounds.upper[lowest]),
            review_rate=labels.review_rate(GRID[lowest]),
        ),
    )


def _bound_leak_rates(labels: _Labels, confidence: float, default: float) -> _Bounds:
    passed, leaked = labels.counts((*GRID, default))
    upper = upper_bound(leaked, passed, _bonferroni(confidence))
    return _Bounds(passed, leaked, upper[:-1])


def _bonferroni(confidence: float) -> float:
    """Confidence of each bound, so that all of the grid hold together with `confidence`."""
    return 1.0 - (1.0 - confidence) / len(GRID)


def _unsolved_source(bounds: _Bounds, photos: int, *, rate: float, confidence: float) -> str:
    default_leaks = lower_bound(bounds.leaked[-1:], bounds.passed[-1:], confidence)[0] > rate
    required = _min_clean_labels(rate, _bonferroni(confidence))
    nearest = int(bounds.upper.argmin())
    return (
        f"{TOO_LEAKY if default_leaks else TOO_FEW}: no threshold is shown to leak at most "
        f"{rate:.1%} with confidence {confidence:.0%} ({required:,} passed labels without a leak "
        f"would show it); nearest is {GRID[nearest]:g}, where {bounds.passed[nearest]:,.1f} of "
        f"{photos:,} held-out labels pass and {bounds.leaked[nearest]:,.1f} of them leak: "
        f"up to {bounds.upper[nearest]:.1%}"
    )


def _min_clean_labels(rate: float, confidence: float) -> int:
    """Number of passed labels, none of them leaked, whose upper bound is `rate`."""
    return math.ceil(math.log(1.0 - confidence) / math.log(1.0 - rate))
