"""Process one shard as a stream: fetch ∥ decode and screen ∥ forward, with bounded memory.

Each stage reads the previous one through `bounded_map`, so only a few images are between two
stages at any time. The caller stores a batch while the next one is being prepared.
"""

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing

from structlog.contextvars import bound_contextvars

from ml.core.concurrency import ContextThreadPoolExecutor, StageTimer, bounded_map
from ml.core.types import NotFetched, Outcome, PendingImage, RejectedImage, Scored
from ml.models.predictor import Predictor, Scores
from ml.moderation.pipeline.fetch import Fetched, Fetcher, PhotoSource
from ml.moderation.pipeline.preprocessing import PreparedImage, Preprocessor
from ml.moderation.pipeline.shadow import Shadow
from ml.vision.images.decode import DecodeLimits
from ml.vision.images.preprocess import DecodePlan
from ml.vision.screens.runner import ScreenRunner

# Maximum outcomes of a batch, in batch sizes: many rejected photos in a row must still be stored.
MAX_GROUP_FACTOR = 4

Prepared = PreparedImage | RejectedImage | NotFetched


class Pipeline:
    """Fetches, decodes and scores images of one bucket with one model.

    Args:
        store: the photos' bucket.
        predictor: the loaded model; its card specifies the preprocessing.
        shadow: a second model that scores the same photos, without effect on the first.
        limits: limits of a photo.
        fetch_threads, decode_threads: number of threads of the two stages.
        picture_side: `Screens.picture_side` of the policy. It decides the scale at which photos are
            decoded, so a replay needs it although it runs no screens.
        screening: the screens; they run in the decode threads.
        clock: sums the seconds of the stages.
    """

    def __init__(
        self,
        *,
        store: PhotoSource,
        predictor: Predictor,
        shadow: Predictor | None = None,
        limits: DecodeLimits,
        fetch_threads: int,
        decode_threads: int,
        picture_side: int | None = None,
        screening: ScreenRunner | None = None,
        clock: StageTimer | None = None,
    ) -> None:
        self.clock = clock or StageTimer()
        self._fetcher = Fetcher(store, max_bytes=limits.max_bytes, clock=self.clock)
        self._predictor = predictor
        plan = DecodePlan(limits, picture_side)
        self._shadow = Shadow(shadow, plan, self.clock) if shadow is not None else None
        self._preprocessor = Preprocessor(
            plan,
            predictor.card.preprocessing,
            screening=screening,
            shadow=self._shadow,
            clock=self.clock,
        )
        self._fetch_threads = fetch_threads
        self._decode_threads = decode_threads

    def run(self, images: Iterable[PendingImage]) -> Generator[list[Outcome]]:
        """Yield the outcomes of the images, in their order, in batches."""
        ahead = self._predictor.batch_size + self._decode_threads
        # If the caller stops early, closing the generators first cancels pending work, so that the
        # pools shut down at once.
        with ContextThreadPoolExecutor(self._fetch_threads, "fetch") as fetchers:
            fetched = bounded_map(fetchers, self._fetch, images, ahead=2 * self._fetch_threads)
            with (
                closing(fetched),
                ContextThreadPoolExecutor(self._decode_threads, "decode") as decoders,
            ):
                prepared = bounded_map(decoders, self._prepare, fetched, ahead=ahead)
                with closing(prepared):
                    for batch in _group_batches(prepared, self._predictor.batch_size):
                        yield self._score(batch)

    def _fetch(self, image: PendingImage) -> Fetched | RejectedImage | NotFetched:
        with bound_contextvars(image=image.object_key):
            return self._fetcher.fetch(image)

    def _prepare(self, fetched: Fetched | RejectedImage | NotFetched) -> Prepared:
        if not isinstance(fetched, Fetched):
            return fetched
        with bound_contextvars(image=fetched.image.object_key):
            return self._preprocessor.prepare(fetched)

    def _score(self, batch: list[Prepared]) -> list[Outcome]:
        photos = [item for item in batch if isinstance(item, PreparedImage)]
        with self.clock.time("forward"):
            scores = self._predictor.scores([p.pixels for p in photos]) if photos else []
        scored = (
            Scored(photo.image, photo.content, own, shadow, photo.screens)
            for photo, own, shadow in zip(photos, scores, self._shadow_scores(photos), strict=True)
        )
        return [next(scored) if isinstance(item, PreparedImage) else item for item in batch]

    def _shadow_scores(self, photos: list[PreparedImage]) -> Sequence[Scores | None]:
        if self._shadow is None:
            return [None] * len(photos)
        return self._shadow.scores([photo.shadow_pixels for photo in photos])


def _group_batches(items: Iterator[Prepared], batch_size: int) -> Iterator[list[Prepared]]:
    """Group a stream into batches with `batch_size` photos to score; fewer if many are rejected."""
    batch: list[Prepared] = []
    photos = 0
    for item in items:
        batch.append(item)
        photos += isinstance(item, PreparedImage)
        if photos == batch_size or len(batch) == MAX_GROUP_FACTOR * batch_size:
            yield batch
            batch, photos = [], 0
    if batch:
        yield batch
