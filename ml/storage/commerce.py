"""The commerce database's table of photos: reads, comparisons, and the decisions of reviewers."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import psycopg.errors
from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Subquery,
    Table,
    Text,
    and_,
    cast,
    collate,
    func,
    literal,
    select,
    update,
)
from sqlalchemy.exc import DBAPIError

from ml.core.errors import SettingsError
from ml.storage.rows import is_found, load_dict, rows_of
from ml.storage.schema import image

# Times in the commerce table and in listings may be cut off to the second.
RESOLUTION = timedelta(seconds=1)
MAX_KEY_BYTES = 1024  # of S3
_REFUSALS = (
    psycopg.IntegrityError,
    psycopg.errors.RaiseException,
    psycopg.errors.WithCheckOptionViolation,
)


def same_key(commerce: FromClause, key: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether a commerce row has an object key; searches the index of the commerce table."""
    column = commerce.c.object_key
    equal: ColumnElement[bool] = column == to_stored(column, key)
    # A `char` is compared without the blanks at its end, a key of the bucket has them.
    padded = getattr(column.type, "sql_type", None) == "bpchar"
    return and_(equal, text_key(commerce) == key) if padded else equal


def text_key(commerce: FromClause) -> ColumnElement[str]:
    """The object key to compare with our keys, which are ordered by bytes."""
    return collate(cast(commerce.c.object_key, Text), "C")


def is_key(key: str) -> bool:
    """Whether a commerce row can have the key of an object: no NUL, and of S3's length."""
    return "\0" not in key and len(key.encode()) <= MAX_KEY_BYTES


@contextmanager
def explain_refusal(commerce: Table) -> Iterator[None]:
    """For writes to the table: what only its rows, triggers or partitions refuse.

    Raises:
        SettingsError: it refuses a status or time; with the remedy.
    """
    try:
        yield
    except DBAPIError as error:
        if not isinstance(error.orig, _REFUSALS):
            raise
        message = error.orig.diag.message_primary
        raise SettingsError(
            f"the commerce table {commerce} refuses a row: {message}; let its constraints, "
            "triggers and partitions allow the four statuses MODERATION_COMMERCE__STATUS_* and the "
            "present time"
        ) from error


def can_be_key(commerce: FromClause) -> ColumnElement[bool]:
    """Whether an object can have the row's key: it is neither null, nor empty, nor too long."""
    size = func.octet_length(cast(commerce.c.object_key, Text))
    return func.coalesce(size.between(1, MAX_KEY_BYTES), False)


def text_status(commerce: FromClause) -> ColumnElement[str]:
    """The status to compare with the values of the settings."""
    return cast(commerce.c.moderation_status, Text)


def instant(column: ColumnElement[Any]) -> ColumnElement[datetime]:
    """The instant that a time of the commerce table means."""
    moment: ColumnElement[datetime] = column.type.to_instant(column)  # type: ignore[attr-defined]  # a StoredTime
    return moment


def is_older(commerce: FromClause, moment: ColumnElement[datetime]) -> ColumnElement[bool]:
    """Whether the row was certainly moderated before a moment."""
    return instant(commerce.c.moderated_at) + RESOLUTION <= moment


def to_stored(column: ColumnElement[Any], value: ColumnElement[Any]) -> ColumnElement[Any]:
    """An instant or text as a value of a column of the commerce table."""
    stored: ColumnElement[Any] = column.type.to_stored(value)  # type: ignore[attr-defined]  # a StoredTime or StoredText
    return stored


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
    has_newer = is_found(image, of_key, image.c.uploaded_at > this_upload)
    row = update(commerce).where(same_key(commerce, literal(object_key)), ~has_newer)
    with explain_refusal(commerce):
        connection.execute(row.values(moderation_status=status, moderated_at=at))


def replace_status(
    connection: Connection,
    commerce: Table,
    object_key: str,
    *,
    shown: tuple[str, datetime],
    status: str,
    at: datetime | None,
) -> None:
    """Set the status of rows that show a status and time; all others stay as they are."""
    columns = commerce.c
    shows = and_(columns.moderation_status == shown[0], columns.moderated_at == shown[1])
    row = update(commerce).where(same_key(commerce, literal(object_key)), shows)
    with explain_refusal(commerce):
        connection.execute(row.values(moderation_status=status, moderated_at=at))


def load_known_keys(connection: Connection, commerce: Table, keys: Sequence[str]) -> set[str]:
    """Those of the object keys that have a commerce row."""
    return set(connection.execute(select(rows_of_keys(commerce, keys).c.key)).scalars())


def load_review_ids(connection: Connection, commerce: Table, keys: Sequence[str]) -> dict[str, str]:
    """Object key -> the review it belongs to; the earliest one, if there are several."""
    row = rows_of_keys(commerce, keys).c
    # Latest first: of several rows of a key, the dictionary keeps the last one read.
    query = (
        select(row.key, cast(row.review_id, Text))
        .where(row.review_id.is_not(None))
        .order_by(row.uploaded_at.desc(), cast(row.image_id, Text).desc())
    )
    return load_dict(connection, query)


def rows_of_keys(commerce: Table, keys: Collection[str]) -> Subquery:
    """The commerce rows of some object keys, and each key as `key`; each key is looked up."""
    return rows_of(commerce, keys, partial(same_key, commerce))
