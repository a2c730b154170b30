"""`moderation.purge`: what runs of `purge_expired` deleted; and photos whose bytes they may."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, case, exists, func, select, text, update

from ml.storage import photo_features
from ml.storage.rows import insert_new, is_found, load_value
from ml.storage.schema import (
    archived_photo,
    blocklist_photo,
    golden_photo,
    golden_set,
    human_label,
    purge,
    retrain_run,
    review_task,
)

_photo = archived_photo.c
_label = human_label.c


@dataclass(frozen=True)
class Count:
    """Rows or files, and their bytes: the size of a file, or a row's size before compression."""

    items: int = 0
    bytes: int = 0

    def __add__(self, other: "Count") -> "Count":
        return Count(self.items + other.items, self.bytes + other.bytes)


def begin_purge(
    connection: Connection, run_id: str, kind: str, *, cutoff: datetime, days: int, planned: Count
) -> None:
    """Write the row of a run and kind, with what it is planned to delete. Idempotent."""
    row = {"run_id": run_id, "kind": kind, "cutoff": cutoff, "days": days}
    insert_new(connection, purge, [row | {"deleted": planned.items, "bytes": planned.bytes}])


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


def list_expired_photos(
    connection: Connection, contents: Sequence[str], since: datetime
) -> list[str]:
    """Those of the contents whose last decision is older than `since` and that nothing needs.

    An imported label, whose decision may be old, counts from when its photo was archived, if that
    was later. Photos on the blocklist, of a golden set, or with an open task are needed.
    """
    decided_at = case(
        (_label.task_id.is_(None), func.greatest(_label.decided_at, _photo.stored_at)),
        else_=_label.decided_at,
    )
    last_decided = (
        select(func.max(decided_at))
        .where(_label.content_sha256 == _photo.content_sha256)
        .scalar_subquery()
    )
    has_open_task = is_found(
        review_task,
        review_task.c.content_sha256 == _photo.content_sha256,
        review_task.c.state.in_(("open", "claimed")),
    )
    query = select(_photo.content_sha256).where(
        _photo.content_sha256.in_(contents),
        _photo.deleted_at.is_(None),
        last_decided < since,
        ~is_found(blocklist_photo, blocklist_photo.c.content_sha256 == _photo.content_sha256),
        ~is_found(golden_photo, golden_photo.c.content_sha256 == _photo.content_sha256),
        ~has_open_task,
    )
    return list(connection.execute(query).scalars())


def mark_photos_deleted(
    connection: Connection, contents: Sequence[str], deleted_at: datetime
) -> None:
    """Mark the bytes of archived photos as deleted; the rows stay, their features do not."""
    photo_features.delete_of_photos(connection, contents)
    photos = update(archived_photo).where(_photo.content_sha256.in_(contents))
    connection.execute(photos.values(deleted_at=deleted_at))


def list_golden_sets_without_rows(connection: Connection) -> list[str]:
    """Golden sets from before `moderation.golden_photo`: only the bucket lists their photos."""
    has_rows = exists().where(golden_photo.c.golden_hash == golden_set.c.golden_hash)
    return list(connection.execute(select(golden_set.c.golden_hash).where(~has_rows)).scalars())


def running_snapshot(connection: Connection) -> str | None:
    """The snapshot of the newest retraining run while it runs; older runs count as given up."""
    run = retrain_run.c
    snapshot = case((run.state == "running", run.snapshot_hash))
    newest = select(snapshot).order_by(run.started_at.desc()).limit(1)
    return load_value(connection, newest, str)
