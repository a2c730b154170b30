"""Which photos a budget is spent on: those that rank highest among what a shard has shown so far.

A shard streams by, so nothing can be sorted first. A photo is taken when its rank among all photos
seen lies within what the budget earned so far pays for.
"""

import threading
import time
from bisect import bisect_right, insort
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from ml.screens.budget import Budget

EXPECTED_SECONDS = 0.3  # of one photo, until some were timed; it took 200 to 640 ms of a core
_EXPECTATION_WEIGHT = 5  # photos that the expectation counts as


class Reading(Protocol):
    """Says which photos are read, and hears what each one took."""

    def takes(self, likelihood: float) -> bool:
        """Whether a photo with this likelihood of text (0..1) is read."""
        ...  # pragma: no cover - a protocol's method has no body

    def reads(self) -> AbstractContextManager[None]:
        """The context in which one photo is read."""
        ...  # pragma: no cover - as above


class Ranking:
    """Spends a budget on the highest likelihoods. Safe in a pool of threads.

    Args:
        budget: what is earned and spent.
        expected_seconds: of one photo, to begin with.
    """

    def __init__(self, budget: Budget, expected_seconds: float = EXPECTED_SECONDS) -> None:
        self.budget = budget
        self._seen: list[float] = []  # ascending
        self._seconds = expected_seconds * _EXPECTATION_WEIGHT
        self._taken = float(_EXPECTATION_WEIGHT)
        self._lock = threading.Lock()

    def takes(self, likelihood: float) -> bool:
        """Whether the budget is for this photo, too; counts it as seen."""
        with self._lock:
            insort(self._seen, likelihood)
            # Of equals the first ones are taken, while there are seconds: the measure has a top.
            rank = len(self._seen) - bisect_right(self._seen, likelihood) + 1
            affordable = self.budget.earned / (self._seconds / self._taken)
        return not self.budget.spent and rank <= affordable

    def took(self, seconds: float) -> None:
        """Learn what one photo cost."""
        with self._lock:
            self._seconds += seconds
            self._taken += 1

    @contextmanager
    def reads(self) -> Iterator[None]:
        """Spend the processor time of a block, and learn from one that does not fail."""
        start = time.thread_time()
        with self.budget.timed():
            yield
        self.took(time.thread_time() - start)
