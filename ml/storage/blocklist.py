"""`moderation.blocklist_photo`: photos that no promoted version may ever pass."""

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert

from ml.storage.schema import blocklist_photo


def add_to_blocklist(
    connection: Connection, content_sha256: str, *, added_by: str, reason: str
) -> bool:
    """Add an archived photo; returns whether it is new on the list."""
    row = insert(blocklist_photo).values(
        content_sha256=content_sha256, added_by=added_by, reason=reason
    )
    added = row.on_conflict_do_nothing().returning(blocklist_photo.c.content_sha256)
    return connection.execute(added).first() is not None


def list_blocklist(connection: Connection) -> list[str]:
    """Content hashes of the photos on the list, sorted."""
    query = select(blocklist_photo.c.content_sha256).order_by(blocklist_photo.c.content_sha256)
    return list(connection.execute(query).scalars())
