"""Scores of photos that have one or more squares, and what they detect at 5 % false alarms."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ml.models.training.head import LabelledFeatures, fit_out_of_fold

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

FALSE_ALARMS = 0.05
_INVERSE_PENALTY = 0.01


@dataclass(frozen=True)
class Rows:
    """Features of M squares (M, F), and the index of the photo of each, ascending."""

    features: npt.NDArray[np.float32]
    owners: Ints


def score_out_of_fold(rows: Rows, targets: Ints, folds: Ints) -> Floats:
    """The violation score of each photo: that of its worst square, by heads that saw no near copy.

    Where violations have several squares, the mark may be in one of them only: the heads are fitted
    again to the worst one of each violation.
    """
    owners = rows.owners
    weights = 1 / np.bincount(owners)[owners]
    scores = _fit(rows, targets, folds, weights)
    if len(owners) > len(targets):
        worst = scores == _max_of_photo(scores, owners, len(targets))[owners]
        weights = np.where(targets[owners] > 0, worst.astype(float), weights)
        scores = _fit(rows, targets, folds, weights)
    return _max_of_photo(scores, owners, len(targets))


def _fit(rows: Rows, targets: Ints, folds: Ints, weights: Floats) -> Floats:
    photos = LabelledFeatures(rows.features, targets[rows.owners], weights)
    logits = fit_out_of_fold(photos, folds[rows.owners], 2, _INVERSE_PENALTY, balanced=True)
    if logits is None:
        raise SystemExit("too few photos of a class to hold some out: name a larger folder")
    difference: Floats = logits[:, 1] - logits[:, 0]
    return difference


def _max_of_photo(scores: Floats, owners: Ints, photos: int) -> Floats:
    found = np.full(photos, -np.inf)
    np.maximum.at(found, owners, scores)
    return found


def detect(scores: Floats, normal: Bools) -> Bools:
    """Which photos are above the score that 5 % of the normal photos exceed."""
    found: Bools = scores > np.quantile(scores[normal], 1 - FALSE_ALARMS)
    return found


def compare(detected: Floats, reference: Floats) -> tuple[float, float]:
    """Mean difference of paired shares (N,), and half of its 95 % interval."""
    difference = detected - reference
    return float(difference.mean()), float(1.96 * difference.std() / len(difference) ** 0.5)
