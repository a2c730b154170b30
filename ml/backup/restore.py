"""Restore a backup into an empty place; nothing is written over."""

from pathlib import Path

import structlog

from ml.backup import contents
from ml.backup.bucket_copy import check_bytes, copy_in
from ml.backup.contents import About, read_about, read_sums
from ml.backup.schema_dump import restore_schema
from ml.connections import Connections
from ml.storage.database import in_transaction
from ml.storage.migrate import check_migrated

log = structlog.get_logger()


def restore_backup(folder: Path, connections: Connections) -> About:
    """Put the objects that the bucket lacks, then make the schema, in one transaction.

    Bytes come before the rows that name them: a restore that was killed can be run again.

    Raises:
        BackupError: no complete backup, a damaged file, or a schema that holds something.
        StorageError: database or bucket; or the backup is of another revision of the schema than
            this program's: it is restored, and `python -m ml migrate` comes next.
    """
    about = read_about(folder)
    dump = folder / contents.DUMP
    check_bytes(dump, dump.read_bytes(), about.dump_sha256)
    connections.models.create()
    put = sum(1 for _ in copy_in(connections.models, folder / contents.OBJECTS, read_sums(folder)))
    restore_schema(connections.engine, dump)
    log.info("backup restored", folder=str(folder), objects_put=put, taken_at=str(about.taken_at))
    in_transaction(connections.engine, check_migrated)
    return about
