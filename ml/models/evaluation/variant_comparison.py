"""Compare a quantized variant with its version on the same held-out photos."""

import math
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
from scipy.stats import rankdata

from ml.core.stats import Floats
from ml.models.evaluation.held_out_labels import passes
from ml.models.evaluation.metrics import Bools
from ml.policy.retraining import Int8Margins

RESAMPLES = 1000
_LEVEL = 0.05  # of each one-sided bound


@dataclass(frozen=True)
class VariantComparison:
    """The variant's figures minus the version's, with bounds of confidence 95 %.

    `area_difference` is of the areas under the ROC curve, `area_low` its lower bound;
    `leak_difference` is of the leak rates if as many photos pass, `leak_high` its upper bound. NaN
    where the photos are all violations, or none, or where the variant has no threshold.
    """

    photos: float
    area_difference: float
    area_low: float
    leak_difference: float
    leak_high: float
    review_share: float  # of the version, at its threshold
    variant_review_share: float  # at its own

    def find_objection(self, margins: Int8Margins) -> Literal["area", "leak"] | None:
        """What may be worse by more than the margins; None: the variant is shown not to be."""
        if not self.area_low >= -margins.area_margin:  # true for NaN
            return "area"
        return None if self.leak_high <= margins.leak_margin else "leak"

    def as_dict(self) -> dict[str, float]:
        """The figures that are known, for the card."""
        return {name: value for name, value in asdict(self).items() if not math.isnan(value)}


def compare_variant(
    version: Floats,
    variant: Floats,
    is_violation: Bools,
    *,
    pass_confidence: float,
    variant_pass_confidence: float | None,
    seed: int = 0,
) -> VariantComparison:
    """Compare the violation scores (N,) of a variant with those of its version, by bootstrap.

    The photos are drawn again, the same for both. Each has a threshold of its own.
    """
    photos = len(is_violation)
    drawn = np.random.default_rng(seed).integers(0, photos, (RESAMPLES, photos))
    drawn[0] = np.arange(photos)  # the photos themselves
    passed = passes(version, pass_confidence)
    # As many of the variant's photos pass, those with the lowest violation scores.
    also_passed = np.zeros(photos, dtype=bool)
    also_passed[np.argsort(variant, kind="stable")[: passed.sum()]] = True
    leaks = (also_passed & is_violation).astype(float) - (passed & is_violation)
    with np.errstate(invalid="ignore", divide="ignore"):  # a sample of one kind of photo
        areas = _areas(variant[drawn], is_violation[drawn]) - _areas(
            version[drawn], is_violation[drawn]
        )
        leak_rates = leaks[drawn].sum(axis=1) / np.maximum(1, passed[drawn].sum(axis=1))
    both = is_violation.any() and not is_violation.all()
    return VariantComparison(
        photos=photos,
        area_difference=float(areas[0]),
        area_low=float(np.nanquantile(areas, _LEVEL)) if both else float("nan"),
        leak_difference=float(leak_rates[0]),
        leak_high=float(np.quantile(leak_rates, 1 - _LEVEL)),
        review_share=_review_share(version, pass_confidence),
        variant_review_share=_review_share(variant, variant_pass_confidence),
    )


def _review_share(scores: Floats, pass_confidence: float | None) -> float:
    if pass_confidence is None:
        return float("nan")
    return float(1 - passes(scores, pass_confidence).mean())


def _areas(scores: Floats, positive: Bools) -> Floats:
    """Areas under the ROC curves of samples (R, N): the Mann-Whitney statistic."""
    ranks = rankdata(scores, axis=1)
    positives = positive.sum(axis=1)
    above = (ranks * positive).sum(axis=1) - positives * (positives + 1) / 2
    areas: Floats = above / (positives * (positive.shape[1] - positives))
    return areas
