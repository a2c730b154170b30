"""A sample of the photos that nightly runs have judged, by content hash: no labels are read."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select, text

from ml.storage.photo_archive import ArchivedPhoto, load
from ml.storage.rows import columns_of, load_rows, load_value
from ml.storage.schema import golden_photo, golden_set, image


@dataclass(frozen=True)
class LedgerPhoto:
    """An object of the ledger with its content; `pdq` is None where it was never judged."""

    content_sha256: str
    object_key: str
    size_bytes: int
    uploaded_at: datetime
    state: str
    pdq: str | None
    pdq_quality: int | None


def load_photos_after(connection: Connection, after: str, limit: int) -> list[LedgerPhoto]:
    """The next `limit` objects of the ledger by content hash; of copies, some may be left out.

    They are read in the order of the index. Sorted instead, each page would read the whole ledger.
    """
    columns = columns_of(image, LedgerPhoto)
    query = select(*columns).where(image.c.content_sha256 > after)
    connection.execute(text("set local enable_sort = off"))
    page = query.order_by(image.c.content_sha256).limit(limit)
    photos = load_rows(connection, page, LedgerPhoto)
    connection.execute(text("set local enable_sort = on"))
    return photos


def load_golden_photos(connection: Connection) -> list[ArchivedPhoto]:
    """The photos of the newest golden set."""
    newest = select(golden_set.c.golden_hash).order_by(golden_set.c.created_at.desc()).limit(1)
    golden_hash = load_value(connection, newest, str)
    contents = select(golden_photo.c.content_sha256).where(
        golden_photo.c.golden_hash == golden_hash
    )
    return list(load(connection, list(connection.execute(contents).scalars())).values())
