"""Listed photos, read from the photo bucket while they are decoded: no file of them is written."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ml.core.errors import ImageRejected, QuarantineReason, StorageUnavailable
from ml.core.manifest import ListedPhoto, PhotoList
from ml.learning.labels.photo_archiver import read_object
from ml.models.distillation.distill import UNLABELED
from ml.models.distillation.sources import Origin
from ml.models.training.image_folder import Photo
from ml.storage.object_store import ObjectStore
from ml.vision.images.fingerprint import content_hash


@dataclass(frozen=True)
class BucketPhoto(Photo):
    """A photo of the bucket `store`, named by its key."""

    store: ObjectStore
    content_sha256: str

    def read(self, max_bytes: int) -> bytes:
        """Its bytes, if they still are those that were listed.

        Raises:
            ImageRejected: it was deleted or replaced since; it is left out then.
            StorageError: the bucket; a photo is not left out because the bucket does not answer.
        """
        try:
            data = read_object(self.store, self.name, max_bytes=max_bytes)
        except ImageRejected as error:
            if error.reason is QuarantineReason.UNREACHABLE:
                raise StorageUnavailable(f"{self.name}: {error.detail}") from error
            raise
        if content_hash(data) != self.content_sha256:
            raise ImageRejected(QuarantineReason.OBJECT_CHANGED)
        return data


def bucket_photos(photos: Sequence[ListedPhoto], store: ObjectStore) -> list[Photo]:
    """The listed photos, to be read without their labels."""
    return [
        BucketPhoto(
            Path(photo.object_key), photo.object_key, UNLABELED, store, photo.content_sha256
        )
        for photo in photos
    ]


def own_origins(listed: PhotoList, store: ObjectStore) -> dict[str, Origin]:
    """For the card: they are the shop's own."""
    origin = Origin(f"bucket {store.bucket}", "the shop's own photos")
    return dict.fromkeys((photo.content_sha256 for photo in listed.photos), origin)
