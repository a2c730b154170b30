"""Archive photos with labels and of the blocklist: bytes into the model bucket, then the row.

A row therefore guarantees that the bytes exist. Bytes without a row do no harm: the next attempt
writes the same bytes under the same key.
"""

import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import structlog
from sqlalchemy import Connection, Table

from ml.core.concurrency import batched, bounded_map
from ml.core.errors import (
    ImageRejected,
    LabelImportError,
    ObjectArchived,
    ObjectChanged,
    ObjectNotFound,
    QuarantineReason,
    StorageError,
    StorageForbidden,
)
from ml.core.settings import Settings
from ml.storage import photo_archive, photo_cache
from ml.storage.commerce import load_review_ids
from ml.storage.connections import Connections
from ml.storage.database import in_transaction
from ml.storage.object_store import ObjectStore
from ml.storage.photo_archive import ArchivedPhoto
from ml.vision.images.decode import decode
from ml.vision.images.fingerprint import content_hash, perceptual_hash
from ml.vision.images.open_photo import DecodeLimits, decode_limits

log = structlog.get_logger()

NEVER_SEEN = "never_seen"  # a label for a content that no nightly run has seen
EXPIRED = "expired"  # archived once; deleted by the policy's retention, and not archived again
FILE_KEY = "import:"  # prefix of the path of a photo that is no object of the photo bucket
PHOTOS_PER_COMMIT = 200

_SHORT_SIDE = 256  # more than enough for the 64 x 64 cells of the PDQ hash
_FETCHERS = 16


class PhotoArchiver:
    """Decodes photos and archives their bytes in the model bucket `store`; shared by threads.

    `decoders` photos are decoded concurrently; each may need much memory.
    """

    def __init__(self, store: ObjectStore, limits: DecodeLimits, *, decoders: int) -> None:
        self.limits = limits
        self._store = store
        self._decoders = threading.Semaphore(decoders)

    def archive(self, data: bytes, *, object_key: str) -> ArchivedPhoto:
        """Archive one photo's bytes; returns the row, without a review, which the caller writes.

        Raises:
            ImageRejected: the photo cannot be read; nothing is archived.
        """
        with self._decoders:
            photo = decode(data, limits=self.limits, short_side=_SHORT_SIDE)
            pdq, quality = perceptual_hash(photo.image)
        return ArchivedPhoto(
            content_sha256=photo_cache.cache_photo(self._store, data),
            object_key=object_key,
            review_id=None,
            size_bytes=len(data),
            width=photo.width,
            height=photo.height,
            pdq=pdq,
            pdq_quality=quality,
        )


def archive_missing(
    hashes: Sequence[str], *, limits: DecodeLimits, connections: Connections
) -> dict[str, str]:
    """Archive those of the contents that are not archived yet, from the photo bucket.

    Returns:
        Content hash -> why it was not archived: `never_seen`, `expired` or a quarantine reason.

    Raises:
        StorageError: bucket or database as a whole.
    """
    engine = connections.engine
    archived = in_transaction(engine, lambda c: photo_archive.load(c, hashes))
    missing = sorted(set(hashes) - set(archived))
    expired = in_transaction(engine, lambda c: photo_archive.expired(c, missing))
    missing = [content for content in missing if content not in expired]
    archiver = PhotoArchiver(connections.models, limits, decoders=os.cpu_count() or 1)
    reasons: dict[str, str] = {}
    for batch in batched(missing, PHOTOS_PER_COMMIT):
        reasons |= _archive_batch(batch, archiver, connections)
    if missing:
        log.info("photos archived", archived=len(missing) - len(reasons), left_out=len(reasons))
    return dict.fromkeys(sorted(expired), EXPIRED) | reasons


def _archive_batch(
    hashes: list[str], archiver: PhotoArchiver, connections: Connections
) -> dict[str, str]:
    objects = in_transaction(connections.engine, lambda c: photo_archive.find_objects(c, hashes))

    def archive_one(content_sha256: str) -> ArchivedPhoto | str:
        """The row, or why no object gives the photo: the reason of the latest one."""
        reasons = []
        for key, etag in objects.get(content_sha256, []):
            max_bytes = archiver.limits.max_bytes
            try:
                data = read_object(connections.photos, key, etag=etag, max_bytes=max_bytes)
                if content_hash(data) == content_sha256:
                    return archiver.archive(data, object_key=key)
                reasons.append(QuarantineReason.OBJECT_CHANGED.value)
            except ImageRejected as error:
                reasons.append(error.reason.value)
        return reasons[0] if reasons else NEVER_SEEN

    with ThreadPoolExecutor(_FETCHERS, "archive") as pool:
        archived = bounded_map(pool, archive_one, hashes, ahead=2 * _FETCHERS)
        results = dict(zip(hashes, archived, strict=True))
    rows = [result for result in results.values() if isinstance(result, ArchivedPhoto)]
    in_transaction(connections.engine, lambda c: _write_rows(c, connections.commerce, rows))
    return {content: result for content, result in results.items() if isinstance(result, str)}


def _write_rows(connection: Connection, commerce: Table, rows: list[ArchivedPhoto]) -> None:
    reviews = load_review_ids(connection, commerce, [row.object_key for row in rows])
    with_reviews = [replace(row, review_id=reviews.get(row.object_key)) for row in rows]
    photo_archive.upsert(connection, with_reviews)


_REASONS: dict[type[StorageError], QuarantineReason] = {
    ObjectNotFound: QuarantineReason.OBJECT_ABSENT,
    ObjectChanged: QuarantineReason.OBJECT_CHANGED,
    ObjectArchived: QuarantineReason.OBJECT_ARCHIVED,
    StorageForbidden: QuarantineReason.FORBIDDEN,
}


def read_object(store: ObjectStore, key: str, *, max_bytes: int, etag: str | None = None) -> bytes:
    """Read an object; one byte over `max_bytes` at most, so that a decoder sees it is too long.

    Raises:
        ImageRejected: `object_absent`, `object_changed`, `object_archived`, `forbidden` or
            `unreachable`.
        StorageError: the bucket as a whole; then nothing can be said about the photo.
    """
    try:
        return store.get(key, etag=etag, max_bytes=max_bytes)
    except StorageError as error:
        store.check(key)  # a missing bucket or lost rights must not be blamed on its photos
        reason = _REASONS.get(type(error), QuarantineReason.UNREACHABLE)
        raise ImageRejected(reason, str(error)) from error


def read_file(path: Path, *, max_bytes: int) -> bytes:
    """Read a file; one byte over `max_bytes` at most.

    Raises:
        ImageRejected: `object_absent`, `forbidden` or `unreachable`.
    """
    try:
        if not path.is_file():  # a folder, or a pipe that would be waited for without end
            raise ImageRejected(QuarantineReason.OBJECT_ABSENT, f"no file {path.name}")
        with path.open("rb") as file:
            return file.read(max_bytes + 1)
    except PermissionError as error:
        raise ImageRejected(QuarantineReason.FORBIDDEN, f"{path.name} may not be read") from error
    except OSError as error:
        detail = f"{path.name}: {error.strerror}"
        raise ImageRejected(QuarantineReason.UNREACHABLE, detail) from error


def add_to_blocklist(
    content_sha256: str,
    *,
    reason: str,
    added_by: str,
    settings: Settings,
    connections: Connections,
) -> bool:
    """Add a photo; returns whether it is new on the list. Its bytes are archived if they are not.

    Raises:
        LabelImportError: its bytes are neither archived nor in the photo bucket.
    """
    limits = decode_limits(settings)
    missing = archive_missing([content_sha256], limits=limits, connections=connections)
    if missing:
        raise LabelImportError(
            f"the photo {content_sha256} is not archived, and the photo bucket does not give it "
            f"({missing[content_sha256]}): give its file with --path"
        )
    return in_transaction(
        connections.engine,
        lambda c: photo_archive.add_to_blocklist(
            c, content_sha256, added_by=added_by, reason=reason
        ),
    )


def archive_file(
    path: Path, *, wanted: str | None, settings: Settings, connections: Connections
) -> str:
    """Archive the photo of a file; returns its content hash.

    Raises:
        ImageRejected: the file is missing or is no photo.
        LabelImportError: it is not the photo `wanted`.
    """
    limits = decode_limits(settings)
    data = read_file(path, max_bytes=limits.max_bytes)
    content_sha256 = content_hash(data)
    if wanted not in (None, content_sha256):
        raise LabelImportError(f"{path} is another photo than {wanted}: {content_sha256}")
    stored = in_transaction(connections.engine, lambda c: photo_archive.load(c, [content_sha256]))
    if not stored:
        archiver = PhotoArchiver(connections.models, limits, decoders=1)
        row = archiver.archive(data, object_key=f"{FILE_KEY}{path.name}")
        in_transaction(connections.engine, lambda c: photo_archive.upsert(c, [row]))
    return content_sha256
