"""Async version of the nightly pipeline for one request: fetch, preprocess, score, decide."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from threading import Event

import structlog

from ml.core.errors import (
    ImageRejected,
    ObjectArchived,
    ObjectNotFound,
    QuarantineReason,
    StorageError,
    StorageForbidden,
)
from ml.core.types import NotFetched, PendingImage, RejectedImage, Scored, ScreenResult
from ml.models.predictor import Scores
from ml.moderation.pipeline.copies import small_pictures
from ml.moderation.pipeline.fetch import Fetched, Fetcher
from ml.moderation.pipeline.pass_check import PassCheck
from ml.moderation.pipeline.preprocessing import PreparedImage, ReadText, UnreadText
from ml.moderation.pipeline.screening import add_text
from ml.moderation.pipeline.similar_decisions import screen_by_features
from ml.moderation.pipeline.text_reading import leave_out
from ml.moderation.pipeline.worst_view import add_worst, of_worst_views
from ml.moderation.serving.batching import Batcher
from ml.moderation.serving.loaded_model import LoadedModel
from ml.moderation.serving.resources import Resources, run_all, run_in
from ml.moderation.serving.screens import RequestOcrBudget
from ml.policy.verdict import Verdict, decide
from ml.storage.decided_photos import EarlierDecision, earlier_decisions
from ml.storage.s3_responses import ListedObject

log = structlog.get_logger()

ResolvedKey = ListedObject | RejectedImage


@dataclass(frozen=True)
class Prediction:
    """A photo with its verdict."""

    photo: Scored
    verdict: Verdict


Photo = Prediction | RejectedImage


@dataclass
class _ScoredPhoto:
    """A photo on its way to a verdict; `unread` is its text, as long as it is not read."""

    scored: Scored
    unread: UnreadText | None


class PredictionService:
    """Decides on photos with one loaded model and policy."""

    def __init__(self, version: LoadedModel, resources: Resources) -> None:
        self.version = version
        self._resources = resources
        settings = resources.settings
        self._fetcher = Fetcher(
            resources.connections.photos, settings.max_image_bytes, resources.clock
        )
        self._preparing = 0
        self._batcher = Batcher(
            self._compute,
            size=version.predictor.batch_size,
            wait_seconds=settings.serve_batch_wait_ms / 1000,
            executor=resources.pools.forward,
            coming=lambda: self._preparing,
            on_batch=resources.metrics.batch_size.observe,
        )

    async def resolve_keys(self, keys: Sequence[str]) -> list[ResolvedKey]:
        """Look up each key, in order; the ETag pins the content that is fetched later."""
        pool = self._resources.pools.fetch
        return await run_all(run_in(pool, partial(self._head, key)) for key in keys)

    def _head(self, key: str) -> ResolvedKey:
        try:
            return self._resources.connections.photos.head(key)
        except StorageError as error:
            return _not_fetched(key, error)

    async def predict(
        self, photos: Sequence[Fetched | PendingImage | RejectedImage]
    ) -> list[Photo]:
        """Decide on each photo, in order; a `PendingImage` is fetched first.

        A `RejectedImage` is returned unchanged.

        Raises:
            StorageForbidden, StorageUnavailable: the database, for decisions on the same bytes,
                or pictures of blocked photos.
            WorkerFailed: photos cannot be decoded on this machine.
        """
        outcomes = await run_all(self._score(photo) for photo in photos)
        scored = [outcome for outcome in outcomes if isinstance(outcome, _ScoredPhoto)]
        earlier = await self._earlier({photo.scored.content.sha256 for photo in scored})
        await self._read_texts(scored, earlier)
        return [
            self._decide(outcome.scored, earlier) if isinstance(outcome, _ScoredPhoto) else outcome
            for outcome in outcomes
        ]

    async def _score(
        self, photo: Fetched | PendingImage | RejectedImage
    ) -> "_ScoredPhoto | RejectedImage":
        self._preparing += 1
        try:
            prepared = await self._prepare(photo)
        finally:
            self._preparing -= 1
            self._batcher.changed()
        if isinstance(prepared, RejectedImage):
            return prepared
        scores, screens = await self._batcher.submit(prepared)
        scored = Scored(prepared.image, prepared.content, scores, None, screens)
        return _ScoredPhoto(scored, prepared.unread)

    async def _prepare(
        self, photo: Fetched | PendingImage | RejectedImage
    ) -> PreparedImage | RejectedImage:
        pools = self._resources.pools
        fetched = (
            await run_in(pools.fetch, partial(self._fetcher.fetch, photo))
            if isinstance(photo, PendingImage)
            else photo
        )
        if isinstance(fetched, NotFetched):
            return _not_fetched(fetched.image.object_key, fetched.error)
        if isinstance(fetched, RejectedImage):
            return _for_client(fetched)
        prepare, cancelled = self.version.preprocessor.prepare, Event()
        try:
            return await run_in(pools.decode, partial(prepare, fetched, cancelled))
        finally:
            cancelled.set()  # a request that timed out frees its worker

    async def _read_texts(
        self, photos: Sequence["_ScoredPhoto"], earlier: Mapping[str, EarlierDecision]
    ) -> None:
        """Read the texts of the photos that would pass, the likeliest first, within the budgets."""
        check = PassCheck(self.version.policy, self.version.predictor.pass_confidence)
        likelihoods: list[tuple[float, _ScoredPhoto, UnreadText]] = []
        for photo in photos:
            if photo.unread is None:
                continue
            if check.passes(photo.scored, earlier.get(photo.scored.content.sha256)):
                likelihoods.append((photo.unread.likelihood, photo, photo.unread))
            else:
                photo.scored = leave_out(photo.scored)
        seconds = self._resources.settings.serve_ocr_budget_seconds
        budget = RequestOcrBudget(self.version.ocr_budget, seconds)
        ranked = sorted(likelihoods, key=lambda each: -each[0])
        await run_all(self._read_text(photo, unread, budget) for _, photo, unread in ranked)

    async def _read_text(
        self, photo: "_ScoredPhoto", unread: UnreadText, budget: RequestOcrBudget
    ) -> None:
        cancelled = Event()

        def read() -> ReadText | None:
            if not budget.admits(unread.likelihood):
                return None
            found = self.version.preprocessor.read(unread, cancelled)
            budget.add_cost(found.cost)
            return found

        try:
            found = await run_in(self._resources.pools.decode, read)
        finally:
            cancelled.set()
        if found is not None:
            photo.scored = add_text(photo.scored, found.result)

    def _compute(
        self, photos: Sequence[PreparedImage]
    ) -> list[tuple[Scores, dict[str, ScreenResult]]]:
        """The scores of a batch by the worst view of each photo, and the results of all screens."""
        predictor, similar = self.version.predictor, self.version.similar
        with self._resources.clock.time("forward"):
            pending = predictor.submit_all(list(chain.from_iterable(p.pixels for p in photos)))
            views, violations = [len(p.pixels) for p in photos], self.version.policy.violations
            prediction, worst = of_worst_views(pending(), views, violations)
        signals = self.version.signals.screen([photo.signal_pixels for photo in photos])
        screens = [
            add_worst(photo.screens, number) | raised
            for photo, number, raised in zip(photos, worst, signals, strict=True)
        ]
        results = screen_by_features(
            similar.current if similar is not None else None,
            prediction,
            small_pictures(photos, worst, predictor.card.preprocessing),
            predictor.pass_confidence,
            self._resources.clock,
        )
        merged = [own | found for own, found in zip(screens, results, strict=True)]
        return list(zip(prediction.scores, merged, strict=True))

    async def _earlier(self, contents: set[str]) -> dict[str, EarlierDecision]:
        version = self.version
        if not contents or not version.policy.reuses_decisions:
            return {}
        return await self._resources.query(
            lambda c: earlier_decisions(c, contents, before=version.started_at)
        )

    def _decide(self, scored: Scored, earlier: dict[str, EarlierDecision]) -> Prediction:
        known = earlier.get(scored.content.sha256)
        verdict = decide(
            scored.scores,
            pass_confidence=self.version.predictor.pass_confidence,
            policy=self.version.policy,
            screens=scored.screens,
            human_label=known.label if known else None,
        )
        return Prediction(scored, verdict)


_DETAILS = {
    QuarantineReason.OBJECT_ABSENT: "the bucket holds no such object",
    QuarantineReason.OBJECT_CHANGED: "the object was replaced meanwhile",
    QuarantineReason.OBJECT_ARCHIVED: "the object is archived: restore it",
}


def _for_client(rejected: RejectedImage) -> RejectedImage:
    """A photo that cannot be scored; the detail does not reveal the bucket's address."""
    reason = rejected.error.reason
    detail = _DETAILS.get(reason, rejected.error.detail)
    return replace(rejected, error=ImageRejected(reason, detail))


def _not_fetched(key: str, error: StorageError) -> RejectedImage:
    """An object that the bucket did not return; the detail does not reveal the bucket's address.

    Missing permissions are never reported as absent.
    """
    if isinstance(error, ObjectNotFound | ObjectArchived):
        is_absent = isinstance(error, ObjectNotFound)
        reason = QuarantineReason.OBJECT_ABSENT if is_absent else QuarantineReason.OBJECT_ARCHIVED
        detail = _DETAILS[reason]
    else:
        log.warning("a photo was not fetched", error=str(error))
        forbidden = isinstance(error, StorageForbidden)
        reason = QuarantineReason.FORBIDDEN if forbidden else QuarantineReason.UNREACHABLE
        detail = "the bucket did not give the photo"
    return RejectedImage(PendingImage(key, "", 0), None, ImageRejected(reason, detail))
