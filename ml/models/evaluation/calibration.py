"""Calibration by temperature scaling (Guo et al. 2017, arXiv:1706.04599)."""

import math

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# Perfectly separated classes would drive T to 0 and every confidence to 1, random predictions would
# drive it to infinity. Real networks stay within these bounds.
MIN_TEMPERATURE, MAX_TEMPERATURE = 0.25, 10.0
# Below this sample size the estimate is dominated by noise.
MIN_PHOTOS = 20


def fit_temperature(logits: Floats, labels: Ints) -> float:
    """Fit the T in [0.25, 10] with the lowest negative log-likelihood of softmax(logits / T).

    The predicted class is the same for every T. Returns 1.0 (no change) for fewer than 20 photos.

    Args:
        logits: (N, C), finite, of photos that the network was not trained on.
        labels: (N,), index of the true class.
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


def apply_temperature(logits: Floats, temperature: float) -> Floats:
    """Calibrated probabilities (N, C) of logits (N, C); each row sums to 1."""
    probabilities: Floats = softmax(np.asarray(logits, dtype=np.float64) / temperature, axis=1)
    return probabilities
