"""Deterministic sampling with a keyed hash, and exact binomial bounds."""

import hashlib

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv

Floats = npt.NDArray[np.float64]
_BYTES = 8
# `betaincinv` has the quantiles of the beta distribution; scipy.stats takes a second to load.


def keyed_uniform(key: bytes, *parts: object) -> float:
    """Map values to a uniform number in [0, 1); the first one names the purpose.

    Without the key, the secret `moderation.sampling_key`, nobody can predict what is sampled.
    """
    text = "\x1f".join(str(part) for part in parts)
    digest = hashlib.blake2b(text.encode(), digest_size=_BYTES, key=key).digest()
    return float(int.from_bytes(digest) / 256**_BYTES)


def upper_bound(leaked: Floats, passed: Floats, confidence: float) -> Floats:
    """One-sided Clopper-Pearson upper bound of leaked / passed; 1 where nothing passed."""
    clean = passed - leaked
    bound = betaincinv(leaked + 1.0, np.where(clean > 0.0, clean, 1.0), confidence)
    return np.where(clean > 0.0, bound, 1.0)


def lower_bound(leaked: Floats, passed: Floats, confidence: float) -> Floats:
    """One-sided Clopper-Pearson lower bound of leaked / passed; 0 where nothing leaked."""
    positive = np.where(leaked > 0.0, leaked, 1.0)
    bound = betaincinv(positive, passed - leaked + 1.0, 1.0 - confidence)
    return np.where(leaked > 0.0, bound, 0.0)
