"""Busy seconds a stage, summed over threads."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class StageClock:
    """Sums how long each stage of a pipeline worked; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seconds: dict[str, float] = {}

    @contextmanager
    def time(self, stage: str) -> Iterator[None]:
        """Add the seconds spent in the block to a stage."""
        start = time.monotonic()
        try:
            yield
        finally:
            self.add(stage, time.monotonic() - start)

    def add(self, stage: str, seconds: float) -> None:
        """Add seconds to a stage."""
        with self._lock:
            self._seconds[stage] = self._seconds.get(stage, 0.0) + seconds

    def take(self) -> dict[str, float]:
        """Seconds a stage since the last take; starts anew."""
        with self._lock:
            taken, self._seconds = self._seconds, {}
        return {stage: round(seconds, 4) for stage, seconds in taken.items()}
