"""Keep the photos that people judged: bytes into the model bucket first, then their row.

A row therefore promises that the bytes are there. Bytes without a row do no harm: the next attempt
puts the same ones under the same name.
"""

import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import structlog
from sqlalchemy import Connection, Table, Text, cast, select

from ml.connections import Connections
from ml.errors import ImageRejected, QuarantineReason
from ml.images.decode import DecodeLimits, decode
from ml.images.fingerprint import content_hash, perceptual_hash
from ml.inference.bounded import bounded_map
from ml.labels import photo_store
from ml.labels.photo_bytes import from_bucket
from ml.storage import labelled_photos
from ml.storage.database import in_transaction
from ml.storage.labelled_photos import LabelledPhotoRow
from ml.storage.object_store import ObjectStore
from ml.storage.schema import image

log = structlog.get_logger()

NEVER_SEEN = "never_seen"  # a label for a content that no night has met
EXPIRED = "expired"  # kept once; deleted by the policy's retention, and not to be kept again
PHOTOS_PER_COMMIT = 200

# The PDQ hash is of 64 x 64 cells: what the pipeline decodes for is more than enough for it.
_SHORT_SIDE = 256
_FETCHERS = 16


class PhotoKeeper:
    """Decodes photos and keeps their bytes; shared by threads.

    Args:
        store: the model bucket.
        limits: what a photo may be.
        decoders: photos decoded at the same time; each may need much memory.
    """

    def __init__(self, store: ObjectStore, limits: DecodeLimits, *, decoders: int) -> None:
        self._store = store
        self._limits = limits
        self._turn = threading.Semaphore(decoders)

    def keep(self, data: bytes, *, object_key: str, review_id: str | None) -> LabelledPhotoRow:
        """Keep one photo's bytes; returns the row, which is the caller's to write.

        Raises:
            ImageRejected: the photo cannot be read; nothing is kept.
        """
        with self._turn:
            photo = decode(data, limits=self._limits, short_side=_SHORT_SIDE)
            pdq, quality = perceptual_hash(photo.image)
        return LabelledPhotoRow(
            content_sha256=photo_store.keep(self._store, data),
            object_key=object_key,
            review_id=review_id,
            size_bytes=len(data),
            width=photo.width,
            height=photo.height,
            pdq=pdq,
            pdq_quality=quality,
        )


def keep_missing(
    hashes: Sequence[str], *, limits: DecodeLimits, connections: Connections
) -> dict[str, str]:
    """Keep those of the contents that are not kept yet, from the shop's bucket.

    Returns:
        Content hash -> why it could not be kept: `never_seen`, `expired` or a quarantine reason.

    Raises:
        StorageError: bucket or database as a whole.
    """
    engine = connections.engine
    kept = in_transaction(engine, lambda c: labelled_photos.load(c, hashes))
    missing = sorted(set(hashes) - set(kept))
    gone = in_transaction(engine, lambda c: labelled_photos.expired(c, missing))
    missing = [content for content in missing if content not in gone]
    keeper = PhotoKeeper(connections.models, limits, decoders=os.cpu_count() or 1)
    reasons = dict.fromkeys(sorted(gone), EXPIRED)
    for start in range(0, len(missing), PHOTOS_PER_COMMIT):
        part = missing[start : start + PHOTOS_PER_COMMIT]
        reasons |= _keep_part(part, keeper, limits, connections)
    if missing:
        left_out = len(reasons) - len(gone)
        log.info("photos kept", kept=len(missing) - left_out, left_out=left_out)
    return reasons


def review_ids(connection: Connection, commerce: Table, keys: Sequence[str]) -> dict[str, str]:
    """Object key -> the review that the shop has it in; the first one, where there are more."""
    columns = commerce.c
    query = (
        select(columns.object_key, cast(columns.review_id, Text))
        .where(columns.object_key.in_(keys), columns.review_id.is_not(None))
        .order_by(columns.uploaded_at.desc(), cast(columns.image_id, Text).desc())
    )
    return {row[0]: row[1] for row in connection.execute(query)} if keys else {}


def _keep_part(
    hashes: list[str], keeper: PhotoKeeper, limits: DecodeLimits, connections: Connections
) -> dict[str, str]:
    places = in_transaction(connections.engine, lambda c: _places(c, hashes))

    def keep_one(wanted: str) -> LabelledPhotoRow | str:
        return _keep_one(wanted, places.get(wanted, []), keeper, limits, connections.photos)

    with ThreadPoolExecutor(_FETCHERS, "keep") as pool:
        results = dict(
            zip(hashes, bounded_map(pool, keep_one, hashes, ahead=2 * _FETCHERS), strict=True)
        )
    rows = [result for result in results.values() if isinstance(result, LabelledPhotoRow)]
    in_transaction(connections.engine, lambda c: _remember(c, connections.commerce, rows))
    return {wanted: result for wanted, result in results.items() if isinstance(result, str)}


def _remember(connection: Connection, commerce: Table, rows: list[LabelledPhotoRow]) -> None:
    reviews = review_ids(connection, commerce, [row.object_key for row in rows])
    known = [replace(row, review_id=reviews.get(row.object_key)) for row in rows]
    labelled_photos.remember(connection, known)


def _places(connection: Connection, hashes: list[str]) -> dict[str, list[tuple[str, str]]]:
    """Content hash -> the objects (key, ETag) that held it, the latest first."""
    query = (
        select(image.c.content_sha256, image.c.object_key, image.c.etag)
        .where(image.c.content_sha256.in_(hashes))
        .order_by(image.c.uploaded_at.desc(), image.c.object_key, image.c.etag)
    )
    places: dict[str, list[tuple[str, str]]] = {}
    for content, key, etag in connection.execute(query):
        places.setdefault(content, []).append((key, etag))
    return places


def _keep_one(
    wanted: str,
    places: list[tuple[str, str]],
    keeper: PhotoKeeper,
    limits: DecodeLimits,
    photos: ObjectStore,
) -> LabelledPhotoRow | str:
    """The row, or why none of the places gives the photo: the reason of the latest one."""
    reasons = []
    for key, etag in places:
        try:
            data = _unchanged(photos, key, etag, wanted, limits)
            return keeper.keep(data, object_key=key, review_id=None)
        except ImageRejected as error:
            reasons.append(error.reason.value)
    return reasons[0] if reasons else NEVER_SEEN


def _unchanged(
    photos: ObjectStore, key: str, etag: str, wanted: str, limits: DecodeLimits
) -> bytes:
    data = from_bucket(photos, key, etag=etag, max_bytes=limits.max_bytes)
    if content_hash(data) != wanted:
        raise ImageRejected(QuarantineReason.OBJECT_CHANGED, key)
    return data
