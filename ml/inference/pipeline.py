"""One shard as a stream: fetch ∥ decode and screen ∥ forward, with bounded memory.

Each stage reads the one before it through `bounded_map`, so at most a few images are between two
stages at any time. The caller writes what comes out while the next batch is on its way.
"""

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt
import structlog
from structlog.contextvars import bound_contextvars

from ml.errors import (
    ImageRejected,
    ObjectAbsent,
    ObjectChanged,
    QuarantineReason,
    StorageError,
)
from ml.images.decode import DecodeLimits
from ml.images.fingerprint import content_hash, perceptual_hash
from ml.images.preprocess import prepare
from ml.inference.bounded import bounded_map
from ml.inference.clock import StageClock
from ml.inference.outcome import Content, NotFetched, Outcome, Rejected, Scored
from ml.inference.predictor import Predictor, Scores
from ml.inference.scale import Scale
from ml.inference.shadow import Shadow
from ml.inference.threads import Threads
from ml.screens.outcome import ScreenOutcome
from ml.screens.screening import Screening
from ml.storage.images import PendingImage

log = structlog.get_logger()

# A long stretch of unreadable photos must still be written now and then.
MAX_GROUP_FACTOR = 4


@dataclass(frozen=True)
class Fetched:
    """The bytes of one object."""

    image: PendingImage
    data: bytes


@dataclass(frozen=True)
class Prepared:
    """One decoded photo as the model wants it: uint8 (3, crop, crop); and as the shadow does."""

    image: PendingImage
    content: Content
    pixels: npt.NDArray[np.uint8]
    shadow_pixels: npt.NDArray[np.uint8] | None = None
    screens: dict[str, ScreenOutcome] = field(default_factory=dict)


class PhotoSource(Protocol):
    """Where photos come from: the shop's bucket, or what stands for it."""

    def get(self, key: str, *, etag: str | None = None, max_bytes: int | None = None) -> bytes:
        """The bytes of an object; see `ml.storage.object_store.ObjectStore.get`."""
        ...  # pragma: no cover - a protocol's method has no body


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
        self._store = store
        self._predictor = predictor
        self._scale = Scale(limits, picture_side)
        self._shadow = Shadow(shadow, self._scale, self.clock) if shadow is not None else None
        self._limits = limits
        self._fetch_threads = fetch_threads
        self._decode_threads = decode_threads
        self._screening = screening

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
            return self._fetch_one(image)

    def _fetch_one(self, image: PendingImage) -> Fetched | Rejected | NotFetched:
        if image.size_bytes > self._limits.max_bytes:
            return Rejected(image, None, self._too_long(image.size_bytes))
        try:
            with self.clock.time("fetch"):
                data = self._store.get(
                    image.object_key, etag=image.etag, max_bytes=self._limits.max_bytes
                )
        except ObjectAbsent as error:
            gone = ImageRejected(QuarantineReason.OBJECT_ABSENT, str(error))
            return Rejected(image, None, gone)
        except ObjectChanged as error:
            changed = ImageRejected(QuarantineReason.OBJECT_CHANGED, str(error))
            return Rejected(image, None, changed)
        except StorageError as error:
            log.warning("not fetched", error=str(error))
            return NotFetched(image, error)
        return Fetched(image, data)

    def _too_long(self, size: int) -> ImageRejected:
        detail = f"{size:,} bytes, at most {self._limits.max_bytes:,} are read"
        return ImageRejected(QuarantineReason.TOO_MANY_BYTES, detail)

    def _prepare(
        self, fetched: Fetched | Rejected | NotFetched
    ) -> Prepared | Rejected | NotFetched:
        if not isinstance(fetched, Fetched):
            return fetched
        with bound_contextvars(image=fetched.image.object_key):
            return self._prepare_one(fetched)

    def _prepare_one(self, fetched: Fetched) -> Prepared | Rejected:
        with self.clock.time("decode"):
            sha256 = content_hash(fetched.data)
            spec = self._predictor.card.preprocessing
            try:
                photo = self._scale.decode(fetched.data, spec)
            except ImageRejected as error:
                return Rejected(fetched.image, sha256, error)
            seen = self._scale.for_model(photo.image, spec)
            pdq, quality = perceptual_hash(seen)
            content = Content(sha256, pdq, quality, photo.width, photo.height)
            prepared = Prepared(fetched.image, content, prepare(seen, spec))
        if self._screening is not None:
            screens = self._screening.run(photo.image, pdq, quality)
            prepared = replace(prepared, screens=screens)
        if self._shadow is None:
            return prepared
        pixels = self._shadow.pixels(fetched.data, photo, spec)
        return replace(prepared, shadow_pixels=pixels)

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
