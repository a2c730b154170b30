"""The bytes of a photo by their hash, from the shop's bucket or from the kept copies."""

from dataclasses import dataclass

from sqlalchemy import Connection, select

from ml.errors import ObjectAbsent, ObjectChanged
from ml.images.fingerprint import content_hash
from ml.storage.object_store import ObjectStore
from ml.storage.schema import image, labelled_photo

_KEPT = "labelled/"  # ml/labels/photo_store.py keeps them there, by hash
_OBJECTS = 3  # the same photo may have been uploaded often; the shop may have deleted some


@dataclass(frozen=True)
class Places:
    """Where a content was seen, the newest (key, ETag) first; its upright size, if known."""

    content_sha256: str
    objects: tuple[tuple[str, str], ...]
    size: tuple[int, int] | None


def places_of(connection: Connection, content_sha256: str) -> Places:
    """Where to look for a content; also for one that is known nowhere."""
    columns = image.c
    seen = (
        select(columns.object_key, columns.etag, columns.width, columns.height)
        .where(columns.content_sha256 == content_sha256)
        .order_by(columns.uploaded_at.desc(), columns.object_key)
        .limit(_OBJECTS)
    )
    rows = connection.execute(seen).all()
    kept = select(labelled_photo.c.width, labelled_photo.c.height).where(
        labelled_photo.c.content_sha256 == content_sha256
    )
    sizes = [(row.width, row.height) for row in rows] or list(connection.execute(kept))
    size = next(((w, h) for w, h in sizes if w and h), None)
    return Places(content_sha256, tuple((row.object_key, row.etag) for row in rows), size)


def read(places: Places, *, photos: ObjectStore, models: ObjectStore, max_bytes: int) -> bytes:
    """The bytes whose hash it is; other bytes that lie there now are never returned.

    Raises:
        ObjectAbsent: they are nowhere any more.
        StorageForbidden, StorageUnavailable: nothing can be said about the photo.
    """
    sources = [(photos, key, etag) for key, etag in places.objects]
    for store, key, etag in (*sources, (models, f"{_KEPT}{places.content_sha256}", None)):
        try:
            data = store.get(key, etag=etag, max_bytes=max_bytes)
        except (ObjectAbsent, ObjectChanged):
            continue
        if content_hash(data) == places.content_sha256:
            return data
    raise ObjectAbsent(f"no bytes with the hash {places.content_sha256} any more")
