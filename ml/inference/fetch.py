"""First stage: the bytes of one object, or why there are none."""

from dataclasses import dataclass
from typing import Protocol

import structlog

from ml.errors import (
    ImageRejected,
    ObjectAbsent,
    ObjectChanged,
    QuarantineReason,
    StorageError,
)
from ml.inference.clock import StageClock
from ml.inference.outcome import NotFetched, Rejected
from ml.storage.images import PendingImage

log = structlog.get_logger()


@dataclass(frozen=True)
class Fetched:
    """The bytes of one object."""

    image: PendingImage
    data: bytes


class PhotoSource(Protocol):
    """Where photos come from: the shop's bucket, or what stands for it."""

    def get(self, key: str, *, etag: str | None = None, max_bytes: int | None = None) -> bytes:
        """The bytes of an object; see `ml.storage.object_store.ObjectStore.get`."""
        ...  # pragma: no cover - a protocol's method has no body


class Fetching:
    """Reads objects of one bucket. Safe in a pool of threads.

    Args:
        store: the photos' bucket.
        max_bytes: longer objects are rejected without reading them whole.
        clock: its seconds go to the stage "fetch".
    """

    def __init__(self, store: PhotoSource, *, max_bytes: int, clock: StageClock) -> None:
        self._store = store
        self._max_bytes = max_bytes
        self._clock = clock

    def fetch(self, image: PendingImage) -> Fetched | Rejected | NotFetched:
        """The bytes of an object, or what stands in their way; raises nothing of storage."""
        if image.size_bytes > self._max_bytes:
            return Rejected(image, None, self._too_long(image.size_bytes))
        try:
            with self._clock.time("fetch"):
                data = self._store.get(image.object_key, etag=image.etag, max_bytes=self._max_bytes)
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
        detail = f"{size:,} bytes, at most {self._max_bytes:,} are read"
        return ImageRejected(QuarantineReason.TOO_MANY_BYTES, detail)
