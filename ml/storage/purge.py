"""`moderation.purge`: how much each run of `purge_expired` deleted of each kind."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, select, text, update

from ml.storage.rows import insert_new
from ml.storage.schema import purge


@dataclass(frozen=True)
class Count:
    """Rows or files, and their bytes: the size of a file, or a row's size before compression."""

    items: int = 0
    bytes: int = 0

    def __add__(self, other: "Count") -> "Count":
        return Count(self.items + other.items, self.bytes + other.bytes)


def begin_purge(
    connection: Connection, run_id: str, kind: str, *, cutoff: datetime, days: int
) -> None:
    """Write the row of a run and kind, with nothing deleted yet. Idempotent."""
    row = {"run_id": run_id, "kind": kind, "cutoff": cutoff, "days": days}
    insert_new(connection, purge, [row])


def add_count(connection: Connection, run_id: str, kind: str, count: Count) -> None:
    """Add a batch to what a run deleted; call it in the transaction of the batch."""
    connection.execute(
        update(purge)
        .where(_row(run_id, kind))
        .values(deleted=purge.c.deleted + count.items, bytes=purge.c.bytes + count.bytes)
    )


def load_count(connection: Connection, run_id: str, kind: str) -> Count:
    """What a run deleted of a kind, over all its attempts."""
    query = select(purge.c.deleted, purge.c.bytes).where(_row(run_id, kind))
    return Count(*connection.execute(query).one())


def set_read_only(connection: Connection) -> None:
    """Let the rest of the transaction write nothing: a dry run."""
    connection.execute(text("set transaction read only"))


def _row(run_id: str, kind: str) -> ColumnElement[bool]:
    return and_(purge.c.run_id == run_id, purge.c.kind == kind)
