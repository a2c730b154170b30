"""`moderation.quarantine`: images that could not be judged, each with its reason."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, func, update
from sqlalchemy.dialects.postgresql import insert

from ml.errors import QuarantineReason
from ml.storage.schema import image, quarantine

MAX_DETAIL = 500  # characters; decoders quote at length


@dataclass(frozen=True)
class QuarantineRow:
    """One image and why it could not be judged."""

    object_key: str
    etag: str
    reason: QuarantineReason
    detail: str


def put_in_quarantine(connection: Connection, run_id: str, rows: Sequence[QuarantineRow]) -> None:
    """Write the rows (again is no change but the time) and mark their images in the ledger."""
    if not rows:
        return
    new = insert(quarantine)
    over = {name: new.excluded[name] for name in ("reason", "detail", "run_id")}
    connection.execute(
        new.on_conflict_do_update(
            index_elements=["object_key", "etag"],
            set_={**over, "released_by": None, "quarantined_at": func.now()},
        ),
        [
            {
                "object_key": row.object_key,
                "etag": row.etag,
                "reason": row.reason.value,
                # PostgreSQL's text holds no NUL, a hostile file's message may.
                "detail": row.detail.replace("\x00", "")[:MAX_DETAIL],
                "run_id": run_id,
            }
            for row in rows
        ],
    )
    connection.execute(
        update(image)
        .where(image.c.object_key == bindparam("key"), image.c.etag == bindparam("tag"))
        .values(state="quarantined"),
        [{"key": row.object_key, "tag": row.etag} for row in rows],
    )


def release(connection: Connection, run_id: str, keys: Sequence[tuple[str, str]]) -> None:
    """Mark images (key, ETag) that could be judged after all, and the absence of their objects."""
    if not keys:
        return
    connection.execute(
        update(quarantine)
        .where(
            quarantine.c.object_key == bindparam("key"),
            quarantine.c.etag.in_([bindparam("tag"), ""]),
            quarantine.c.released_by.is_(None),
        )
        .values(released_by=run_id),
        [{"key": key, "tag": etag} for key, etag in keys],
    )
