"""Photos of one request: fetch, prepare, score, decide; the night's stages, awaited."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy import Connection

from ml.connections import Connections
from ml.inference.clock import StageClock
from ml.inference.fetch import Fetched, Fetching
from ml.inference.outcome import NotFetched, Rejected, Scored
from ml.inference.preparation import Prepared
from ml.policy.verdict import Verdict
from ml.serving.batching import Batcher
from ml.serving.metrics import Metrics
from ml.serving.objects import rejected, unreached
from ml.serving.pools import Pools, run
from ml.serving.reading import RequestReading
from ml.serving.version import Version
from ml.settings import Settings
from ml.storage.database import in_transaction
from ml.storage.duplicate_bank import EarlierDecision, earlier_decisions, reuses
from ml.storage.images import PendingImage
from ml.storage.verdicts import verdict_of

log = structlog.get_logger()

_DATABASE_SECONDS = 5.0  # of retries, within one request


@dataclass(frozen=True)
class Judged:
    """A photo with its verdict."""

    photo: Scored
    verdict: Verdict


Photo = Judged | Rejected


class Judging:
    """Judges by one version.

    Args:
        version: the version.
        settings, connections, pools, metrics: the service's.
        clock: seconds of the stages.
    """

    def __init__(
        self,
        version: Version,
        *,
        settings: Settings,
        connections: Connections,
        pools: Pools,
        metrics: Metrics,
        clock: StageClock,
    ) -> None:
        self.version = version
        self._settings = settings
        self._connections = connections
        self._pools = pools
        self._fetching = Fetching(
            connections.photos, max_bytes=settings.max_image_bytes, clock=clock
        )
        self._clock = clock
        self._preparing = 0
        self._batcher = Batcher(
            self._scores,
            size=version.predictor.batch_images,
            wait_seconds=settings.serve_batch_wait_ms / 1000,
            executor=pools.forward,
            coming=lambda: self._preparing,
            on_batch=metrics.batch_images.observe,
        )

    async def judge(self, photos: Sequence[Fetched | PendingImage | Rejected]) -> list[Photo]:
        """The outcome of each photo, in order; a `PendingImage` is fetched first.

        What is rejected already stays so.

        Raises:
            StorageForbidden, StorageUnavailable: the database, for decisions on the same bytes.
        """
        reading = RequestReading(self.version.reading, self._settings.serve_text_seconds)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._score(photo, reading)) for photo in photos]
        outcomes = [task.result() for task in tasks]
        earlier = await self._earlier([o.content.sha256 for o in outcomes if isinstance(o, Scored)])
        return [self._decided(outcome, earlier) for outcome in outcomes]

    async def _score(
        self, photo: Fetched | PendingImage | Rejected, reading: RequestReading
    ) -> Scored | Rejected:
        if isinstance(photo, Rejected):
            return photo
        self._preparing += 1
        try:
            prepared = await self._prepare(photo, reading)
        finally:
            self._preparing -= 1
            self._batcher.changed()
        if isinstance(prepared, Rejected):
            return prepared
        scores = await self._batcher.submit(prepared)
        return Scored(prepared.image, prepared.content, scores, None, prepared.screens)

    async def _prepare(
        self, photo: Fetched | PendingImage, reading: RequestReading
    ) -> Prepared | Rejected:
        if isinstance(photo, Fetched):
            fetched: Fetched | Rejected | NotFetched = photo
        else:
            fetched = await run(self._pools.fetch, lambda: self._fetching.fetch(photo))
        if isinstance(fetched, NotFetched):
            log.warning("a photo was not fetched", error=str(fetched.error))
            return rejected(fetched.image.object_key, unreached(fetched.error))
        if isinstance(fetched, Rejected):
            return fetched
        preparation = self.version.preparation
        return await run(self._pools.decode, lambda: preparation.prepare(fetched, reading))

    def _scores(self, photos: Sequence[Prepared]) -> list[dict[str, float]]:
        with self._clock.time("forward"):
            return self.version.predictor.scores([photo.pixels for photo in photos])

    async def _earlier(self, contents: list[str]) -> dict[str, EarlierDecision]:
        judged_by = self.version.judged_by
        if not contents or not reuses(judged_by.policy):
            return {}

        def look(connection: Connection) -> dict[str, EarlierDecision]:
            return earlier_decisions(connection, judged_by, set(contents))

        engine = self._connections.engine
        return await run(
            self._pools.database,
            lambda: in_transaction(engine, look, seconds=_DATABASE_SECONDS),
        )

    def _decided(self, outcome: Scored | Rejected, earlier: dict[str, EarlierDecision]) -> Photo:
        if isinstance(outcome, Rejected):
            return outcome
        known = earlier.get(outcome.content.sha256)
        card = self.version.predictor.card
        return Judged(outcome, verdict_of(self.version.judged_by, card, outcome, known))
