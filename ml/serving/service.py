"""All that the routes share: limits, threads, figures and the loaded version."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from ml.connections import Connections
from ml.errors import RequestRefused
from ml.serving.follow import Follower
from ml.serving.judging import Judging
from ml.serving.limits import KeyLimits, Load
from ml.serving.metrics import MeteredClock, Metrics
from ml.serving.pools import Pools
from ml.serving.record import Recorder
from ml.settings import Settings
from ml.storage.api_keys import ApiKey, Right

_UNAVAILABLE = 503


class Service:
    """One service; make it in the process that serves.

    Args:
        settings: the settings.
        connections: open ones; the caller closes them.
    """

    def __init__(self, settings: Settings, connections: Connections) -> None:
        self.settings = settings
        self.connections = connections
        self.metrics = Metrics()
        self.pools = Pools(settings)
        self.load = Load(
            max_bytes=settings.serve_max_held_bytes, max_images=settings.serve_queue_images
        )
        self.metrics.images_under_way.set_function(lambda: self.load.images)
        self.metrics.bytes_held.set_function(lambda: self.load.bytes)
        self.key_limits = KeyLimits(
            requests_per_minute=settings.serve_requests_per_minute,
            in_flight=settings.serve_in_flight,
        )
        self.follower = Follower(
            settings=settings,
            connections=connections,
            pools=self.pools,
            metrics=self.metrics,
            clock=MeteredClock(self.metrics),
        )
        self.recorder = Recorder(connections, self.pools, self.metrics)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Follow the champion until the block ends; requests are answered by then."""
        following = asyncio.create_task(self.follower.follow())
        try:
            yield
        finally:
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following
            self.pools.close()

    def authorise(self, header: str | None, right: Right) -> ApiKey:
        """The caller's key; see `ml.serving.access.Keyring.authorise`.

        Raises:
            RequestRefused: 401, 403; 503 as long as no key could be read.
        """
        keyring = self.follower.seen.keyring
        if keyring is None:
            raise self._not_ready("the keys are not read yet")
        return keyring.authorise(header, right)

    def judging(self) -> Judging:
        """The version that answers now.

        Raises:
            RequestRefused: 503, none is loaded yet.
        """
        if self.follower.current is None:
            raise self._not_ready("no model version is loaded yet")
        return self.follower.current

    def _not_ready(self, detail: str) -> RequestRefused:
        retry_after = self.settings.serve_poll_seconds
        return RequestRefused(_UNAVAILABLE, "not_ready", detail, retry_after=retry_after)
