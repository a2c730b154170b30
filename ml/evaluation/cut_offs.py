"""The cut-off of a version: the lowest one whose leak rate is shown to be small enough.

A photo passes where its violation score leaves at least `pass_confidence` for "no violation". The
lower that cut-off, the fewer photos wait for a person and the more violations leak. Held-out labels
say how many: for each cut-off of a fixed grid, the Clopper-Pearson upper bound (Clopper and Pearson
1934, Biometrika 26:404) of the share of violations among the photos that pass. The cut-off is
picked from all of the grid after a look at the labels, and the best looking of many is partly the
luckiest; so each bound is held at 1 - (1 - confidence) / len(GRID) (Bonferroni): with the asked
confidence, all of them hold at once, whichever is picked.

Labels that stand for several photos (weight = 1 / share of their route that people see) count in
units of the heaviest one that passed: n = sum(w) / max(w) labels, k = sum(w * leaked) / max(w)
leaks. Equal weights give back the plain counts. The variance of k, sum (w / max w)^2 p (1 - p),
is never over that of a binomial of size n and the weighted rate, wherever the leaks lie: w / max w
is at most 1, and p (1 - p) is concave. Kish's (sum w)^2 / sum w^2 (Survey Sampling, 1965) is the
larger n, but right only where leaks do not go with the weights; here they do, since the heavy
labels are those of photos that nobody looked at. A handful of them among many light ones then
breaks the promise in far more months than agreed (`tests/properties/test_cut_offs.py`).
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.stats import (
    beta,
)

from ml.model.card import CutOffs, LeakEvidence
from ml.policy.verdict import LIKELIER

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

# Chosen before any data, and coarse: each further point would widen the bounds of all the others.
GRID = (0.50, 0.55, 0.60, 0.65, 0.70, 0.75, 0.80, 0.85, 0.90, 0.95, 0.975, 0.99)

# How `source` begins; the gates tell the two ways of not solving apart by it.
SOLVED = "solved"
TOO_FEW = "policy default: too few labels"
TOO_LEAKY = "policy default: leaks too much"


def solve_cut_off(
    violation_scores: Floats,
    is_violation: Bools,
    weights: Floats,
    *,
    rate: float,
    confidence: float,
    default: float,
) -> CutOffs:
    """The lowest cut-off of the grid whose leak rate is at most `rate`, with `confidence`.

    Where none is, the default, with a source that says why: `TOO_LEAKY` where the labels show that
    the default leaks more than `rate` (its lower bound is over it), else `TOO_FEW`.

    Args:
        violation_scores: (N,), calibrated, 0..1, of photos that nothing was fitted on but, at
            most, the temperature.
        is_violation: (N,), what people say.
        weights: (N,), over 0: how many photos of the shop each stands for.
        rate: violations among passed photos, at most; 0..1.
        confidence: of the promise as a whole, 0.5..1.
        default: cut-off of the policy.
    """
    each = 1.0 - (1.0 - confidence) / len(GRID)
    passed, leaked = _counts(violation_scores, is_violation, weights, (*GRID, default))
    upper = upper_bound(leaked, passed, each)
    holding = np.flatnonzero(upper[:-1] <= rate)
    if not holding.size:
        asked = (
            f"no cut-off is shown to leak at most {rate:.1%} with confidence {confidence:.0%} "
            f"({_clean(rate, each):,} passed labels without a leak would show it)"
        )
        leaky = lower_bound(leaked[-1:], passed[-1:], confidence)[0] > rate
        near = int(upper[:-1].argmin())
        reason = _shortfall(len(weights), GRID[near], passed[near], leaked[near], upper[near])
        source = f"{TOO_LEAKY if leaky else TOO_FEW}: {asked}; {reason}"
        return CutOffs(pass_confidence=default, source=source)
    best = int(holding[0])
    waiting = ~_passing(violation_scores, GRID[best])
    evidence = LeakEvidence(
        target_rate=rate,
        confidence=confidence,
        photos=len(weights),
        passed=float(passed[best]),
        leaked=float(leaked[best]),
        upper_bound=float(upper[best]),
        review_rate=float(weights[waiting].sum() / weights.sum()),
    )
    source = f"{SOLVED}: leak rate at most {rate:.1%} with confidence {confidence:.0%}"
    return CutOffs(pass_confidence=GRID[best], source=source, evidence=evidence)


def upper_bound(leaked: Floats, passed: Floats, confidence: float) -> Floats:
    """One-sided Clopper-Pearson upper bound of leaked / passed; 1 where nothing passed."""
    clean = passed - leaked
    bound = beta.ppf(confidence, leaked + 1.0, np.where(clean > 0.0, clean, 1.0))
    return np.where(clean > 0.0, bound, 1.0)


def lower_bound(leaked: Floats, passed: Floats, confidence: float) -> Floats:
    """One-sided Clopper-Pearson lower bound of leaked / passed; 0 where nothing leaked."""
    bound = beta.ppf(1.0 - confidence, np.where(leaked > 0.0, leaked, 1.0), passed - leaked + 1.0)
    return np.where(leaked > 0.0, bound, 0.0)


def _passing(violation_scores: Floats, cut_off: float) -> Bools:
    # To the bit as in `ml.policy.verdict.decide`.
    passing: Bools = (1.0 - violation_scores >= cut_off) & (violation_scores < LIKELIER)
    return passing


def _counts(
    violation_scores: Floats, is_violation: Bools, weights: Floats, cut_offs: Sequence[float]
) -> tuple[Floats, Floats]:
    """(passed, leaked) at each cut-off, in units of the heaviest label that passed there."""
    passed, leaked = np.zeros(len(cut_offs)), np.zeros(len(cut_offs))
    for i, cut_off in enumerate(cut_offs):
        passing = _passing(violation_scores, cut_off)
        if passing.any():
            units = weights[passing] / weights[passing].max()
            passed[i], leaked[i] = units.sum(), units[is_violation[passing]].sum()
    return passed, leaked


def _clean(rate: float, confidence: float) -> int:
    """Passed labels, none of them leaked, whose upper bound is `rate`."""
    return math.ceil(math.log(1.0 - confidence) / math.log(1.0 - rate))


def _shortfall(photos: int, cut_off: float, passed: float, leaked: float, upper: float) -> str:
    return (
        f"nearest is {cut_off:g}, where {passed:,.1f} of {photos:,} held-out labels pass and "
        f"{leaked:,.1f} of them leak: up to {upper:.1%}"
    )
