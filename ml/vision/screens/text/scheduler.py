"""Which photos are read when the OCR budget covers only some of them."""

import threading
import time
from bisect import bisect_right, insort
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from ml.core.budget import Budget

EXPECTED_SECONDS = 0.3  # per photo, until some were measured; measured: 0.2 to 0.64 s of a core
_EXPECTATION_WEIGHT = 5  # number of measured photos that the expectation counts as


class OcrAdmission(Protocol):
    """Decides which photos are read, and measures what each one costs."""

    def admits(self, likelihood: float) -> bool:
        """Whether a photo with this text likelihood (0..1) is read; counts the photo as seen."""
        ...  # pragma: no cover - a protocol's method has no body

    def charge(self) -> AbstractContextManager[None]:
        """Charge the time of the block, in which one photo is read, to the budget."""
        ...  # pragma: no cover - a protocol's method has no body


class OcrScheduler:
    """Spends a budget on the photos with the highest text likelihoods. Thread-safe.

    Args:
        budget: seconds of CPU time.
        expected_seconds: expected cost of one photo.
    """

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

    def record_cost(self, seconds: float) -> None:
        """Include the cost of one photo in the mean."""
        with self._lock:
            self._seconds += seconds
            self._photos += 1

    @contextmanager
    def charge(self) -> Iterator[None]:
        """Charge the CPU time of the block; it enters the mean cost only if the block succeeds."""
        start = time.thread_time()
        with self.budget.charge_time():
            yield
        self.record_cost(time.thread_time() - start)
