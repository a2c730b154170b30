"""Create a backup: a snapshot of the schema, then the bucket.

Writers put bytes before the rows that name them, so the copy holds all that the dump names, unless
something was deleted in between: that is checked at the end.
"""

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import structlog
from sqlalchemy import Connection

from ml.core.errors import BackupError
from ml.models.checkpoint import CARD, WEIGHTS
from ml.operations.backup import manifest
from ml.operations.backup.bucket_copy import copy_out
from ml.operations.backup.manifest import BackupManifest
from ml.operations.backup.pg_dump import dump_schema
from ml.storage.connections import Connections
from ml.storage.database import check_migrated, in_transaction, schema_revisions
from ml.storage.model_versions import find_versions, load_champion
from ml.storage.photo_archive import list_archived
from ml.storage.server import server_major

log = structlog.get_logger()

_EXAMPLES = 3


def take_backup(folder: Path, connections: Connections) -> BackupManifest:
    """Write schema and model bucket into a new folder, which only its owner can read.

    The commerce table and the photo bucket are not part of it, nor is Airflow's database.

    Raises:
        BackupError: the folder is not empty, `pg_dump` failed, or an object that the database
            names was deleted meanwhile.
        StorageError: database or bucket.
    """
    _make_empty(folder)
    in_transaction(connections.engine, check_migrated)
    dump = folder / manifest.DUMP
    dump_schema(connections.engine, dump)
    needed = in_transaction(connections.engine, _referenced_keys)
    objects, size = 0, 0
    with (folder / manifest.SUMS).open("w", encoding="utf-8") as sums:
        dump_sha256 = _sha256(dump)
        sums.write(f"{dump_sha256}  {manifest.DUMP}\n")
        for copied in copy_out(connections.models, folder / manifest.OBJECTS):
            sums.write(manifest.sum_line(copied))
            needed.discard(copied.key)
            objects, size = objects + 1, size + copied.size_bytes
    _check_complete(needed)
    content = in_transaction(
        connections.engine, lambda c: _manifest(c, dump_sha256, objects=objects, size=size)
    )
    manifest.write_manifest(folder, content)
    log.info("backup taken", folder=str(folder), objects=objects, bytes=size)
    return content


def _make_empty(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)  # it holds photos, and the key that draws the spot checks
        if any(folder.iterdir()):
            raise BackupError(f"{folder} is not empty: name a new folder for each backup")
    except OSError as error:
        raise BackupError(f"{folder} cannot be written: {error.strerror}") from error


def _referenced_keys(connection: Connection) -> set[str]:
    """Object keys that rows name."""
    photos = {f"labelled/{content}" for content in list_archived(connection)}
    versions = find_versions(connection, "")
    return photos | {f"models/{v}/{file}" for v in versions for file in (CARD, WEIGHTS)}


def _check_complete(missing: set[str]) -> None:
    if missing:
        examples = ", ".join(sorted(missing)[:_EXAMPLES])
        raise BackupError(
            f"{len(missing):,} objects that the database names are not in the bucket, such as "
            f"{examples}: if a purge ran meanwhile take the backup again, else restore them first"
        )


def _manifest(
    connection: Connection, dump_sha256: str, *, objects: int, size: int
) -> BackupManifest:
    return BackupManifest(
        taken_at=datetime.now(UTC),
        server_major=server_major(connection),
        revision=max(schema_revisions(connection)),
        champion=load_champion(connection),
        dump_sha256=dump_sha256,
        objects=objects,
        bytes=size,
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
