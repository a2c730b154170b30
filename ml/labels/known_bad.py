"""`moderation.known_bad`: photos that no promoted version may ever pass."""

from pathlib import Path

from sqlalchemy.dialects.postgresql import insert

from ml.connections import Connections
from ml.errors import LabelsRefused
from ml.images.decode import decode_limits
from ml.images.fingerprint import content_hash
from ml.labels.import_csv import FILE_KEY
from ml.labels.keep_photos import PhotoKeeper, keep_missing
from ml.labels.photo_bytes import from_file
from ml.settings import Settings
from ml.storage import labelled_photos
from ml.storage.database import in_transaction
from ml.storage.schema import known_bad


def add_known_bad(
    content_sha256: str,
    *,
    reason: str,
    added_by: str,
    settings: Settings,
    connections: Connections,
) -> bool:
    """Put a photo on the list; returns whether it is new there. Its bytes are kept if they are not.

    Raises:
        LabelsRefused: its bytes are neither kept nor in the shop's bucket.
    """
    missing = keep_missing(
        [content_sha256], limits=decode_limits(settings), connections=connections
    )
    if missing:
        raise LabelsRefused(
            f"the photo {content_sha256} is not kept, and cannot be from the shop's bucket "
            f"({missing[content_sha256]}): give its file with --path"
        )
    row = insert(known_bad).values(content_sha256=content_sha256, added_by=added_by, reason=reason)
    new = row.on_conflict_do_nothing().returning(known_bad.c.content_sha256)
    added = in_transaction(connections.engine, lambda c: c.execute(new).first())
    return added is not None


def keep_file(
    path: Path, *, wanted: str | None, settings: Settings, connections: Connections
) -> str:
    """Keep the photo of a file; returns its content hash.

    Raises:
        ImageRejected: the file is not there or is no photo.
        LabelsRefused: it is not the photo `wanted`.
    """
    limits = decode_limits(settings)
    data = from_file(path, max_bytes=limits.max_bytes)
    content_sha256 = content_hash(data)
    if wanted not in (None, content_sha256):
        raise LabelsRefused(f"{path} is another photo than {wanted}: {content_sha256}")
    kept = in_transaction(connections.engine, lambda c: labelled_photos.load(c, [content_sha256]))
    if not kept:
        keeper = PhotoKeeper(connections.models, limits, decoders=1)
        row = keeper.keep(data, object_key=f"{FILE_KEY}{path.name}", review_id=None)
        in_transaction(connections.engine, lambda c: labelled_photos.remember(c, [row]))
    return content_sha256
