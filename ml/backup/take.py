"""Take a backup: the schema as of one moment, then the bucket, whose rows' bytes are there by then.

Writers put bytes before the rows that name them, so the copy holds all that the dump names, unless
something deleted in between: that is checked at the end.
"""

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import structlog
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, select

from ml.backup import contents
from ml.backup.bucket_copy import copy_out
from ml.backup.contents import About
from ml.backup.programs import server_major
from ml.backup.schema_dump import dump_schema
from ml.connections import Connections
from ml.errors import BackupError
from ml.model.checkpoint import CARD, WEIGHTS
from ml.storage.database import in_transaction
from ml.storage.migrate import check_migrated
from ml.storage.schema import champion, labelled_photo, model_version

log = structlog.get_logger()

_EXAMPLES = 3


def take_backup(folder: Path, connections: Connections) -> About:
    """Write schema and model bucket into a new folder, which only its owner can read.

    The shop's own table and bucket are not part of it, nor is Airflow's database.

    Raises:
        BackupError: the folder holds something, `pg_dump` failed, or something that the database
            names was deleted meanwhile.
        StorageError: database or bucket.
    """
    _make_empty(folder)
    in_transaction(connections.engine, check_migrated)
    dump = folder / contents.DUMP
    dump_schema(connections.engine, dump)
    needed = in_transaction(connections.engine, _named)
    objects, size = 0, 0
    with (folder / contents.SUMS).open("w", encoding="utf-8") as sums:
        dump_sha256 = _sha256(dump)
        sums.write(f"{dump_sha256}  {contents.DUMP}\n")
        for copied in copy_out(connections.models, folder / contents.OBJECTS):
            sums.write(contents.sum_line(copied))
            needed.discard(copied.key)
            objects, size = objects + 1, size + copied.size_bytes
    _check_whole(needed)
    about = in_transaction(
        connections.engine, lambda c: _about(c, dump_sha256, objects=objects, size=size)
    )
    contents.write_about(folder, about)
    log.info("backup taken", folder=str(folder), objects=objects, bytes=size)
    return about


def _make_empty(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)  # it holds photos, and the key that draws the random audit
        if any(folder.iterdir()):
            raise BackupError(f"{folder} is not empty: name a new folder for each backup")
    except OSError as error:
        raise BackupError(f"{folder} cannot be written: {error.strerror}") from error


def _named(connection: Connection) -> set[str]:
    """Object keys that rows promise."""
    kept = select(labelled_photo.c.content_sha256).where(labelled_photo.c.deleted_at.is_(None))
    photos = {f"labelled/{content}" for content in connection.execute(kept).scalars()}
    versions = list(connection.execute(select(model_version.c.model_hash)).scalars())
    return photos | {f"models/{v}/{file}" for v in versions for file in (CARD, WEIGHTS)}


def _check_whole(missing: set[str]) -> None:
    if missing:
        some = ", ".join(sorted(missing)[:_EXAMPLES])
        raise BackupError(
            f"{len(missing):,} objects that the database names are not in the bucket, such as "
            f"{some}: if a purge ran meanwhile take the backup again, else restore them first"
        )


def _about(connection: Connection, dump_sha256: str, *, objects: int, size: int) -> About:
    migrated = MigrationContext.configure(connection, opts={"version_table_schema": "moderation"})
    return About(
        taken_at=datetime.now(UTC),
        server_major=server_major(connection),
        revision=max(migrated.get_current_heads()),
        champion=connection.execute(select(champion.c.model_hash)).scalar(),
        dump_sha256=dump_sha256,
        objects=objects,
        bytes=size,
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
