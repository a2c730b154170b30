"""Async version of the nightly pipeline for one request: fetch, preprocess, score, decide."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy import Connection

from ml.core.concurrency import StageTimer
from ml.core.settings import Settings
from ml.core.types import NotFetched, PendingImage, RejectedImage, Scored
from ml.moderation.pipeline.fetch import Fetched, Fetcher
from ml.moderation.pipeline.preprocessing import PreparedImage
from ml.moderation.serving.batching import Batcher
from ml.moderation.serving.executors import Executors, run_in
from ml.moderation.serving.loaded_model import LoadedModel
from ml.moderation.serving.metrics import Metrics
from ml.moderation.serving.object_fetch import fetch_error_reason, rejected
from ml.moderation.serving.screens import RequestOcrBudget
from ml.policy.verdict import Verdict, decide
from ml.storage.connections import Connections
from ml.storage.database import in_transaction
from ml.storage.decided_photos import EarlierDecision, earlier_decisions

log = structlog.get_logger()

_DATABASE_SECONDS = 5.0  # of retries within one request


@dataclass(frozen=True)
class Prediction:
    """A photo with its verdict."""

    photo: Scored
    verdict: Verdict


Photo = Prediction | RejectedImage


class PredictionService:
    """Decides on photos with one loaded model and policy.

    Args:
        version: the loaded model and policy.
        settings, connections, pools, metrics: those of the service.
        clock: sums the seconds of the stages.
    """

    def __init__(
        self,
        version: LoadedModel,
        *,
        settings: Settings,
        connections: Connections,
        pools: Executors,
        metrics: Metrics,
        clock: StageTimer,
    ) -> None:
        self.version = version
        self._settings = settings
        self._connections = connections
        self._pools = pools
        self._fetching = Fetcher(
            connections.photos, max_bytes=settings.max_image_bytes, clock=clock
        )
        self._clock = clock
        self._preparing = 0
        self._batcher = Batcher(
            self._scores,
            size=version.predictor.batch_size,
            wait_seconds=settings.serve_batch_wait_ms / 1000,
            executor=pools.forward,
            coming=lambda: self._preparing,
            on_batch=metrics.batch_size.observe,
        )

    async def predict(
        self, photos: Sequence[Fetched | PendingImage | RejectedImage]
    ) -> list[Photo]:
        """Decide on each photo, in order; a `PendingImage` is fetched first.

        A `RejectedImage` is returned unchanged.

        Raises:
            StorageForbidden, StorageUnavailable: the database, for decisions on the same bytes.
        """
        reading = RequestOcrBudget(self.version.reading, self._settings.serve_ocr_budget_seconds)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._score(photo, reading)) for photo in photos]
        outcomes = [task.result() for task in tasks]
        earlier = await self._earlier([o.content.sha256 for o in outcomes if isinstance(o, Scored)])
        return [self._decided(outcome, earlier) for outcome in outcomes]

    async def _score(
        self, photo: Fetched | PendingImage | RejectedImage, reading: RequestOcrBudget
    ) -> Scored | RejectedImage:
        if isinstance(photo, RejectedImage):
            return photo
        self._preparing += 1
        try:
            prepared = await self._prepare(photo, reading)
        finally:
            self._preparing -= 1
            self._batcher.changed()
        if isinstance(prepared, RejectedImage):
            return prepared
        scores = await self._batcher.submit(prepared)
        return Scored(prepared.image, prepared.content, scores, None, prepared.screens)

    async def _prepare(
        self, photo: Fetched | PendingImage, reading: RequestOcrBudget
    ) -> PreparedImage | RejectedImage:
        if isinstance(photo, Fetched):
            fetched: Fetched | RejectedImage | NotFetched = photo
        else:
            fetched = await run_in(self._pools.fetch, lambda: self._fetching.fetch(photo))
        if isinstance(fetched, NotFetched):
            log.warning("a photo was not fetched", error=str(fetched.error))
            return rejected(fetched.image.object_key, fetch_error_reason(fetched.error))
        if isinstance(fetched, RejectedImage):
            return fetched
        preparation = self.version.preparation
        return await run_in(self._pools.decode, lambda: preparation.prepare(fetched, reading))

    def _scores(self, photos: Sequence[PreparedImage]) -> list[dict[str, float]]:
        with self._clock.time("forward"):
            return self.version.predictor.scores([photo.pixels for photo in photos])

    async def _earlier(self, contents: list[str]) -> dict[str, EarlierDecision]:
        context = self.version.context
        if not contents or not context.policy.reuses_decisions:
            return {}

        def load(connection: Connection) -> dict[str, EarlierDecision]:
            return earlier_decisions(connection, set(contents), before=context.started_at)

        engine = self._connections.engine
        return await run_in(
            self._pools.database,
            lambda: in_transaction(engine, load, seconds=_DATABASE_SECONDS),
        )

    def _decided(
        self, outcome: Scored | RejectedImage, earlier: dict[str, EarlierDecision]
    ) -> Photo:
        if isinstance(outcome, RejectedImage):
            return outcome
        known = earlier.get(outcome.content.sha256)
        verdict = decide(
            outcome.scores,
            pass_confidence=self.version.predictor.card.thresholds.pass_confidence,
            policy=self.version.context.policy,
            screens=outcome.screens,
            human_label=known.label if known else None,
        )
        return Prediction(outcome, verdict)
