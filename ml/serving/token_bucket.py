"""A bucket that fills by the clock: how often, or for how long, something may happen."""

import threading
import time
from collections.abc import Callable


class TokenBucket:
    """Starts full. Safe in a pool of threads.

    Args:
        rate: tokens a second.
        capacity: the most it holds.
        clock: seconds, rising.
    """

    def __init__(
        self, rate: float, capacity: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate = rate
        self._capacity = capacity
        self._clock = clock
        self._level = capacity
        self._filled_at = clock()
        self._lock = threading.Lock()

    @property
    def level(self) -> float:
        """Tokens in it; negative where more was spent than there was."""
        with self._lock:
            return self._filled()

    def take(self) -> float:
        """Take one token; returns 0, or the seconds until there is one, and takes none."""
        with self._lock:
            missing = 1.0 - self._filled()
            if missing > 0:
                return missing / self._rate if self._rate else float("inf")
            self._level -= 1.0
            return 0.0

    def spend(self, tokens: float) -> None:
        """Take tokens out, also those that are not there."""
        with self._lock:
            self._filled()
            self._level -= tokens

    def _filled(self) -> float:
        now = self._clock()
        self._level = min(self._capacity, self._level + self._rate * (now - self._filled_at))
        self._filled_at = now
        return self._level
