"""First stage: fetch the bytes of one object."""

from dataclasses import dataclass
from typing import Protocol

import structlog

from ml.core.concurrency import StageTimer
from ml.core.errors import (
    ImageRejected,
    ObjectChanged,
    ObjectNotFound,
    QuarantineReason,
    StorageError,
)
from ml.core.types import NotFetched, PendingImage, RejectedImage

log = structlog.get_logger()


@dataclass(frozen=True)
class Fetched:
    """The bytes of one object."""

    image: PendingImage
    data: bytes


class PhotoSource(Protocol):
    """Source of photos: the photos' bucket or a substitute."""

    def get(self, key: str, *, etag: str | None = None, max_bytes: int | None = None) -> bytes:
        """The bytes of an object; see `ml.storage.object_store.ObjectStore.get`."""
        ...  # pragma: no cover - a protocol's method has no body


class Fetcher:
    """Fetches objects of one bucket. Thread-safe.

    Args:
        store: the photos' bucket.
        max_bytes: larger objects are rejected without being read completely.
        clock: times the stage "fetch".
    """

    def __init__(self, store: PhotoSource, *, max_bytes: int, clock: StageTimer) -> None:
        self._store = store
        self._max_bytes = max_bytes
        self._clock = clock

    def fetch(self, image: PendingImage) -> Fetched | RejectedImage | NotFetched:
        """Fetch an object; storage errors are returned as outcomes, not raised."""
        if image.size_bytes > self._max_bytes:
            return RejectedImage(image, None, self._too_large(image.size_bytes))
        try:
            with self._clock.time("fetch"):
                data = self._store.get(image.object_key, etag=image.etag, max_bytes=self._max_bytes)
        except ObjectNotFound as error:
            missing = ImageRejected(QuarantineReason.OBJECT_ABSENT, str(error))
            return RejectedImage(image, None, missing)
        except ObjectChanged as error:
            changed = ImageRejected(QuarantineReason.OBJECT_CHANGED, str(error))
            return RejectedImage(image, None, changed)
        except StorageError as error:
            log.warning("not fetched", error=str(error))
            return NotFetched(image, error)
        return Fetched(image, data)

    def _too_large(self, size: int) -> ImageRejected:
        detail = f"{size:,} bytes, at most {self._max_bytes:,} are read"
        return ImageRejected(QuarantineReason.TOO_MANY_BYTES, detail)
