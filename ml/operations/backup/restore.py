"""Restore a backup into an empty database and bucket; nothing is overwritten."""

from pathlib import Path

import structlog

from ml.operations.backup.bucket_copy import check_bytes, copy_in
from ml.operations.backup.manifest import (
    DUMP,
    OBJECTS,
    BackupManifest,
    read_manifest,
    read_sums,
)
from ml.operations.backup.pg_dump import restore_schema
from ml.storage.connections import Connections
from ml.storage.database import check_migrated, in_transaction

log = structlog.get_logger()


def restore_backup(folder: Path, connections: Connections) -> BackupManifest:
    """Put the objects that the bucket lacks, then create the schema in one transaction.

    Bytes come before the rows that name them, so a killed restore can be run again.

    Raises:
        BackupError: no complete backup, a damaged file, or a schema that is not empty.
        StorageError: database or bucket; or the backup has another schema revision than this
            program: it is restored, and `python -m ml migrate` comes next.
    """
    manifest = read_manifest(folder)
    dump = folder / DUMP
    check_bytes(dump, dump.read_bytes(), manifest.dump_sha256)
    connections.models.create()
    put = sum(1 for _ in copy_in(connections.models, folder / OBJECTS, read_sums(folder)))
    restore_schema(connections.engine, dump)
    log.info(
        "backup restored", folder=str(folder), objects_put=put, taken_at=str(manifest.taken_at)
    )
    in_transaction(connections.engine, check_migrated)
    return manifest
