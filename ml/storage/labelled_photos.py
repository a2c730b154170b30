"""`moderation.labelled_photo`: the photos whose bytes are kept because people judged them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert

from ml.storage.schema import labelled_photo

_HASHES = 10_000  # a query; far below the 65,535 values that one may carry


@dataclass(frozen=True)
class LabelledPhotoRow:
    """One kept photo: where it was seen first, and what can be said without its bytes.

    `width` and `height` are pixels of the upright original; `pdq` is 64 hexadecimal digits.
    """

    content_sha256: str
    object_key: str
    review_id: str | None
    size_bytes: int
    width: int
    height: int
    pdq: str
    pdq_quality: int


def remember(connection: Connection, rows: Sequence[LabelledPhotoRow]) -> None:
    """Write rows whose bytes are kept; what is there stays, but for a review not known before."""
    if not rows:
        return
    new = insert(labelled_photo)
    upsert = new.on_conflict_do_update(
        index_elements=["content_sha256"],
        set_={"review_id": new.excluded.review_id},
        where=labelled_photo.c.review_id.is_(None) & new.excluded.review_id.is_not(None),
    )
    # In one order: two writers of the same photos never wait for each other in a circle.
    ordered = sorted(rows, key=lambda row: row.content_sha256)
    connection.execute(upsert, [asdict(row) for row in ordered])


def load(connection: Connection, hashes: Sequence[str]) -> dict[str, LabelledPhotoRow]:
    """The rows of those contents that are kept, by content hash."""
    columns = [labelled_photo.c[name] for name in LabelledPhotoRow.__dataclass_fields__]
    found: dict[str, LabelledPhotoRow] = {}
    for start in range(0, len(hashes), _HASHES):
        part = hashes[start : start + _HASHES]
        query = select(*columns).where(labelled_photo.c.content_sha256.in_(part))
        found |= {row[0]: LabelledPhotoRow(*row) for row in connection.execute(query)}
    return found
