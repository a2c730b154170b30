"""Which photos the expensive OCR reads: a budget covers the likeliest ones."""

import threading
import time
from bisect import bisect_right, insort
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from ml.core.budget import Budget

EXPECTED_SECONDS = 0.3  # of OCR per photo, until some were measured: 0.2 to 0.64 s of a core
_EXPECTATION_WEIGHT = 5  # number of measured photos that the expectation counts as


@dataclass(frozen=True)
class OcrCost:
    """What reading one photo took: wall-clock and CPU seconds; whether it succeeded."""

    wall_seconds: float
    cpu_seconds: float
    succeeded: bool


class OcrAdmission(Protocol):
    """Decides which photos are read, by what each one costs."""

    def admits(self, likelihood: float) -> bool:
        """Whether a photo with this text likelihood (0..1) is read; counts the photo as seen."""
        ...  # pragma: no cover - a protocol's method has no body

    def add_cost(self, cost: OcrCost) -> None:
        """Charge what reading one photo took to the budget."""
        ...  # pragma: no cover - a protocol's method has no body


class _Charged(Protocol):
    def add_cost(self, cost: OcrCost) -> None: ...  # pragma: no cover - no body


@contextmanager
def charge(admission: "_Charged") -> Iterator[None]:
    """Charge the time of the block, in which one photo is read, even if it raises.

    CPU time of the thread: parallel to a forward pass, the wall clock shows three times as much.
    """
    start, cpu, succeeded = time.monotonic(), time.thread_time(), False
    try:
        yield
        succeeded = True
    finally:
        seconds = time.monotonic() - start, time.thread_time() - cpu
        admission.add_cost(OcrCost(*seconds, succeeded))


class OcrScheduler:
    """Spends a budget of CPU seconds on the photos with the highest likelihoods. Thread-safe."""

    def __init__(self, budget: Budget, expected_seconds: float = EXPECTED_SECONDS) -> None:
        self.budget = budget
        self._likelihoods: list[float] = []  # of all photos seen, ascending
        self._seconds = expected_seconds * _EXPECTATION_WEIGHT
        self._photos = float(_EXPECTATION_WEIGHT)
        self._lock = threading.Lock()

    def admits(self, likelihood: float) -> bool:
        """Whether the budget covers this photo and all likelier ones; counts it as seen."""
        with self._lock:
            insort(self._likelihoods, likelihood)
            # Of equal likelihoods the first are read: many photos share the maximum.
            rank = len(self._likelihoods) - bisect_right(self._likelihoods, likelihood) + 1
            affordable = self.budget.earned / (self._seconds / self._photos)
        return not self.budget.exhausted and rank <= affordable

    def add_cost(self, cost: OcrCost) -> None:
        """Charge the CPU time; that of a failure does not enter the mean cost of a photo."""
        self.budget.spend(cost.cpu_seconds)
        if cost.succeeded:
            with self._lock:
                self._seconds += cost.cpu_seconds
                self._photos += 1
