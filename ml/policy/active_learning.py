"""Active learning: passed photos are drawn for review by what their labels would teach.

Poisson sampling: each photo has a rate, its probability of being drawn, which is recorded with its
label. Weighted by 1 / rate, the labels represent all passed photos, however unequal the rates are
(Horvitz and Thompson 1952, doi:10.1080/01621459.1952.10483446).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ml.policy.spot_check import SampleDraw

# The spot check's share is at most 0.5, too: one uniform number, whose lower end it draws and whose
# upper end is drawn here, then never draws a photo twice, whatever the shares of later runs are.
MAX_RATE = 0.5
# The minimum rate, relative to the policy's share: photos that are never drawn would not be
# represented by any label.
MIN_RELATIVE_RATE = 0.1
_MIN_UNCERTAINTY = 0.1  # of a photo on which score and decided photos agree
_TINY = 1e-12  # against division by zero

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class PassedPhoto:
    """What the verdict on a passed photo recorded.

    `violating_share` (0..1) of the nearest decided photos are violations, and `similarity` (-1..1)
    is the mean similarity to them; None where the run did not compare with decided photos. Photos
    with the same number `group` are near duplicates.
    """

    violation_score: float
    pass_confidence: float
    violating_share: float | None
    similarity: float | None
    group: int


def learning_rates(photos: Sequence[PassedPhoto], share: float) -> list[float]:
    """The probability of each photo to be drawn, 0 < rate <= MAX_RATE; all 0 if `share` is 0.

    In proportion to the value of its label, so that at most about `share` of the photos are drawn:
    what exceeds MAX_RATE is not given to the others.
    """
    if not photos or share == 0:
        return [0.0] * len(photos)
    values = _value_labels(photos)
    rates: list[float] = np.clip(
        share * values / values.mean(), share * MIN_RELATIVE_RATE, MAX_RATE
    ).tolist()
    return rates


def choose_route(sample: SampleDraw, *, spot_check_share: float, rate: float) -> str | None:
    """The route that draws a settled photo, if one does: never two, as both are at most 0.5."""
    if sample.selection < spot_check_share:
        return "spot_check"
    return "active_learning" if 1.0 - sample.selection < rate else None


def _value_labels(photos: Sequence[PassedPhoto]) -> Floats:
    """Uncertainty times the square of unfamiliarity; measured by `benchmarks/active_learning.py`.

    A photo is uncertain if its score is close to the threshold, or other than what reviewers
    decided about similar ones. Near duplicates teach the same: they share the value of one photo.
    """
    scores = np.array([photo.violation_score for photo in photos])
    thresholds = 1.0 - np.array([photo.pass_confidence for photo in photos])
    closeness = np.clip(scores / np.maximum(thresholds, _TINY), 0.0, 1.0)
    shares = np.array([photo.violating_share for photo in photos], np.float64)
    disagreement = np.where(np.isnan(shares), 0.0, np.abs(shares - scores))
    uncertainty = np.sqrt(_MIN_UNCERTAINTY**2 + closeness**2 + disagreement**2)
    groups = np.unique([photo.group for photo in photos], return_inverse=True)[1]
    values: Floats = uncertainty * _unfamiliarity(photos) ** 2 / np.bincount(groups)[groups]
    return values + _TINY


def _unfamiliarity(photos: Sequence[PassedPhoto]) -> Floats:
    """1 - similarity; of a photo without one the others' mean, so that it counts as usual."""
    similarities = np.array([photo.similarity for photo in photos], np.float64)
    known = ~np.isnan(similarities)
    usual = similarities[known].mean() if known.any() else 0.0
    found: Floats = 1.0 - np.minimum(np.where(known, similarities, usual), 1.0)
    return found
