"""First stage: fetch the bytes of one object."""

from dataclasses import dataclass
from typing import Protocol

import structlog

from ml.core.concurrency import StageTimer
from ml.core.errors import (
    ImageRejected,
    ObjectArchived,
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

    def get(
        self,
        key: str,
        *,
        etag: str | None = None,
        size_bytes: int | None = None,
        max_bytes: int | None = None,
    ) -> bytes:
        """The bytes of an object; see `ml.storage.object_store.ObjectStore.get`."""
        ...  # pragma: no cover - a protocol's method has no body


@dataclass(frozen=True)
class Fetcher:
    """Fetches objects of one bucket, at most `max_bytes` of each. Thread-safe."""

    store: PhotoSource
    max_bytes: int
    clock: StageTimer

    def fetch(self, image: PendingImage) -> Fetched | RejectedImage | NotFetched:
        """Fetch an object; storage errors are returned as outcomes, not raised."""
        if image.size_bytes > self.max_bytes:
            detail = f"{image.size_bytes:,} bytes, at most {self.max_bytes:,} are read"
            return _rejected(image, QuarantineReason.TOO_MANY_BYTES, detail)
        try:
            with self.clock.time("fetch"):
                data = self.store.get(
                    image.object_key,
                    etag=image.etag,
                    size_bytes=image.size_bytes,
                    max_bytes=self.max_bytes,
                )
        except ObjectNotFound as error:
            return _rejected(image, QuarantineReason.OBJECT_ABSENT, str(error))
        except ObjectChanged as error:
            return _rejected(image, QuarantineReason.OBJECT_CHANGED, str(error))
        except ObjectArchived as error:
            return _rejected(image, QuarantineReason.OBJECT_ARCHIVED, str(error))
        except StorageError as error:
            log.warning("not fetched", error=str(error))
            return NotFetched(image, error)
        return Fetched(image, data)


def _rejected(image: PendingImage, reason: QuarantineReason, detail: str) -> RejectedImage:
    return RejectedImage(image, None, ImageRejected(reason, detail))
