"""Random choices from a numpy generator."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

Rng = np.random.Generator
Option = TypeVar("Option")


def chance(rng: Rng, probability: float) -> bool:
    """Return True with the given probability (0..1)."""
    return bool(rng.random() < probability)


def uniform(rng: Rng, low: float, high: float) -> float:
    """Return a uniform random number in [low, high)."""
    return float(rng.uniform(low, high))


def integer(rng: Rng, low: int, high: int) -> int:
    """Return a uniform random integer in low..high, both included."""
    return int(rng.integers(low, high + 1))


def choice(rng: Rng, options: Sequence[Option]) -> Option:
    """Return one of the options with equal probability."""
    return options[int(rng.integers(len(options)))]
