"""How much review buys how few leaks, by threshold; and how many labels would prove a bound."""

import math
from dataclasses import dataclass

import numpy as np

from ml.core.stats import lower_bound, upper_bound
from ml.models.evaluation.calibration import GRID, MIN_PHOTOS, bonferroni
from ml.models.evaluation.held_out_labels import HeldOutLabels

CONFIDENCE = 0.95  # of each interval, by itself
MAX_LABELS = 1_000_000


@dataclass(frozen=True)
class LeakPoint:
    """A threshold with what it costs and lets through.

    `review_share` is the weighted share of the photos that do not pass, `leak_rate` that of the
    violations among those that pass, with its 95 % interval `low` to `high`; all 0..1. Where
    nothing passes, the rate is 0 and the interval says nothing.
    """

    pass_confidence: float
    review_share: float
    leak_rate: float
    low: float
    high: float


def leak_curve(labels: HeldOutLabels) -> list[LeakPoint]:
    """The points of the grid, lowest threshold first."""
    return [measure(labels, threshold) for threshold in GRID]


def measure(labels: HeldOutLabels, threshold: float) -> LeakPoint:
    """The point of a threshold."""
    passed, leaked = (np.array([count]) for count in labels.counts(threshold))
    one_sided = 1.0 - (1.0 - CONFIDENCE) / 2.0
    return LeakPoint(
        threshold,
        labels.review_share(threshold),
        float(leaked[0] / passed[0]) if passed[0] else 0.0,
        float(lower_bound(leaked, passed, one_sided)[0]),
        float(upper_bound(leaked, passed, one_sided)[0]),
    )


def count_needed_labels(labels: HeldOutLabels, *, rate: float, confidence: float) -> int | None:
    """About how many labels in all would prove the bound, if they are like these.

    That is at the threshold that needs the fewest of them; None: at every threshold these labels
    leak more than `rate`, fewer than MIN_PHOTOS pass, or MAX_LABELS would not prove it.
    """
    needed = [_count_needed(labels, threshold, rate, confidence) for threshold in GRID]
    found = [number for number in needed if number is not None]
    return min(found) if found else None


def leaks_everywhere(labels: HeldOutLabels, *, rate: float) -> bool:
    """Whether these labels leak at least `rate` at every threshold at which some pass."""
    counts = [labels.counts(threshold) for threshold in GRID]
    passing = [(passed, leaked) for passed, leaked in counts if passed]
    return bool(passing) and all(leaked >= rate * passed for passed, leaked in passing)


def _count_needed(
    labels: HeldOutLabels, threshold: float, rate: float, confidence: float
) -> int | None:
    passed, leaked = labels.counts(threshold)
    if passed < MIN_PHOTOS or leaked / passed >= rate:
        return None
    per_passed = len(labels.weights) / passed  # labels for one that passes
    low, high = 0, 1
    while not _is_proven(high, leaked / passed, rate, confidence):
        low, high = high, 2 * high
        if high * per_passed > MAX_LABELS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        proven = _is_proven(middle, leaked / passed, rate, confidence)
        low, high = (low, middle) if proven else (middle, high)
    return math.ceil(high * per_passed)


def _is_proven(passed: int, leak_rate: float, rate: float, confidence: float) -> bool:
    counts = np.array([leak_rate * passed]), np.array([float(passed)])
    return bool(upper_bound(*counts, bonferroni(confidence))[0] <= rate)
