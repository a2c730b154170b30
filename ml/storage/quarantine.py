"""`moderation.quarantine`: images that could not be scored, each with its reason."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import Connection, any_, bindparam, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert

from ml.core.errors import QuarantineReason
from ml.storage.schema import TEXTS, image, quarantine

# Sets the columns that its rows name, besides `key` and `tag`.
UPDATE_LEDGER = update(image).where(
    image.c.object_key == bindparam("key"), image.c.etag == bindparam("tag")
)
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
    replaced = new.on_conflict_do_update(
        index_elements=["object_key", "etag"],
        set_={**over, "released_by": None, "quarantined_at": func.now()},
    )
    values = [
        asdict(row) | {"reason": row.reason.value, "detail": _clean(row.detail), "run_id": run_id}
        for row in rows
    ]
    connection.execute(replaced, values)
    keys = [{"key": row.object_key, "tag": row.etag, "state": "quarantined"} for row in rows]
    connection.execute(UPDATE_LEDGER, keys)


def find_quarantined(
    connection: Connection, rows: Sequence[QuarantineRow], *, run_id: str
) -> set[tuple[str, str]]:
    """Those (key, ETag) that another run than `run_id` has quarantined for the same reason."""
    keys = [row.object_key for row in rows]
    query = select(quarantine.c.object_key, quarantine.c.etag, quarantine.c.reason).where(
        quarantine.c.object_key == any_(literal(keys, TEXTS)),  # one parameter
        quarantine.c.released_by.is_(None),
        quarantine.c.run_id != run_id,
    )
    known = {tuple(row) for row in connection.execute(query)}
    return {
        (row.object_key, row.etag)
        for row in rows
        if (row.object_key, row.etag, row.reason.value) in known
    }


def _clean(detail: str) -> str:
    # PostgreSQL's text cannot hold NUL, which a hostile file's message may contain.
    return detail.replace("\x00", "")[:MAX_DETAIL]


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
