"""`moderation.quarantine`: images that could not be scored, each with its reason."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, func, update
from sqlalchemy.dialects.postgresql import insert

from ml.core.errors import QuarantineReason
from ml.storage.schema import image, quarantine

MAX_DETAIL = 500  # characters; decoders' messages can be long


@dataclass(frozen=True)
class QuarantineRow:
    """One image and why it could not be scored."""

    object_key: str
    etag: str
    reason: QuarantineReason
    detail: str


def put_in_quarantine(connection: Connection, run_id: str, rows: Sequence[QuarantineRow]) -> None:
    """Write the rows and mark their images in the ledger. Idempotent but for the time."""
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
                # PostgreSQL's text cannot hold NUL, which a hostile file's message may contain.
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
    """Release images (key, ETag) that were scored after all, and the absence of their objects."""
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
