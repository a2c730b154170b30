"""Label snapshots and golden sets: their rows, and their files in the model bucket."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from ml.core.errors import StorageError
from ml.core.manifest import GoldenSet, Manifest
from ml.storage.object_store import ObjectStore
from ml.storage.rows import columns_of, insert_new, load_dict, load_rows
from ml.storage.schema import golden_photo, golden_set, label_snapshot


@dataclass(frozen=True)
class SnapshotRow:
    """The hashes of an earlier snapshot and its golden set, and the moment of its labels."""

    snapshot_hash: str
    golden_hash: str
    as_of: datetime


def earlier_snapshots(connection: Connection, as_of: datetime) -> list[SnapshotRow]:
    """The snapshots of labels before `as_of`, the most recent first."""
    columns = label_snapshot.c
    query = (
        select(*columns_of(label_snapshot, SnapshotRow))
        .where(columns.as_of < as_of)
        # Of two as of one moment (another seed, another champion) the later one counts.
        .order_by(columns.as_of.desc(), columns.created_at.desc(), columns.snapshot_hash)
    )
    return load_rows(connection, query, SnapshotRow)


def golden_names(connection: Connection, start: str) -> dict[str, str]:
    """Name -> hash of the golden sets whose names begin with `start`."""
    columns = golden_set.c
    query = select(columns.name, columns.golden_hash)
    return load_dict(connection, query.where(columns.name.startswith(start, autoescape=True)))


def write_snapshot(connection: Connection, manifest: Manifest, golden: GoldenSet) -> None:
    """Write both rows and the golden photos. Idempotent.

    Raises:
        StorageError: another golden set has taken the name meanwhile.
    """
    new_set = {
        "golden_hash": golden.golden_hash,
        "name": golden.name,
        "parent_hash": golden.parent_hash,
        "photos": len(golden.photos),
        "added": sum(photo.added_in == golden.name for photo in golden.photos),
    }
    insert_new(connection, golden_set, [new_set])
    if golden_names(connection, golden.name)[golden.name] != golden.golden_hash:
        raise StorageError(f"another run has just frozen {golden.name}: run this one again")
    photos = [
        {"golden_hash": golden.golden_hash, "content_sha256": p.content_sha256, "label": p.label}
        for p in golden.photos
    ]
    insert_new(connection, golden_photo, photos)
    snapshot = {
        "snapshot_hash": manifest.snapshot_hash,
        "as_of": manifest.as_of,
        "golden_hash": golden.golden_hash,
        "photos": len(manifest.photos),
        "new_photos": sum(photo.new for photo in manifest.photos),
    }
    insert_new(connection, label_snapshot, [snapshot])


def put_manifest(store: ObjectStore, manifest: Manifest) -> str:
    """Write a snapshot's manifest; returns its hash."""
    store.put(f"snapshots/{manifest.snapshot_hash}.json", manifest.to_json().encode())
    return manifest.snapshot_hash


def get_manifest(store: ObjectStore, snapshot_hash: str) -> Manifest:
    """Read a snapshot's manifest; raises as `ObjectStore.get_hashed`."""
    data = store.get_hashed(f"snapshots/{snapshot_hash}.json", snapshot_hash)
    return Manifest.model_validate_json(data)


def put_golden(store: ObjectStore, golden: GoldenSet) -> str:
    """Write a golden set; returns its hash."""
    store.put(f"golden/{golden.golden_hash}.json", golden.to_json().encode())
    return golden.golden_hash


def get_golden(store: ObjectStore, golden_hash: str) -> GoldenSet:
    """Read a golden set; raises as `ObjectStore.get_hashed`."""
    data = store.get_hashed(f"golden/{golden_hash}.json", golden_hash)
    return GoldenSet.model_validate_json(data)
