"""Process one shard as a stream: fetch ∥ decode and screen ∥ forward ∥ read, with bounded memory.

Only a bounded number of images is fetched and prepared ahead of the forward pass, and a bounded
number of batches waits for texts to be read. The caller stores a batch while the next one is being
prepared, and on a GPU computed.
"""

from collections import deque
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt

from ml.core.concurrency import StageTimer, bounded_results
from ml.core.settings import Settings
from ml.core.types import Outcome, PendingImage, Scored
from ml.core.worker_pool import WorkerPool
from ml.models.predictor import Prediction, Predictor, Scores
from ml.moderation.pipeline.batches import group_batches
from ml.moderation.pipeline.copies import small_pictures
from ml.moderation.pipeline.fetch import Fetcher, PhotoSource
from ml.moderation.pipeline.photo_threads import PhotoThreads, Prepared
from ml.moderation.pipeline.preprocessing import PreparedImage, Preprocessor, UnreadText
from ml.moderation.pipeline.screening import Screening
from ml.moderation.pipeline.shadow import Shadow
from ml.moderation.pipeline.signals import NO_SIGNALS, Signals
from ml.moderation.pipeline.similar_decisions import SimilarDecisions, screen_by_features
from ml.moderation.pipeline.text_reading import TextReading
from ml.moderation.pipeline.worst_view import add_worst, of_worst_views
from ml.vision.screens.copies import Gray

Features = npt.NDArray[np.float32]

# Upper bound of the photos that are prepared ahead: the files of a GPU's batch may be too many for
# the memory.
MAX_AHEAD = 128


@dataclass(frozen=True)
class _ScoredBatch:
    """Outcomes in order, and the texts by place that may be read."""

    outcomes: list[Outcome]
    unread: dict[int, UnreadText]


class Pipeline:
    """Fetches, decodes and scores images of one bucket with one model.

    A photo is judged by the view in which `violations`, the policy's classes, are likeliest.
    `picture_side` is `Screens.picture_side` of the policy: it decides the scale at which photos are
    decoded, so a replay needs it although it runs no screens. A shadow scores the same photos,
    without effect on the model's outcomes. Screens by features need a predictor that computes them:
    `similar`. `pool` None: the decode workers of the settings.
    """

    def __init__(
        self,
        *,
        store: PhotoSource,
        predictor: Predictor,
        violations: Collection[str],
        shadow: Predictor | None = None,
        similar: SimilarDecisions | None = None,
        signals: Signals = NO_SIGNALS,
        settings: Settings,
        picture_side: int | None = None,
        screening: Screening | None = None,
        clock: StageTimer | None = None,
        pool: WorkerPool | None = None,
    ) -> None:
        self.clock = clock or StageTimer()
        self._settings = settings
        self._predictor, self.batch_size = predictor, predictor.batch_size
        self._similar, self._screening, self._signals = similar, screening, signals
        self._fetcher = Fetcher(store, settings.max_image_bytes, self.clock)
        self._violations = violations
        self._shadow = Shadow(shadow, violations, self.clock) if shadow is not None else None
        self._preprocessor = Preprocessor(
            predictor.card.preprocessing,
            settings,
            self.clock,
            picture_side=picture_side,
            screening=screening,
            shadow=self._shadow,
            signals=signals.inputs,
            pool=pool,
        )

    def run(self, images: Iterable[PendingImage]) -> Generator[list[Outcome]]:
        """Yield the outcomes of the images, in their order, in batches."""
        # If the caller stops early, closing the generator first cancels pending work, so that the
        # threads end at once.
        with (
            PhotoThreads(
                self._fetcher, self._preprocessor, fetch_threads=self._settings.fetch_threads
            ) as threads,
            closing(
                bounded_results(threads.submit, images, ahead=self._ahead(threads))
            ) as prepared,
        ):
            scored = self._score(prepared)
            if self._screening is None:
                yield from (batch.outcomes for batch in scored)
                return
            reading = TextReading(self._screening, threads.read, batch_size=self.batch_size)
            for batch in scored:
                yield from reading.add(batch.outcomes, batch.unread)
            yield from reading.finish()

    def _score(self, prepared: Iterator[Prepared]) -> Iterator["_ScoredBatch"]:
        begun: deque[Callable[[], _ScoredBatch]] = deque()
        for batch in group_batches(prepared, self.batch_size):
            begun.append(self._begin(batch))
            if len(begun) > self._predictor.ahead:
                yield begun.popleft()()
        for finish in begun:
            yield finish()

    def _ahead(self, threads: PhotoThreads) -> int:
        """Photos that are prepared while the previous batch is computed, and those in work."""
        return min(self.batch_size, MAX_AHEAD) + threads.number

    def _begin(self, batch: list[Prepared]) -> Callable[[], "_ScoredBatch"]:
        """Begin to score a batch; the returned function waits for its outcomes."""
        photos = [item for item in batch if isinstance(item, PreparedImage)]
        with self.clock.time("forward"):
            pixels = list(chain.from_iterable(photo.pixels for photo in photos))
            pending = self._predictor.submit_all(pixels) if photos else _nothing
        return lambda: self._finish(batch, photos, pending)

    def _finish(
        self,
        batch: list[Prepared],
        photos: list[PreparedImage],
        pending: Callable[[], Prediction],
    ) -> "_ScoredBatch":
        with self.clock.time("forward"):
            views = [len(photo.pixels) for photo in photos]
            prediction, worst = of_worst_views(pending(), views, self._violations)
        shadow_scores: Sequence[Scores | None] = [None] * len(photos)
        if self._shadow is not None:
            shadow_scores = self._shadow.scores([p.shadow_pixels for p in photos])
        scores, features = prediction
        known: Sequence[Features | None] = [None] * len(photos)
        pictures: Sequence[Gray | None] = [None] * len(photos)
        if features is not None:
            known = list(features)
            pictures = small_pictures(photos, worst, self._predictor.card.preprocessing)
        confidence = self._predictor.pass_confidence
        screened = screen_by_features(self._similar, prediction, pictures, confidence, self.clock)
        screens = [add_worst(p.screens, number) for p, number in zip(photos, worst, strict=True)]
        signals = self._signals.screen([photo.signal_pixels for photo in photos])
        found = [a | b | c for a, b, c in zip(screens, screened, signals, strict=True)]
        columns = zip(photos, scores, shadow_scores, found, known, pictures, strict=True)
        scored = (
            Scored(photo.image, photo.content, own, shadow, results, row, picture)
            for photo, own, shadow, results, row, picture in columns
        )
        outcomes = [next(scored) if isinstance(item, PreparedImage) else item for item in batch]
        unread = {
            place: item.unread
            for place, item in enumerate(batch)
            if isinstance(item, PreparedImage) and item.unread is not None
        }
        return _ScoredBatch(outcomes, unread)


def _nothing() -> Prediction:
    return Prediction([], None)
