"""Measures of a ranking by violation score, for a stream with few violations."""

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score, roc_curve

FALSE_POSITIVES = 0.05
REVIEWED = 0.05  # share of the stream that is reviewed
PREVALENCE = 0.02  # share of violations in the stream


def measure_ranking(
    is_violation: npt.NDArray[np.bool_], scores: npt.NDArray[np.floating]
) -> dict[str, float]:
    """Return `area` under the ROC curve, `recall` at 5 % false positives, and `leak`.

    `leak` is the share of violations among the photos that pass if the top 5 % of a stream with 2 %
    violations are reviewed: the test photos have many more, so both rates of the curve are weighted
    by the stream's shares. All are 0..1; between two thresholds the curve is a line.
    """
    false_positives, recall, _ = roc_curve(is_violation, scores)
    reviewed = PREVALENCE * recall + (1 - PREVALENCE) * false_positives
    missed = 1 - float(np.interp(REVIEWED, reviewed, recall))
    return {
        "area": float(roc_auc_score(is_violation, scores)),
        "recall": float(np.interp(FALSE_POSITIVES, false_positives, recall)),
        "leak": PREVALENCE * missed / (1 - REVIEWED),
    }
