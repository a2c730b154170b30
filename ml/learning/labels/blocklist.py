"""Add photos to the blocklist: no promoted model version may ever pass them."""

from pathlib import Path

from ml.core.errors import LabelImportError
from ml.core.settings import Settings
from ml.learning.labels.import_csv import FILE_KEY
from ml.learning.labels.photo_archiver import PhotoArchiver, archive_missing, read_file
from ml.storage import blocklist, photo_archive
from ml.storage.connections import Connections
from ml.storage.database import in_transaction
from ml.vision.images.decode import decode_limits
from ml.vision.images.fingerprint import content_hash


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
        lambda c: blocklist.add_to_blocklist(c, content_sha256, added_by=added_by, reason=reason),
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
