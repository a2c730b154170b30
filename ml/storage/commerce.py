"""The commerce database's table of photos, under the names that the settings give it."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import (
    Column,
    Connection,
    DateTime,
    MetaData,
    Table,
    Text,
    cast,
    select,
    update,
)

from ml.core.settings import CommerceNames
from ml.storage.rows import load_dict
from ml.storage.schema import image


def review_image(names: CommerceNames) -> Table:
    """`commerce.review_image`: keys of `.c` are ours, names in SQL are the commerce database's."""
    return Table(
        names.table,
        MetaData(),
        Column(names.image_id, Text, key="image_id"),
        Column(names.review_id, Text, key="review_id"),
        Column(names.product_id, Text, key="product_id"),
        Column(names.object_key, Text, key="object_key"),
        Column(names.uploaded_at, DateTime(timezone=True), key="uploaded_at"),
        Column(names.moderation_status, Text, key="moderation_status"),
        Column(names.moderated_at, DateTime(timezone=True), key="moderated_at"),
        schema=names.table_schema,
    )


def load_written_status(
    connection: Connection, object_key: str, etag: str
) -> tuple[str, datetime | None] | None:
    """The status that a nightly run last wrote for an object, and the time it wrote with it."""
    query = select(image.c.written_status, image.c.written_at).where(
        image.c.object_key == object_key,
        image.c.etag == etag,
        image.c.written_status.is_not(None),
    )
    row = connection.execute(query).first()
    return None if row is None else (row.written_status, row.written_at)


def set_status(
    connection: Connection,
    commerce: Table,
    object_key: str,
    etag: str,
    *,
    status: str,
    at: datetime,
) -> None:
    """Set the status of an object, unless a newer one is known under its key: a re-upload."""
    of_key = image.c.object_key == object_key
    this_upload = select(image.c.uploaded_at).where(of_key, image.c.etag == etag).scalar_subquery()
    newer = select(image.c.etag).where(of_key, image.c.uploaded_at > this_upload)
    row = update(commerce).where(commerce.c.object_key == object_key, ~newer.exists())
    connection.execute(row.values(moderation_status=status, moderated_at=at))


def replace_status(
    connection: Connection,
    commerce: Table,
    object_key: str,
    *,
    moderated_at: datetime,
    status: str,
    at: datetime | None,
) -> None:
    """Set the status of rows that were moderated at a time; all others stay as they are."""
    connection.execute(
        update(commerce)
        .where(commerce.c.object_key == object_key, commerce.c.moderated_at == moderated_at)
        .values(moderation_status=status, moderated_at=at)
    )


def load_known_keys(connection: Connection, commerce: Table, keys: Sequence[str]) -> set[str]:
    """Those of the object keys that have a commerce row."""
    query = select(commerce.c.object_key).where(commerce.c.object_key.in_(keys))
    return set(connection.execute(query).scalars())


def load_review_ids(connection: Connection, commerce: Table, keys: Sequence[str]) -> dict[str, str]:
    """Object key -> the review it belongs to; the earliest one, if there are several."""
    if not keys:
        return {}
    columns = commerce.c
    # Latest first: of several rows of a key, the dictionary keeps the last one read.
    query = (
        select(columns.object_key, cast(columns.review_id, Text))
        .where(columns.object_key.in_(keys), columns.review_id.is_not(None))
        .order_by(columns.uploaded_at.desc(), cast(columns.image_id, Text).desc())
    )
    return load_dict(connection, query)
