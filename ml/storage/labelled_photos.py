"""`moderation.labelled_photo`: the photos whose bytes are kept because people judged them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import Connection, func, select, text
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
    """Write rows whose bytes are kept; what is there stays, but for a review not known before.

    A row whose bytes had been deleted has them again.
    """
    if not rows:
        return
    new = insert(labelled_photo)
    columns = labelled_photo.c
    more_known = columns.review_id.is_(None) & new.excluded.review_id.is_not(None)
    upsert = new.on_conflict_do_update(
        index_elements=["content_sha256"],
        set_={
            "review_id": func.coalesce(columns.review_id, new.excluded.review_id),
            "deleted_at": None,
        },
        where=more_known | columns.deleted_at.is_not(None),
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
        query = select(*columns).where(
            labelled_photo.c.content_sha256.in_(part), labelled_photo.c.deleted_at.is_(None)
        )
        found |= {row[0]: LabelledPhotoRow(*row) for row in connection.execute(query)}
    return found


def deleted(connection: Connection, hashes: Sequence[str]) -> list[str]:
    """Those of the contents whose bytes were kept once and are deleted."""
    columns = labelled_photo.c
    found: list[str] = []
    for start in range(0, len(hashes), _HASHES):
        query = select(columns.content_sha256).where(
            columns.content_sha256.in_(hashes[start : start + _HASHES]),
            columns.deleted_at.is_not(None),
        )
        found += connection.execute(query).scalars()
    return found


_EXPIRED = text(
    """
    select p.content_sha256 from moderation.labelled_photo p
    where p.content_sha256 = any(:contents) and not exists (
        select from moderation.human_label h
        where h.content_sha256 = p.content_sha256 and h.decided_at >= p.deleted_at
    )
    """
)


def expired(connection: Connection, hashes: Sequence[str]) -> set[str]:
    """Those of the deleted ones that nobody has decided on since: not to be kept again."""
    gone = deleted(connection, hashes)
    return set(connection.execute(_EXPIRED, {"contents": gone}).scalars()) if gone else set()
