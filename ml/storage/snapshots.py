"""Rows of `moderation.label_snapshot` and `golden_set`; what they name is in the model bucket."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert

from ml.errors import StorageError
from ml.retraining.manifest import GoldenSet, Manifest
from ml.storage.schema import golden_photo, golden_set, label_snapshot


@dataclass(frozen=True)
class SnapshotRow:
    """What names an earlier snapshot and its golden set."""

    snapshot_hash: str
    golden_hash: str
    as_of: datetime


def earlier_snapshots(connection: Connection, as_of: datetime) -> list[SnapshotRow]:
    """The snapshots of labels before `as_of`, the most recent first."""
    columns = label_snapshot.c
    query = (
        select(columns.snapshot_hash, columns.golden_hash, columns.as_of)
        .where(columns.as_of < as_of)
        # Of two for one moment (another seed, another champion) the one made last counts.
        .order_by(columns.as_of.desc(), columns.created_at.desc(), columns.snapshot_hash)
    )
    return [SnapshotRow(*row) for row in connection.execute(query)]


def golden_names(connection: Connection, start: str) -> dict[str, str]:
    """Name -> hash of the golden sets whose names begin with `start`."""
    columns = golden_set.c
    query = select(columns.name, columns.golden_hash)
    rows = connection.execute(query.where(columns.name.startswith(start, autoescape=True)))
    return {row.name: row.golden_hash for row in rows}


def write_snapshot(connection: Connection, manifest: Manifest, golden: GoldenSet) -> None:
    """Write both rows and the golden photos; again is no change.

    Raises:
        StorageError: another golden set took the name meanwhile.
    """
    row = insert(golden_set).values(
        golden_hash=golden.golden_hash,
        name=golden.name,
        parent_hash=golden.parent_hash,
        photos=len(golden.photos),
        added=sum(photo.added_in == golden.name for photo in golden.photos),
    )
    connection.execute(row.on_conflict_do_nothing())
    if golden_names(connection, golden.name)[golden.name] != golden.golden_hash:
        raise StorageError(f"another run has just frozen {golden.name}: run this one again")
    _write_golden_photos(connection, golden)
    connection.execute(
        insert(label_snapshot)
        .values(
            snapshot_hash=manifest.snapshot_hash,
            as_of=manifest.as_of,
            golden_hash=golden.golden_hash,
            photos=len(manifest.photos),
            new_photos=sum(photo.new for photo in manifest.photos),
        )
        .on_conflict_do_nothing()
    )


def _write_golden_photos(connection: Connection, golden: GoldenSet) -> None:
    rows = [
        {"golden_hash": golden.golden_hash, "content_sha256": p.content_sha256, "label": p.label}
        for p in golden.photos
    ]
    if rows:
        connection.execute(insert(golden_photo).on_conflict_do_nothing(), rows)
