"""Archived photos by content: where their bytes are, their rows, and the blocklist of some."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import Connection, FromClause, func, select
from sqlalchemy.dialects.postgresql import insert

from ml.core.errors import ObjectArchived, ObjectChanged, ObjectNotFound
from ml.storage.object_store import ObjectStore
from ml.storage.rows import columns_of, is_found, load_rows, rows_of
from ml.storage.schema import archived_photo, blocklist_photo, human_label, image

_archived = archived_photo.c

_MAX_OBJECTS = 3  # the same photo may have many uploads, and some may have been deleted


@dataclass(frozen=True)
class PhotoLocations:
    """Where a content was seen, the newest (key, ETag) first; its upright size, if known."""

    content_sha256: str
    objects: tuple[tuple[str, str], ...]
    size: tuple[int, int] | None


def archive_key(content_sha256: str) -> str:
    """Where the model bucket has the bytes of an archived photo."""
    return f"labelled/{content_sha256}"


def locate(connection: Connection, content_sha256: str) -> PhotoLocations:
    """Where to look for a content; an unknown one has no objects."""
    seen = (
        select(image.c.object_key, image.c.etag, image.c.width, image.c.height)
        .where(image.c.content_sha256 == content_sha256)
        .order_by(image.c.uploaded_at.desc(), image.c.object_key)
        .limit(_MAX_OBJECTS)
    )
    rows = connection.execute(seen).all()
    archived = select(_archived.width, _archived.height).where(
        _archived.content_sha256 == content_sha256
    )
    sizes = [(row.width, row.height) for row in rows] or list(connection.execute(archived))
    size = next(((w, h) for w, h in sizes if w and h), None)
    return PhotoLocations(content_sha256, tuple((row.object_key, row.etag) for row in rows), size)


def read(
    places: PhotoLocations, *, photos: ObjectStore, models: ObjectStore, max_bytes: int
) -> bytes:
    """The bytes with the content hash, from the bucket or the archive; never other bytes.

    Raises:
        ObjectNotFound: neither has them.
        ObjectArchived: the bucket has them, in an archive tier.
        StorageForbidden, StorageUnavailable: whether they exist is unknown.
    """
    in_tier: ObjectArchived | None = None
    sources = [(photos, key, etag) for key, etag in places.objects]
    for store, key, etag in (*sources, (models, archive_key(places.content_sha256), None)):
        try:
            data = store.get(key, etag=etag, max_bytes=max_bytes)
        except (ObjectNotFound, ObjectChanged):
            continue
        except ObjectArchived as error:
            in_tier = error
            continue
        if hashlib.sha256(data).hexdigest() == places.content_sha256:
            return data
    if in_tier is not None:
        raise in_tier
    raise ObjectNotFound(f"no bytes with the hash {places.content_sha256} any more")


def find_objects(connection: Connection, hashes: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
    """Content hash -> the objects (key, ETag) that held it, the latest first."""
    seen = rows_of(image, hashes, lambda content: image.c.content_sha256 == content).c
    query = select(seen.content_sha256, seen.object_key, seen.etag).order_by(
        seen.uploaded_at.desc(), seen.object_key, seen.etag
    )
    objects: dict[str, list[tuple[str, str]]] = {}
    for content, key, etag in connection.execute(query):
        objects.setdefault(content, []).append((key, etag))
    return objects


def latest_objects(connection: Connection, hashes: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Content hash -> the latest object (key, ETag) with the bytes of an archived photo.

    A photo that was imported may have none: the key is then the archive's, and the ETag empty.
    """
    photos = _rows_of(hashes).c
    archived = connection.execute(select(photos.content_sha256, photos.object_key))
    objects = {content: (key, "") for content, key in archived}
    seen = find_objects(connection, list(objects))
    return objects | {content: found[0] for content, found in seen.items()}


@dataclass(frozen=True)
class ArchivedPhoto:
    """One archived photo: where it was first seen, and its metadata.

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


def upsert(connection: Connection, rows: Sequence[ArchivedPhoto]) -> None:
    """Write rows whose bytes are archived; of an existing row only a missing review is filled in.

    A row whose bytes had been deleted is no longer marked so.
    """
    if not rows:
        return
    new = insert(archived_photo)
    adds_review = _archived.review_id.is_(None) & new.excluded.review_id.is_not(None)
    statement = new.on_conflict_do_update(
        index_elements=["content_sha256"],
        set_={
            "review_id": func.coalesce(_archived.review_id, new.excluded.review_id),
            "deleted_at": None,
        },
        where=adds_review | _archived.deleted_at.is_not(None),
    )
    # In one order: two writers of the same photos cannot deadlock.
    ordered = sorted(rows, key=lambda row: row.content_sha256)
    connection.execute(statement, [asdict(row) for row in ordered])


def load(connection: Connection, hashes: Sequence[str]) -> dict[str, ArchivedPhoto]:
    """The rows of those contents that are archived, by content hash."""
    photo = _rows_of(hashes)
    query = select(*columns_of(photo, ArchivedPhoto)).where(photo.c.deleted_at.is_(None))
    return {photo.content_sha256: photo for photo in load_rows(connection, query, ArchivedPhoto)}


def list_archived(connection: Connection) -> list[str]:
    """Content hashes of all photos whose bytes are archived."""
    query = select(_archived.content_sha256).where(_archived.deleted_at.is_(None))
    return list(connection.execute(query).scalars())


def deleted(connection: Connection, hashes: Sequence[str]) -> list[str]:
    """Those of the contents whose archived bytes were deleted."""
    photo = _rows_of(hashes).c
    query = select(photo.content_sha256).where(photo.deleted_at.is_not(None))
    return list(connection.execute(query).scalars())


def expired(connection: Connection, hashes: Sequence[str]) -> set[str]:
    """Those of the deleted contents without a newer label: they are not archived again."""
    photo = _rows_of(hashes).c
    labeled_since = is_found(
        human_label,
        human_label.c.content_sha256 == photo.content_sha256,
        human_label.c.decided_at >= photo.deleted_at,
    )
    query = select(photo.content_sha256).where(photo.deleted_at.is_not(None), ~labeled_since)
    return set(connection.execute(query).scalars())


def _rows_of(hashes: Sequence[str]) -> FromClause:
    return rows_of(archived_photo, hashes, lambda content: _archived.content_sha256 == content)


def add_to_blocklist(
    connection: Connection, content_sha256: str, *, added_by: str, reason: str
) -> bool:
    """Add an archived photo to the photos that no promoted version may pass; whether it is new."""
    row = insert(blocklist_photo).values(
        content_sha256=content_sha256, added_by=added_by, reason=reason
    )
    added = row.on_conflict_do_nothing().returning(blocklist_photo.c.content_sha256)
    return connection.execute(added).first() is not None


def list_blocklist(connection: Connection) -> list[str]:
    """Content hashes of the photos on the blocklist, sorted."""
    query = select(blocklist_photo.c.content_sha256).order_by(blocklist_photo.c.content_sha256)
    return list(connection.execute(query).scalars())
