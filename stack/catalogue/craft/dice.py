"""Small random choices, so that drawing code reads as what it draws."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

Rng = np.random.Generator
Option = TypeVar("Option")


def chance(rng: Rng, probability: float) -> bool:
    """Return True with the given probability (0..1)."""
    return bool(rng.random() < probability)


def between(rng: Rng, low: float, high: float) -> float:
    """Return a number drawn evenly from [low, high)."""
    return float(rng.uniform(low, high))


def whole(rng: Rng, low: int, high: int) -> int:
    """Return a whole number drawn evenly from low..high, both included."""
    return int(rng.integers(low, high + 1))


def pick(rng: Rng, options: Sequence[Option]) -> Option:
    """Return one of the options, each as likely as the others."""
    return options[int(rng.integers(len(options)))]
