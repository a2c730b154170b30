"""Calibrate a version: the temperature of its probabilities, and the threshold of a pass."""

import math

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from ml.core.stats import Floats, lower_bound, upper_bound
from ml.models.bound_state import KEPT_REVIEW_SHARE, SOLVED, TOO_FEW, TOO_LEAKY
from ml.models.card import LeakEvidence, Thresholds
from ml.models.evaluation.held_out_labels import HeldOutLabels, review_share

Ints = npt.NDArray[np.int64]

# Perfectly separated classes would drive T to 0 and every confidence to 1, random predictions would
# drive it to infinity. Real networks stay within these bounds.
MIN_TEMPERATURE, MAX_TEMPERATURE = 0.25, 10.0
# Below this sample size the estimate is dominated by noise.
MIN_PHOTOS = 20
# Fixed before any data, and coarse: each further point would widen the bounds of all others.
GRID = (0.50, 0.55, 0.60, 0.65, 0.70, 0.75, 0.80, 0.85, 0.90, 0.95, 0.975, 0.99)

STEP = 0.01  # of a threshold that keeps a review share


def fit_temperature(logits: Floats, labels: Ints) -> float:
    """Fit the T in [0.25, 10] with the lowest negative log-likelihood of softmax(logits / T).

    Takes finite logits (N, C) of photos that the network was not trained on, and the indices (N,)
    of their true classes. The predicted class is the same for every T. Returns 1.0 (no change) for
    fewer than 20 photos.
    """
    if len(labels) < MIN_PHOTOS:
        return 1.0
    rows = np.arange(len(labels))

    def mean_nll(log_temperature: float) -> float:
        scaled = log_softmax(logits / math.exp(log_temperature), axis=1)
        return float(-scaled[rows, labels].mean())

    bounds = (math.log(MIN_TEMPERATURE), math.log(MAX_TEMPERATURE))
    best = minimize_scalar(mean_nll, bounds=bounds, method="bounded", options={"xatol": 1e-4})
    return float(math.exp(best.x))


def calibrated_loss(logits: Floats, labels: Ints) -> float:
    """Mean negative log-likelihood of logits (N, C) at their own temperature; N > 0.

    Networks whose confidence differs are compared by what is left of them after calibration.
    """
    scaled = log_softmax(logits / fit_temperature(logits, labels), axis=1)
    return float(-scaled[np.arange(len(labels)), labels].mean())


def solve_threshold(
    labels: HeldOutLabels, *, rate: float, confidence: float, default: float
) -> Thresholds:
    """The lowest threshold of the grid whose leak rate is at most `rate`, with `confidence`.

    The evidence is the upper bound of the share of violations among the labels that pass (Clopper
    and Pearson 1934, Biometrika 26:404). If there is none, the default, with a source that says
    why: `TOO_LEAKY` if the labels show that the default leaks more than `rate` (its lower bound
    exceeds it), otherwise `TOO_FEW`.

    The labels' scores are calibrated, of photos that nothing was fitted on except, at most, the
    temperature; a weight is the number of commerce photos that a label represents. `rate` is the
    maximum share of violations among passed photos, `confidence`, 0.5..1, that of the statement as
    a whole, `default` the policy's threshold.
    """
    weights = labels.weights
    passed, leaked = np.array([labels.counts(t) for t in (*GRID, default)]).T
    upper = _upper_bounds(passed, leaked, confidence)
    solutions = np.flatnonzero(upper <= rate)
    if not solutions.size:
        source = _explain_failure(passed, leaked, len(weights), rate=rate, confidence=confidence)
        return Thresholds(pass_confidence=default, source=source)
    lowest = int(solutions[0])
    return Thresholds(
        pass_confidence=GRID[lowest],
        source=f"{SOLVED}: leak rate at most {rate:.1%} with confidence {confidence:.0%}",
        evidence=LeakEvidence(
            target_rate=rate,
            confidence=confidence,
            photos=len(weights),
            passed=float(passed[lowest]),
            leaked=float(leaked[lowest]),
            upper_bound=float(upper[lowest]),
            review_rate=labels.review_share(GRID[lowest]),
        ),
    )


def keep_review_share(
    thresholds: Thresholds, violation_scores: Floats, weights: Floats, *, share: float
) -> Thresholds:
    """The lowest threshold at which at least this share of the photos (N,) does not pass.

    For a version that leaks more than the bound at every threshold, but less than its champion: it
    then costs reviewers no less work than now. The threshold given stays if it is the safer one.
    """
    steps = np.arange(GRID[0], 1.0, STEP).round(2)
    reached = [float(t) for t in steps if review_share(violation_scores, weights, t) >= share]
    lowest = reached[0] if reached else 1.0
    if lowest <= thresholds.pass_confidence:
        return thresholds
    # An int8 variant may have another reason than its version, whose bound is not met.
    reason = thresholds.source.removeprefix(f"{TOO_LEAKY}: ").removeprefix(f"{TOO_FEW}: ")
    return Thresholds(pass_confidence=lowest, source=f"{KEPT_REVIEW_SHARE}: {reason}")


def _explain_failure(
    passed: Floats, leaked: Floats, photos: int, *, rate: float, confidence: float
) -> str:
    default_leaks = lower_bound(leaked[-1:], passed[-1:], confidence)[0] > rate
    upper = _upper_bounds(passed, leaked, confidence)
    required = math.ceil(math.log(1.0 - bonferroni(confidence)) / math.log(1.0 - rate))
    nearest = int(upper.argmin())
    return (
        f"{TOO_LEAKY if default_leaks else TOO_FEW}: no threshold is shown to leak at most "
        f"{rate:.1%} with confidence {confidence:.0%} ({required:,} passed labels without a leak "
        f"would show it); nearest is {GRID[nearest]:g}, where {passed[nearest]:,.1f} of "
        f"{photos:,} held-out labels pass and {leaked[nearest]:,.1f} of them leak: "
        f"up to {upper[nearest]:.1%}"
    )


def _upper_bounds(passed: Floats, leaked: Floats, confidence: float) -> Floats:
    """Upper bounds of the leak rates on the grid; all of them hold together with `confidence`."""
    return upper_bound(leaked[:-1], passed[:-1], bonferroni(confidence))


def bonferroni(confidence: float) -> float:
    """Confidence of each bound on the grid, of which all are to hold together.

    A threshold that is selected by the labels looks good by chance.
    """
    return 1.0 - (1.0 - confidence) / len(GRID)
