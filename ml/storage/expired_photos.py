"""Archived photos whose bytes retention may delete, and what only the bucket can tell of them."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, case, exists, func, select, update

from ml.storage.schema import (
    archived_photo,
    blocklist_photo,
    golden_photo,
    golden_set,
    human_label,
    retrain_run,
    review_task,
)

_photo = archived_photo.c
_label = human_label.c


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
    has_open_task = exists().where(
        review_task.c.content_sha256 == _photo.content_sha256,
        review_task.c.state.in_(("open", "claimed")),
    )
    query = select(_photo.content_sha256).where(
        _photo.content_sha256.in_(contents),
        _photo.deleted_at.is_(None),
        last_decided < since,
        ~exists().where(blocklist_photo.c.content_sha256 == _photo.content_sha256),
        ~exists().where(golden_photo.c.content_sha256 == _photo.content_sha256),
        ~has_open_task,
    )
    return list(connection.execute(query).scalars())


def mark_photos_deleted(
    connection: Connection, contents: Sequence[str], deleted_at: datetime
) -> None:
    """Mark the bytes of archived photos as deleted; the rows stay."""
    photos = update(archived_photo).where(_photo.content_sha256.in_(contents))
    connection.execute(photos.values(deleted_at=deleted_at))


def list_golden_sets_without_rows(connection: Connection) -> list[str]:
    """Golden sets from before `moderation.golden_photo`: only the bucket lists their photos."""
    has_rows = exists().where(golden_photo.c.golden_hash == golden_set.c.golden_hash)
    return list(connection.execute(select(golden_set.c.golden_hash).where(~has_rows)).scalars())


def running_snapshot(connection: Connection) -> str | None:
    """The snapshot of the newest retraining run while it runs; older runs count as given up."""
    columns = retrain_run.c
    newest = select(columns.state, columns.snapshot_hash).order_by(columns.started_at.desc())
    row = connection.execute(newest.limit(1)).first()
    return row.snapshot_hash if row is not None and row.state == "running" else None
