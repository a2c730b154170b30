"""Seconds that a screen may take over all photos of a shard, shared by its threads."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Clock = Callable[[], float]


class Budget:
    """A purse of seconds. Safe in a pool of threads.

    What has begun is finished, so the purse can be overdrawn by one photo a thread.

    Spent is processor time of the thread that works, since that is what the others go without:
    beside a forward pass the wall clock says three times as much.

    Args:
        seconds: what all threads together may spend from the start; 0 or less allows nothing.
        share: what they earn beside, in seconds a second of wall clock from now on.
        clock: seconds, rising, by which is earned.
        paid: seconds, rising, by which a block is paid.
    """

    def __init__(
        self,
        seconds: float,
        *,
        share: float = 0.0,
        clock: Clock = time.monotonic,
        paid: Clock = time.thread_time,
    ) -> None:
        self._seconds = seconds
        self._share = share
        self._clock = clock
        self._paid = paid
        self._start = clock()
        self._spent = 0.0
        self._lock = threading.Lock()

    @property
    def earned(self) -> float:
        """Seconds that could have been spent up to now."""
        earning = self._share * (self._clock() - self._start) if self._share else 0.0
        return self._seconds + earning

    @property
    def left(self) -> float:
        """Seconds left; negative where the last photos took more than there was."""
        with self._lock:
            return self.earned - self._spent

    @property
    def spent(self) -> bool:
        """Whether nothing more may begin now."""
        return self.left <= 0

    def spend(self, seconds: float) -> None:
        """Take seconds out of the purse."""
        with self._lock:
            self._spent += seconds

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Spend what a block takes, also of one that fails."""
        start = self._paid()
        try:
            yield
        finally:
            self.spend(self._paid() - start)
