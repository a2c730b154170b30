"""Compare a quantized variant with its version on the same held-out photos."""

from dataclasses import asdict, dataclass

import numpy as np
from scipy.stats import rankdata

from ml.core.stats import Floats
from ml.models.evaluation.calibration import passes
from ml.models.evaluation.metrics import Bools

RESAMPLES = 1000
_LEVEL = 0.05  # of each one-sided bound


@dataclass(frozen=True)
class VariantComparison:
    """The variant's figures minus the version's, with bounds of confidence 95 %.

    `area_difference` is of the areas under the ROC curve, `area_low` its lower bound;
    `leak_difference` is of the leak rates if as many photos pass, `leak_high` its upper bound. NaN
    where the photos are all violations, or none.
    """

    photos: float
    area_difference: float
    area_low: float
    leak_difference: float
    leak_high: float
    review_share: float  # of the version, at its threshold

    def find_objection(self, *, area_margin: float, leak_margin: float) -> str | None:
        """Why the variant is not allowed; None: it is shown to be worse by the margins at most."""
        if not self.area_low >= -area_margin:  # true for NaN
            return (
                f"the area under the ROC curve may fall by {-self.area_low:.4f}, at most "
                f"{area_margin:g} is allowed"
            )
        if not self.leak_high <= leak_margin:
            return (
                f"the leak rate at an equal review share may rise by {self.leak_high:.4f}, at most "
                f"{leak_margin:g} is allowed"
            )
        return None

    def as_dict(self) -> dict[str, float]:
        """The figures, for the card."""
        return asdict(self)


def compare_variant(
    version: Floats,
    variant: Floats,
    is_violation: Bools,
    *,
    pass_confidence: float,
    seed: int = 0,
) -> VariantComparison:
    """Compare the violation scores (N,) of a variant with those of its version, by bootstrap.

    The photos are drawn again, the same for both. `pass_confidence` is the version's threshold.
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
        review_share=float(1 - passed.mean()),
    )


def _areas(scores: Floats, positive: Bools) -> Floats:
    """Areas under the ROC curves of samples (R, N): the Mann-Whitney statistic."""
    ranks = rankdata(scores, axis=1)
    positives = positive.sum(axis=1)
    above = (ranks * positive).sum(axis=1) - positives * (positives + 1) / 2
    areas: Floats = above / (positives * (positive.shape[1] - positives))
    return areas
