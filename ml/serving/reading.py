"""What reading text may cost online.

The night spends a share of its decode threads' time on the likeliest texts of a shard. The service
does the same over the last minute: its purse earns that share, and holds what a minute earns. So a
photo is always read while few come, and under load the likeliest ones are, as in the night. A
request has a bound of its own beside, so that one cannot empty the purse.
"""

import threading
import time
from bisect import bisect_right, insort
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from ml.screens.budget import Budget, Clock
from ml.screens.ranking import EXPECTED_SECONDS
from ml.serving.token_bucket import TokenBucket

SPAN_SECONDS = 60.0
_LEARN = 0.1  # weight of the newest photo in the mean cost


class ServiceReading:
    """The purse of a loaded version. Safe in a pool of threads.

    Args:
        share: seconds of reading earned a second.
        clock: seconds, rising, by which is earned.
        paid: seconds, rising, by which reading is paid: processor time, as in the night.
    """

    def __init__(
        self, share: float, clock: Clock = time.monotonic, paid: Clock = time.thread_time
    ) -> None:
        self._clock = clock
        self._paid = paid
        self._earned_in_span = share * SPAN_SECONDS
        self._purse = TokenBucket(share, self._earned_in_span, clock)
        self._cost = EXPECTED_SECONDS
        self._arrivals: deque[tuple[float, float]] = deque()  # of the span: when, likelihood
        self._likelihoods: list[float] = []  # the same, ascending
        self._lock = threading.Lock()

    def takes(self, likelihood: float) -> bool:
        """Whether the photo ranks, in the last minute, within what a minute pays for."""
        with self._lock:
            self._forget()
            insort(self._likelihoods, likelihood)
            self._arrivals.append((self._clock(), likelihood))
            # Of equals the first ones are taken, while there are seconds.
            rank = len(self._likelihoods) - bisect_right(self._likelihoods, likelihood) + 1
            affordable = self._earned_in_span / self._cost
        return self._purse.level > 0 and rank <= affordable

    @contextmanager
    def reads(self) -> Iterator[None]:
        """Spend the processor time of a block, and learn from it what a photo costs."""
        start = self._paid()
        try:
            yield
        finally:
            seconds = self._paid() - start
            self._purse.spend(seconds)
            with self._lock:
                self._cost += _LEARN * (seconds - self._cost)

    def _forget(self) -> None:
        oldest = self._clock() - SPAN_SECONDS
        while self._arrivals and self._arrivals[0][0] < oldest:
            _, likelihood = self._arrivals.popleft()
            self._likelihoods.pop(bisect_right(self._likelihoods, likelihood) - 1)


class RequestReading:
    """The photos of one request: the service's purse, and a bound of the request's own.

    Args:
        service: the purse.
        seconds: of wall clock, since somebody waits, that it may spend; what has begun is finished.
    """

    def __init__(self, service: ServiceReading, seconds: float) -> None:
        self._service = service
        self._own = Budget(seconds, paid=time.monotonic)

    def takes(self, likelihood: float) -> bool:
        """Whether the photo is read."""
        return not self._own.spent and self._service.takes(likelihood)

    @contextmanager
    def reads(self) -> Iterator[None]:
        """Spend a block from both."""
        with self._own.timed(), self._service.reads():
            yield
