"""The undecided images of a shard, and the outcome of each."""

from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy import Connection, Engine, Select, and_, bindparam, select, update

from ml.core.types import PendingImage, Shard
from ml.storage.database import in_transaction
from ml.storage.schema import audit_image, image

PAGE = 1000


def pending_images(engine: Engine, shard: Shard) -> Iterator[PendingImage]:
    """The shard's undecided images in key order, read in pages of one transaction each.

    No transaction stays open while the caller works. Images decided meanwhile lie before the
    reading position and are not returned again.
    """
    after = ""
    while True:
        page = in_transaction(engine, _load_page, shard, after)
        yield from page
        if len(page) < PAGE:
            return
        after = page[-1].object_key


def last_pending_image(connection: Connection, shard: Shard) -> PendingImage | None:
    """The shard's undecided image with the last key; None without any."""
    query = _select_pending(shard).order_by(audit_image.c.object_key.desc()).limit(1)
    row = connection.execute(query).first()
    return None if row is None else PendingImage(*row)


def _load_page(connection: Connection, shard: Shard, after: str) -> list[PendingImage]:
    key = audit_image.c.object_key
    query = _select_pending(shard).where(key > after).order_by(key).limit(PAGE)
    return [PendingImage(*row) for row in connection.execute(query)]


def _select_pending(shard: Shard) -> Select[str, str, int]:
    columns = audit_image.c
    same_object = and_(image.c.object_key == columns.object_key, image.c.etag == columns.etag)
    size_bytes = select(image.c.size_bytes).where(same_object).scalar_subquery()
    return select(columns.object_key, columns.etag, size_bytes).where(
        columns.run_id == shard.run_id,
        columns.object_key >= shard.first_key,
        columns.object_key <= shard.last_key,
        columns.outcome.is_(None),
    )


def set_outcomes(connection: Connection, run_id: str, keys: Sequence[str], outcome: str) -> None:
    """Record the outcome of images of a run: the progress mark of a shard."""
    update_images(connection, run_id, [{"key": key, "outcome": outcome} for key in keys])


def update_images(
    connection: Connection, run_id: str, rows: Sequence[Mapping[str, object]]
) -> None:
    """Set columns of a run's images; each row has the object key as `key`, and the columns."""
    statement = update(audit_image).where(
        audit_image.c.run_id == run_id, audit_image.c.object_key == bindparam("key")
    )
    if rows:
        connection.execute(statement, rows)


def count_fetch_failure(connection: Connection, run_id: str, key: str) -> int:
    """Add one to an image's failed fetches in this run; returns how many there are now."""
    count: int = connection.execute(
        update(audit_image)
        .where(audit_image.c.run_id == run_id, audit_image.c.object_key == key)
        .values(fetch_failures=audit_image.c.fetch_failures + 1)
        .returning(audit_image.c.fetch_failures)
    ).scalar_one()
    return count
