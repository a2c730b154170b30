"""State that the routes share: limits, shared resources and the loaded model."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from ml.core.errors import RequestRejected
from ml.core.settings import Settings
from ml.moderation.serving.model_watcher import ModelWatcher
from ml.moderation.serving.prediction_service import PredictionService
from ml.moderation.serving.rate_limits import KeyLimits, LoadLimiter
from ml.moderation.serving.resources import Resources
from ml.storage.api_keys import ApiKey, ApiKeyScope
from ml.storage.connections import Connections


class Service(Resources):
    """State of one service; create it in the serving process. The caller closes `connections`."""

    def __init__(self, settings: Settings, connections: Connections) -> None:
        super().__init__(settings, connections)
        self.load = LoadLimiter(
            max_bytes=settings.serve_max_inflight_bytes, max_images=settings.serve_queue_images
        )
        self.metrics.images_under_way.set_function(lambda: self.load.images)
        self.metrics.bytes_held.set_function(lambda: self.load.bytes)
        self.key_limits = KeyLimits(
            requests_per_minute=settings.serve_requests_per_minute,
            in_flight=settings.serve_in_flight,
        )
        self.watcher = ModelWatcher(self)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Follow the champion until the block ends, then close the thread pools."""
        following = asyncio.create_task(self.watcher.follow())
        try:
            yield
        finally:
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following
            self.pools.close()

    def authorize(self, header: str | None, right: ApiKeyScope) -> ApiKey:
        """The caller's key; see `ml.moderation.serving.auth.ApiKeyCache.authorize`.

        Raises:
            RequestRejected: 401 or 403; 503 until the keys were read for the first time.
        """
        api_keys = self.watcher.api_keys
        if api_keys is None:
            raise self._not_ready("the keys are not read yet")
        return api_keys.authorize(header, right)

    def loaded_predictions(self) -> PredictionService:
        """The predictions of the loaded model; `RequestRejected` (503) until one is loaded."""
        if self.watcher.current is None:
            raise self._not_ready("no model version is loaded yet")
        return self.watcher.current

    def _not_ready(self, detail: str) -> RequestRejected:
        retry_after = self.settings.serve_poll_seconds
        return RequestRejected(503, "not_ready", detail, retry_after=retry_after)
