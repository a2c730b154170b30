"""Archived photos by content: `moderation.archived_photo` and where their bytes are."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import Connection, func, select, text
from sqlalchemy.dialects.postgresql import insert

from ml.core.errors import ObjectChanged, ObjectNotFound
from ml.storage.object_store import ObjectStore
from ml.storage.schema import archived_photo, image

_ARCHIVE = "labelled/"  # ml/storage/photo_cache.py writes them there, by hash
_MAX_OBJECTS = 3  # the same photo may have many uploads, and the shop may have deleted some


@dataclass(frozen=True)
class PhotoLocations:
    """Where a content was seen, the newest (key, ETag) first; its upright size, if known."""

    content_sha256: str
    objects: tuple[tuple[str, str], ...]
    size: tuple[int, int] | None


def locate(connection: Connection, content_sha256: str) -> PhotoLocations:
    """Where to look for a content; an unknown one has no objects."""
    columns = image.c
    seen = (
        select(columns.object_key, columns.etag, columns.width, columns.height)
        .where(columns.content_sha256 == content_sha256)
        .order_by(columns.uploaded_at.desc(), columns.object_key)
        .limit(_MAX_OBJECTS)
    )
    rows = connection.execute(seen).all()
    archived = select(archived_photo.c.width, archived_photo.c.height).where(
        archived_photo.c.content_sha256 == content_sha256
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
        StorageForbidden, StorageUnavailable: whether they exist is unknown.
    """
    sources = [(photos, key, etag) for key, etag in places.objects]
    for store, key, etag in (*sources, (models, f"{_ARCHIVE}{places.content_sha256}", None)):
        try:
            data = store.get(key, etag=etag, max_bytes=max_bytes)
        except (ObjectNotFound, ObjectChanged):
            continue
        if hashlib.sha256(data).hexdigest() == places.content_sha256:
            return data
    raise ObjectNotFound(f"no bytes with the hash {places.content_sha256} any more")


def find_objects(connection: Connection, hashes: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
    """Content hash -> the objects (key, ETag) that held it, the latest first."""
    query = (
        select(image.c.content_sha256, image.c.object_key, image.c.etag)
        .where(image.c.content_sha256.in_(hashes))
        .order_by(image.c.uploaded_at.desc(), image.c.object_key, image.c.etag)
    )
    objects: dict[str, list[tuple[str, str]]] = {}
    for content, key, etag in connection.execute(query):
        objects.setdefault(content, []).append((key, etag))
    return objects


_MAX_HASHES = 10_000  # a query; far below the limit of 65,535 parameters


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
    columns = archived_photo.c
    adds_review = columns.review_id.is_(None) & new.excluded.review_id.is_not(None)
    statement = new.on_conflict_do_update(
        index_elements=["content_sha256"],
        set_={
            "review_id": func.coalesce(columns.review_id, new.excluded.review_id),
            "deleted_at": None,
        },
        where=adds_review | columns.deleted_at.is_not(None),
    )
    # In one order: two writers of the same photos cannot deadlock.
    ordered = sorted(rows, key=lambda row: row.content_sha256)
    connection.execute(statement, [asdict(row) for row in ordered])


def load(connection: Connection, hashes: Sequence[str]) -> dict[str, ArchivedPhoto]:
    """The rows of those contents that are archived, by content hash."""
    columns = [archived_photo.c[name] for name in ArchivedPhoto.__dataclass_fields__]
    photos: dict[str, ArchivedPhoto] = {}
    for start in range(0, len(hashes), _MAX_HASHES):
        query = select(*columns).where(
            archived_photo.c.content_sha256.in_(hashes[start : start + _MAX_HASHES]),
            archived_photo.c.deleted_at.is_(None),
        )
        photos |= {row[0]: ArchivedPhoto(*row) for row in connection.execute(query)}
    return photos


def list_archived(connection: Connection) -> list[str]:
    """Content hashes of all photos whose bytes are archived."""
    columns = archived_photo.c
    query = select(columns.content_sha256).where(columns.deleted_at.is_(None))
    return list(connection.execute(query).scalars())


def deleted(connection: Connection, hashes: Sequence[str]) -> list[str]:
    """Those of the contents whose archived bytes were deleted."""
    columns = archived_photo.c
    contents: list[str] = []
    for start in range(0, len(hashes), _MAX_HASHES):
        query = select(columns.content_sha256).where(
            columns.content_sha256.in_(hashes[start : start + _MAX_HASHES]),
            columns.deleted_at.is_not(None),
        )
        contents += connection.execute(query).scalars()
    return contents


_EXPIRED = text(
    """
    select p.content_sha256 from moderation.archived_photo p
    where p.content_sha256 = any(:contents) and not exists (
        select from moderation.human_label h
        where h.content_sha256 = p.content_sha256 and h.decided_at >= p.deleted_at
    )
    """
)


def expired(connection: Connection, hashes: Sequence[str]) -> set[str]:
    """Those of the deleted contents without a newer label: they are not archived again."""
    contents = deleted(connection, hashes)
    if not contents:
        return set()
    return set(connection.execute(_EXPIRED, {"contents": contents}).scalars())
