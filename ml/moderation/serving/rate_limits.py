"""Limits of requests per API key, and of bytes and photos of all requests together.

Not thread-safe: used only in the event loop.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ml.core.budget import Budget, Clock
from ml.core.errors import RequestRejected
from ml.storage.api_keys import ApiKey

_BURST_SECONDS = 10.0  # of its rate that a key may use at once
_MIN_RETRY_SECONDS, _MAX_RETRY_SECONDS = 1.0, 60.0
_PACE_PHOTOS = 256  # finished photos from which the throughput is estimated


@dataclass
class _KeyUsage:
    requests_per_minute: int
    max_in_flight: int
    budget: Budget  # of requests
    in_flight: int = 0


class KeyLimits:
    """Requests per minute and in flight of each key; a key without own limits has the defaults."""

    def __init__(
        self, *, requests_per_minute: int, in_flight: int, clock: Clock = time.monotonic
    ) -> None:
        self._defaults = (requests_per_minute, in_flight)
        self._clock = clock
        self._usage: dict[str, _KeyUsage] = {}

    @contextmanager
    def admit(self, key: ApiKey) -> Iterator[None]:
        """Count one request of a key until the block ends.

        Raises:
            RequestRejected: 429, too many in flight or too many per minute.
        """
        usage = self._usage_of(key)
        if usage.in_flight >= usage.max_in_flight:
            detail = f"{usage.max_in_flight} requests of this key are in flight; send fewer"
            wait = _MIN_RETRY_SECONDS
            raise RequestRejected(429, "too_many_in_flight", detail, retry_after=wait)
        if wait := usage.budget.take_one():
            detail = f"this key may send {usage.requests_per_minute} requests a minute"
            raise RequestRejected(429, "too_many_requests", detail, retry_after=wait)
        usage.in_flight += 1
        try:
            yield
        finally:
            usage.in_flight -= 1

    def _usage_of(self, key: ApiKey) -> _KeyUsage:
        per_minute, max_in_flight = self._defaults
        limits = (key.requests_per_minute or per_minute, key.in_flight or max_in_flight)
        usage = self._usage.get(key.key_id)
        if usage is None or (usage.requests_per_minute, usage.max_in_flight) != limits:
            rate = limits[0] / 60.0
            burst = max(1.0, rate * _BURST_SECONDS)
            budget = Budget(burst, rate=rate, capacity=burst, clock=self._clock)
            usage = _KeyUsage(*limits, budget, usage.in_flight if usage else 0)
            self._usage[key.key_id] = usage
        return usage


class LoadLimiter:
    """Bytes and photos of all requests in flight."""

    def __init__(self, *, max_bytes: int, max_images: int, clock: Clock = time.monotonic) -> None:
        self.bytes, self.images = 0, 0
        self._max_bytes, self._max_images = max_bytes, max_images
        self._clock = clock
        self._finished_at: deque[float] = deque(maxlen=_PACE_PHOTOS)

    @property
    def retry_after(self) -> float:
        """Seconds until the photos in flight are done, at the pace of the last photos."""
        if len(self._finished_at) < 2:  # noqa: PLR2004 - a pace needs two times
            return _MIN_RETRY_SECONDS
        span = self._clock() - self._finished_at[0]
        seconds = self.images * span / len(self._finished_at)
        return min(_MAX_RETRY_SECONDS, max(_MIN_RETRY_SECONDS, seconds))

    @contextmanager
    def reserve_bytes(self) -> Iterator[Callable[[int], None]]:
        """Yield a function that reserves bytes of one request; they are released at the end.

        The function raises `RequestRejected` (503) if no memory is left.
        """
        reserved = 0

        def reserve(count: int) -> None:
            nonlocal reserved
            if self.bytes + count > self._max_bytes:
                raise self._overloaded("overloaded", "the service holds as many bytes as it may")
            reserved += count
            self.bytes += count

        try:
            yield reserve
        finally:
            self.bytes -= reserved

    def check(self, images: int = 1) -> None:
        """Raise `RequestRejected` (503) if the queue has no room for so many photos."""
        if self.images + images > self._max_images:
            detail = f"{self.images} photos are waiting, at most {self._max_images} may"
            raise self._overloaded("queue_full", detail)

    @contextmanager
    def reserve_images(self, images: int) -> Iterator[None]:
        """Count the photos of one request until the block ends; 503 if the queue is full."""
        self.check(images)
        self.images += images
        try:
            yield
        finally:
            self.images -= images
            self._finished_at.extend([self._clock()] * images)

    def _overloaded(self, reason: str, detail: str) -> RequestRejected:
        return RequestRejected(503, reason, detail, retry_after=self.retry_after)
