"""Fit a network's head: a logistic regression on frozen features, with out-of-fold logits.

The penalty is selected by the log loss of the same out-of-fold logits; nine penalties on the same
folds flatter the best one by less than the folds differ.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression
from torch import nn

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

# scikit-learn's C, from a strong penalty to a weak one in factors of the square root of 10.
INVERSE_PENALTIES = tuple(np.geomspace(1e-4, 1.0, 9).tolist())
# For too few photos to cross-validate. There are as many features as photos: a weak penalty would
# fit single photos.
FALLBACK_INVERSE_PENALTY = 0.01
_MAX_ITERATIONS = 2000
_ROUNDING = 1e-6  # of a feature's largest value: below it, float32 only rounds a constant
_UNKNOWN = -20.0  # logit of a class that the regression saw no photo of
_TWO = 2  # classes, and folds, that are the least to fit and to hold out


@dataclass(frozen=True)
class LabelledFeatures:
    """Features of N photos, (N, F), their class indices and their weights in the loss, (N,).

    A photo of weight 0 is not fitted.
    """

    features: npt.NDArray[np.floating]
    targets: Ints
    weights: Floats

    def subset(self, rows: Bools) -> "LabelledFeatures":
        """The photos of these rows that have a weight."""
        return self.take(np.flatnonzero(rows & (self.weights > 0)))

    def take(self, rows: Ints) -> "LabelledFeatures":
        """The photos at these rows."""
        return LabelledFeatures(self.features[rows], self.targets[rows], self.weights[rows])


@dataclass(frozen=True)
class Head:
    """Rows of a linear layer: logits are `features @ weight.T + bias`.

    `weight` (C, F) and `bias` (C,) are of all classes; `fitted` are those with a photo.
    """

    weight: Floats
    bias: Floats
    fitted: Ints
    inverse_penalty: float

    def logits(self, features: npt.NDArray[np.floating]) -> Floats:
        """Logits (N, C) of features (N, F)."""
        found: Floats = features.astype(np.float64) @ self.weight.T + self.bias
        return found

    def copy_to(self, head: nn.Linear) -> None:
        """Set the layer's rows of the fitted classes; the others keep theirs."""
        rows = torch.from_numpy(self.fitted)
        with torch.no_grad():
            head.weight[rows] = torch.from_numpy(self.weight[self.fitted]).to(head.weight)
            head.bias[rows] = torch.from_numpy(self.bias[self.fitted]).to(head.bias)


def fit_head(
    photos: LabelledFeatures, classes: int, *, inverse_penalty: float, balanced: bool
) -> Head | None:
    """Fit the head; None where fewer than two classes have photos.

    `balanced` gives each class the same total weight. The mean weight is 1, so that a penalty means
    the same whatever the weights are.
    """
    photos = photos.subset(np.ones(len(photos.targets), bool))
    found = np.unique(photos.targets)
    if len(found) < _TWO:
        return None
    weights = _balance(photos) if balanced else photos.weights
    features = photos.features.astype(np.float64)
    mean, scale = features.mean(axis=0), _scale(features)
    regression = LogisticRegression(C=inverse_penalty, max_iter=_MAX_ITERATIONS)
    regression.fit(
        (features - mean) / scale, photos.targets, sample_weight=weights / weights.mean()
    )
    rows = _row_per_class(np.asarray(regression.coef_)) / scale
    biases = _row_per_class(np.asarray(regression.intercept_)[:, None])[:, 0] - rows @ mean
    weight, bias = np.zeros((classes, rows.shape[1])), np.full(classes, _UNKNOWN)
    weight[found], bias[found] = rows, biases
    return Head(weight, bias, found, inverse_penalty)


def _scale(features: Floats) -> Floats:
    """The divisor of each feature (N, F), (F,): its standard deviation, shrunk toward the median.

    The penalty should treat features alike, but one that is nearly constant in a few hundred photos
    is noise: divided by its own deviation it would count as much as the others. Measured in
    benchmarks/results/pretrained_weights.md.
    """
    deviation = features.std(axis=0)
    deviation[deviation <= _ROUNDING * np.abs(features).max(axis=0)] = 0.0
    scale: Floats = np.sqrt((deviation**2 + np.median(deviation) ** 2) / 2)
    return np.where(scale > 0, scale, 1.0)


@dataclass(frozen=True)
class CrossFittedHead:
    """The head of all photos, and logits (N, C) of each by a head that saw none of its fold."""

    head: Head
    logits: Floats


class Selection(Protocol):
    """The photos to fit to, where only some of the labelled ones are kept."""

    def add_to(self, photos: LabelledFeatures, kept: Bools, /) -> LabelledFeatures:
        """The kept photos, and others that nothing of the rest has influenced."""


class KeptOnly:
    """No photos but those that are kept."""

    def add_to(self, photos: LabelledFeatures, kept: Bools, /) -> LabelledFeatures:
        """The kept photos."""
        return photos.subset(kept)


KEPT_ONLY = KeptOnly()


def cross_fit_head(
    photos: LabelledFeatures,
    folds: Ints,
    classes: int,
    *,
    balanced: bool,
    selection: Selection = KEPT_ONLY,
) -> CrossFittedHead | None:
    """Select the penalty and fit the head; None where fewer than two classes have photos.

    `folds` (N,) are the numbers of the photos' folds. Without two folds that can each be held out
    the penalty is a fixed one, and the logits are those of the head itself.
    """
    best: tuple[float, float, Floats] | None = None
    for inverse_penalty in INVERSE_PENALTIES:
        logits = fit_out_of_fold(
            photos, folds, classes, inverse_penalty, balanced=balanced, selection=selection
        )
        if logits is None:
            break
        loss = _log_loss(logits, photos, balanced=balanced)
        if best is None or loss < best[0]:
            best = loss, inverse_penalty, logits
    inverse_penalty = best[1] if best else FALLBACK_INVERSE_PENALTY
    everything = selection.add_to(photos, np.ones(len(folds), bool))
    head = fit_head(everything, classes, inverse_penalty=inverse_penalty, balanced=balanced)
    if head is None:
        return None
    return CrossFittedHead(head, best[2] if best else head.logits(photos.features))


def fit_out_of_fold(
    photos: LabelledFeatures,
    folds: Ints,
    classes: int,
    inverse_penalty: float,
    *,
    balanced: bool,
    selection: Selection = KEPT_ONLY,
) -> Floats | None:
    """Logits (N, C), each by a head that saw none of its fold; None if a fold leaves one class."""
    numbers = np.unique(folds)
    if len(numbers) < _TWO:
        return None
    logits = np.empty((len(photos.targets), classes))
    for number in numbers:
        held_out = folds == number
        kept = selection.add_to(photos, ~held_out)
        head = fit_head(kept, classes, inverse_penalty=inverse_penalty, balanced=balanced)
        if head is None:
            return None
        logits[held_out] = head.logits(photos.features[held_out])
    return logits


def _log_loss(logits: Floats, photos: LabelledFeatures, *, balanced: bool) -> float:
    """Weighted as in the fit: otherwise the larger class would select an overconfident head."""
    chosen = log_softmax(logits, axis=1)[np.arange(len(logits)), photos.targets]
    weights = _balance(photos) if balanced else photos.weights
    return float(-np.average(chosen, weights=weights))


def _balance(photos: LabelledFeatures) -> Floats:
    """The weights, such that each class with a photo has the same total."""
    totals = np.bincount(photos.targets, photos.weights)
    found: Floats = photos.weights / totals[photos.targets]
    return found


def _row_per_class(coefficients: Floats) -> Floats:
    """One row per class: for two classes scikit-learn returns only their difference."""
    if len(coefficients) > 1:
        return coefficients
    return np.concatenate([-coefficients, coefficients]) / 2
