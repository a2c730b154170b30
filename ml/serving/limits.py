"""How much is taken at a time: of one key, and of all together. Used in the event loop alone."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ml.errors import RequestRefused
from ml.serving.token_bucket import TokenBucket
from ml.storage.api_keys import ApiKey

_OF_KEY, _OF_SERVICE = 429, 503
_BURST_SECONDS = 10.0  # of its rate that a key may use at once
_SOON, _LATE = 1.0, 60.0  # seconds, the bounds of a Retry-After
_REMEMBERED = 256  # photos that the pace is taken from


@dataclass
class _Use:
    limits: tuple[int, int]
    bucket: TokenBucket
    in_flight: int = 0


class KeyLimits:
    """Requests a minute and at a time of each key; what a key leaves out is the default.

    Args:
        requests_per_minute, in_flight: the defaults.
        clock: seconds, rising.
    """

    def __init__(
        self,
        *,
        requests_per_minute: int,
        in_flight: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._defaults = (requests_per_minute, in_flight)
        self._clock = clock
        self._uses: dict[str, _Use] = {}

    @contextmanager
    def enter(self, key: ApiKey) -> Iterator[None]:
        """One request of a key, counted until the block ends.

        Raises:
            RequestRefused: 429, too many at a time or too many a minute.
        """
        use = self._use(key)
        most = use.limits[1]
        if use.in_flight >= most:
            detail = f"{most} requests of this key are being answered; send fewer at a time"
            raise RequestRefused(_OF_KEY, "too_many_in_flight", detail, retry_after=_SOON)
        wait = use.bucket.take()
        if wait:
            detail = f"this key may send {use.limits[0]} requests a minute"
            raise RequestRefused(_OF_KEY, "too_many_requests", detail, retry_after=wait)
        use.in_flight += 1
        try:
            yield
        finally:
            use.in_flight -= 1

    def _use(self, key: ApiKey) -> _Use:
        limits = (key.requests_per_minute or self._defaults[0], key.in_flight or self._defaults[1])
        use = self._uses.get(key.key_id)
        if use is None or use.limits != limits:
            rate = limits[0] / 60.0
            bucket = TokenBucket(rate, max(1.0, rate * _BURST_SECONDS), self._clock)
            use = _Use(limits, bucket, use.in_flight if use else 0)
            self._uses[key.key_id] = use
        return use


class Load:
    """Bytes held and photos under way of all requests.

    Args:
        max_bytes, max_images: the most of both.
        clock: seconds, rising.
    """

    def __init__(
        self, *, max_bytes: int, max_images: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.bytes = 0
        self.images = 0
        self._max_bytes = max_bytes
        self._max_images = max_images
        self._clock = clock
        self._finished: deque[float] = deque(maxlen=_REMEMBERED)

    @property
    def retry_after(self) -> float:
        """Seconds in which what is under way is done, at the pace of the last photos."""
        if len(self._finished) < 2:  # noqa: PLR2004 - a pace needs two moments
            return _SOON
        span = self._clock() - self._finished[0]
        return min(_LATE, max(_SOON, self.images * span / len(self._finished)))

    @contextmanager
    def held(self) -> Iterator[Callable[[int], None]]:
        """The bytes of one request: call it with each number read; given back at the end."""
        mine = 0

        def hold(count: int) -> None:
            nonlocal mine
            if self.bytes + count > self._max_bytes:
                detail = "the service holds as many bytes as it may"
                raise RequestRefused(
                    _OF_SERVICE, "overloaded", detail, retry_after=self.retry_after
                )
            mine += count
            self.bytes += count

        try:
            yield hold
        finally:
            self.bytes -= mine

    def check(self) -> None:
        """Raise as `taken` would for one photo: before a body is read for nothing."""
        self._refuse_over(1)

    @contextmanager
    def taken(self, images: int) -> Iterator[None]:
        """Photos of one request, under way until the block ends.

        Raises:
            RequestRefused: 503, the queue is full.
        """
        self._refuse_over(images)
        self.images += images
        try:
            yield
        finally:
            self.images -= images
            self._finished.extend([self._clock()] * images)

    def _refuse_over(self, images: int) -> None:
        if self.images + images > self._max_images:
            detail = f"{self.images} photos are waiting, at most {self._max_images} may"
            raise RequestRefused(_OF_SERVICE, "queue_full", detail, retry_after=self.retry_after)
