"""Create and restore a backup: a folder with the schema `moderation` and the model bucket.

`schema.dump` is written by `pg_dump`, `objects/` holds the bucket, `sha256sum --check` reads
`SHA256SUMS`, and `backup.json`, written last, marks the backup as complete.
"""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import structlog
from pydantic import ValidationError
from sqlalchemy import Connection

from ml.core.errors import BackupError
from ml.core.yaml_file import StrictModel
from ml.models.checkpoint import CARD, WEIGHTS
from ml.operations.backup.bucket_copy import Copied, check_sha256, copy_in, copy_out
from ml.operations.backup.pg_dump import dump_schema, restore_schema
from ml.storage.connections import Connections
from ml.storage.database import check_migrated, in_transaction, schema_revisions
from ml.storage.model_versions import find_versions, load_champion
from ml.storage.object_store import MODELS_PREFIX
from ml.storage.photo_archive import list_archived
from ml.storage.server import server_major

log = structlog.get_logger()

_DUMP = "schema.dump"
_OBJECTS = "objects"
_SUMS = "SHA256SUMS"
_MANIFEST = "backup.json"
_FORMAT = 1
_EXAMPLES = 3


class BackupManifest(StrictModel):
    """When the backup was taken, and of what."""

    format_version: int = _FORMAT
    taken_at: datetime
    server_major: int
    revision: str
    champion: str | None
    dump_sha256: str
    objects: int
    bytes: int


def take_backup(folder: Path, connections: Connections) -> BackupManifest:
    """Write schema and model bucket into a new folder, which only its owner can read.

    The commerce table and the photo bucket are not part of it, nor is Airflow's database. Writers
    put bytes before the rows that name them, so a copy of the bucket after the dump holds all that
    the dump names, unless something was deleted in between: that is checked at the end.

    Raises:
        BackupError: the folder is not empty, `pg_dump` failed, or an object that the database
            names was deleted meanwhile.
        StorageError: database or bucket.
    """
    _make_empty(folder)
    engine, dump = connections.engine, folder / _DUMP
    in_transaction(engine, check_migrated)
    dump_schema(engine, dump)
    dump_sha256 = _sha256(dump)
    missing = in_transaction(engine, _referenced_keys)
    objects, size = 0, 0
    with (folder / _SUMS).open("w", encoding="utf-8") as sums:
        sums.write(f"{dump_sha256}  {_DUMP}\n")
        for copied in copy_out(connections.models, folder / _OBJECTS):
            sums.write(f"{copied.sha256}  {_OBJECTS}/{copied.key}\n")
            missing.discard(copied.key)
            objects, size = objects + 1, size + copied.size_bytes
    _check_complete(missing)
    manifest = BackupManifest(
        taken_at=datetime.now(UTC),
        server_major=in_transaction(engine, server_major),
        revision=max(in_transaction(engine, schema_revisions)),
        champion=in_transaction(engine, load_champion),
        dump_sha256=dump_sha256,
        objects=objects,
        bytes=size,
    )
    (folder / _MANIFEST).write_text(manifest.model_dump_json(indent=1), encoding="utf-8")
    log.info("backup taken", folder=str(folder), objects=objects, bytes=size)
    return manifest


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


def restore_backup(folder: Path, connections: Connections) -> BackupManifest:
    """Put the objects that the bucket lacks, then create the schema in one transaction.

    Nothing is overwritten. Bytes come before the rows that name them, so a killed restore can be
    run again.

    Raises:
        BackupError: no complete backup, a damaged file, or a schema that is not empty.
        StorageError: database or bucket; or the backup has another schema revision than this
            program: it is restored, and `python -m ml migrate` comes next.
    """
    manifest = _read_manifest(folder)
    dump = folder / _DUMP
    check_sha256(dump, _sha256(dump), manifest.dump_sha256)
    connections.models.create(MODELS_PREFIX)
    copies = copy_in(connections.models, folder / _OBJECTS, _read_sums(folder))
    log.info("objects restored", folder=str(folder), objects=sum(1 for _ in copies))
    restore_schema(connections.engine, dump)
    log.info("backup restored", folder=str(folder), taken_at=str(manifest.taken_at))
    in_transaction(connections.engine, check_migrated)
    return manifest


def _read_manifest(folder: Path) -> BackupManifest:
    file = folder / _MANIFEST
    try:
        manifest = BackupManifest.model_validate_json(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BackupError(f"{folder} holds no complete backup: {_MANIFEST} is missing") from error
    except (OSError, ValidationError) as error:
        raise BackupError(f"{file} cannot be read: {error}") from error
    if manifest.format_version != _FORMAT:
        raise BackupError(
            f"{folder} is a backup of format {manifest.format_version}; this program reads "
            f"{_FORMAT}"
        )
    return manifest


def _read_sums(folder: Path) -> Iterator[Copied]:
    """The objects of a backup, without their sizes."""
    with (folder / _SUMS).open(encoding="utf-8") as lines:
        for line in lines:
            sha256, _, path = line.rstrip("\n").partition("  ")
            if path.startswith(f"{_OBJECTS}/"):
                yield Copied(path.removeprefix(f"{_OBJECTS}/"), 0, sha256)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
