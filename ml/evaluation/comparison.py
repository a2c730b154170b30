"""Two versions on the same photos: is the difference more than luck?"""

import math
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import (
    binomtest,
)

Bools = npt.NDArray[np.bool_]

_CONFIDENCE = 0.95  # of the interval


@dataclass(frozen=True)
class PairedTest:
    """Candidate against champion on the same photos.

    `gained` photos only the candidate got right, `lost` only the champion. `difference` is the
    share right of the candidate less that of the champion, -1..1, with its 95 % interval `low` to
    `high`; `p_value` is two-sided.
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


def paired(candidate_right: Bools, champion_right: Bools) -> PairedTest:
    """Compare two versions photo by photo.

    The test is McNemar's, exact (1947, Psychometrika 12:153): were the two alike, each photo that
    only one of them got right would be a fair coin. Without photos nothing is known: difference
    0, interval -1..1, p 1.

    Args:
        candidate_right: (N,).
        champion_right: (N,), of the same photos in the same order.
    """
    photos = len(candidate_right)
    gained = int((candidate_right & ~champion_right).sum())
    lost = int((champion_right & ~candidate_right).sum())
    low, high = _interval(photos, gained, lost)
    return PairedTest(
        photos=photos,
        gained=gained,
        lost=lost,
        difference=(gained - lost) / photos if photos else 0.0,
        low=low,
        high=high,
        p_value=float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0,
    )


def _interval(photos: int, gained: int, lost: int) -> tuple[float, float]:
    """Agresti and Min 2005 (Statistics in Medicine 24:729): Wald with half a photo more a cell.

    Unlike the plain Wald interval it keeps its width where the two versions never differ.
    """
    if not photos:
        return -1.0, 1.0
    z = NormalDist().inv_cdf(0.5 + _CONFIDENCE / 2.0)
    total = photos + 2.0
    centre = (gained - lost) / total
    half = z * math.sqrt((gained + lost + 1.0) / total - centre**2) / math.sqrt(total)
    return max(-1.0, centre - half), min(1.0, centre + half)
