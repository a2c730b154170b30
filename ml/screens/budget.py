"""Seconds that a screen may take over all photos of a shard, shared by its threads."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Budget:
    """A purse of seconds. Safe in a pool of threads.

    What has begun is finished, so the purse can be overdrawn by one photo a thread.

    Args:
        seconds: what all threads together may spend; 0 or less allows nothing.
    """

    def __init__(self, seconds: float) -> None:
        self._left = seconds
        self._lock = threading.Lock()

    @property
    def left(self) -> float:
        """Seconds left; negative where the last photos took more than there was."""
        with self._lock:
            return self._left

    @property
    def spent(self) -> bool:
        """Whether nothing more may begin."""
        return self.left <= 0

    def spend(self, seconds: float) -> None:
        """Take seconds out of the purse."""
        with self._lock:
            self._left -= seconds

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Spend the wall time of a block, also of one that fails."""
        start = time.monotonic()
        try:
            yield
        finally:
            self.spend(time.monotonic() - start)
