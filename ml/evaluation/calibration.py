"""Temperature scaling (Guo et al. 2017, arXiv:1706.04599): a score that means what it says."""

import math

import numpy as np
import numpy.typing as npt
from scipy.optimize import (
    minimize_scalar,
)
from scipy.special import (
    log_softmax,
    softmax,
)

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# Perfectly separated photos would drive T to 0 and every confidence to 1; a network that knows
# nothing would drive it to infinity. Both ends are held at a factor that real networks stay within.
LOWEST, HIGHEST = 0.25, 10.0
# Fewer photos tell more about their own luck than about the network.
FEWEST_PHOTOS = 20


def fit_temperature(logits: Floats, labels: Ints) -> float:
    """The T in [0.25, 10] with the least negative log-likelihood of softmax(logits / T).

    The likeliest class is the same for every T. 1.0 (no change) with fewer than 20 photos.

    Args:
        logits: (N, C), finite, of photos that the network was not trained on.
        labels: (N,), index of the true class.
    """
    if len(labels) < FEWEST_PHOTOS:
        return 1.0
    rows = np.arange(len(labels))

    def mean_nll(log_temperature: float) -> float:
        scaled = log_softmax(logits / math.exp(log_temperature), axis=1)
        return float(-scaled[rows, labels].mean())

    bounds = (math.log(LOWEST), math.log(HIGHEST))
    best = minimize_scalar(mean_nll, bounds=bounds, method="bounded", options={"xatol": 1e-4})
    return float(math.exp(best.x))


def calibrated(logits: Floats, temperature: float) -> Floats:
    """(N, C) logits -> (N, C) probabilities, rows summing to 1."""
    probabilities: Floats = softmax(np.asarray(logits, dtype=np.float64) / temperature, axis=1)
    return probabilities
