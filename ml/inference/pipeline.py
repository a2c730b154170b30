"""One shard as a stream: fetch ∥ decode and screen ∥ forward, with bounded memory.

Each stage reads the one before it through `bounded_map`, so at most a few images are between two
stages at any time. The caller writes what comes out while the next batch is on its way.
"""

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing

from structlog.contextvars import bound_contextvars

from ml.images.decode import DecodeLimits
from ml.inference.bounded import bounded_map
from ml.inference.clock import StageClock
from ml.inference.fetch import Fetched, Fetching, PhotoSource
from ml.inference.outcome import NotFetched, Outcome, Rejected, Scored
from ml.inference.predictor import Predictor, Scores
from ml.inference.preparation import Preparation, Prepared
from ml.inference.scale import Scale
from ml.inference.shadow import Shadow
from ml.inference.threads import Threads
from ml.screens.screening import Screening
from ml.storage.images import PendingImage

# A long stretch of unreadable photos must still be written now and then.
MAX_GROUP_FACTOR = 4


class Pipeline:
    """Fetches, decodes and scores images of one bucket with one model.

    Args:
        store: the photos' bucket.
        predictor: the loaded model; its card says how pixels are prepared.
        shadow: a second model that scores the same photos, without effect on the first.
        limits: what a photo may be.
        fetch_threads, decode_threads: workers of the two stages.
        picture_side: `Screens.picture_side` of the policy. It decides at which scale photos are
            decoded, so a replay gives it, too, although it runs no screens.
        screening: the screens, which run in the threads that decode.
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
        screening: Screening | None = None,
        clock: StageClock | None = None,
    ) -> None:
        self.clock = clock or StageClock()
        self._fetching = Fetching(store, max_bytes=limits.max_bytes, clock=self.clock)
        self._predictor = predictor
        scale = Scale(limits, picture_side)
        self._shadow = Shadow(shadow, scale, self.clock) if shadow is not None else None
        self._preparation = Preparation(
            scale,
            predictor.card.preprocessing,
            screening=screening,
            shadow=self._shadow,
            clock=self.clock,
        )
        self._fetch_threads = fetch_threads
        self._decode_threads = decode_threads

    def run(self, images: Iterable[PendingImage]) -> Generator[list[Outcome]]:
        """Yield the outcomes of the images, in their order, a batch at a time."""
        ahead = self._predictor.batch_images + self._decode_threads
        # Left early, the generators are closed first and cancel what waits: the pools end at once.
        with Threads(self._fetch_threads, "fetch") as fetchers:
            fetched = bounded_map(fetchers, self._fetch, images, ahead=2 * self._fetch_threads)
            with closing(fetched), Threads(self._decode_threads, "decode") as decoders:
                prepared = bounded_map(decoders, self._prepare, fetched, ahead=ahead)
                with closing(prepared):
                    for batch in _batches(prepared, self._predictor.batch_images):
                        yield self._score(batch)

    def _fetch(self, image: PendingImage) -> Fetched | Rejected | NotFetched:
        with bound_contextvars(image=image.object_key):
            return self._fetching.fetch(image)

    def _prepare(
        self, fetched: Fetched | Rejected | NotFetched
    ) -> Prepared | Rejected | NotFetched:
        if not isinstance(fetched, Fetched):
            return fetched
        with bound_contextvars(image=fetched.image.object_key):
            return self._preparation.prepare(fetched)

    def _score(self, batch: list[Prepared | Rejected | NotFetched]) -> list[Outcome]:
        photos = [item for item in batch if isinstance(item, Prepared)]
        with self.clock.time("forward"):
            scores = self._predictor.scores([p.pixels for p in photos]) if photos else []
        shadow = self._shadow_scores(photos)
        scored = (
            Scored(photo.image, photo.content, own, beside, photo.screens)
            for photo, own, beside in zip(photos, scores, shadow, strict=True)
        )
        return [next(scored) if isinstance(item, Prepared) else item for item in batch]

    def _shadow_scores(self, photos: list[Prepared]) -> Sequence[Scores | None]:
        if self._shadow is None:
            return [None] * len(photos)
        return self._shadow.scores([photo.shadow_pixels for photo in photos])


def _batches(
    items: Iterator[Prepared | Rejected | NotFetched], photos: int
) -> Iterator[list[Prepared | Rejected | NotFetched]]:
    """Group a stream: `photos` prepared ones a group, or fewer among very many rejected ones."""
    group: list[Prepared | Rejected | NotFetched] = []
    count = 0
    for item in items:
        group.append(item)
        count += isinstance(item, Prepared)
        if count == photos or len(group) == MAX_GROUP_FACTOR * photos:
            yield group
            group, count = [], 0
    if group:
        yield group
