"""What earlier snapshots and versions did with photos."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from ml.connections import Connections
from ml.model.training_photos import read_training_photos
from ml.retraining.manifest import GoldenSet, Part, get_golden, get_manifest
from ml.retraining.parts import most_exposed
from ml.storage.database import in_transaction
from ml.storage.object_store import ObjectStore
from ml.storage.retrain_runs import RetrainRun
from ml.storage.schema import model_version
from ml.storage.snapshots import SnapshotRow, earlier_snapshots


@dataclass(frozen=True)
class Past:
    """What a new snapshot follows.

    `golden`, `as_of` and `labels`, its (content hash, label) pairs, are of the snapshot before.
    `parts` says where each photo was in any earlier one, golden photos aside; what the champion,
    or a version that it grew from, was trained on counts as `train`.
    """

    golden: GoldenSet | None
    as_of: datetime | None
    labels: frozenset[tuple[str, str]]
    parts: Mapping[str, Part]

    @property
    def golden_photos(self) -> frozenset[str]:
        """Content hashes of the golden set before."""
        photos = self.golden.photos if self.golden else ()
        return frozenset(photo.content_sha256 for photo in photos)


def look_back(run: RetrainRun, connections: Connections) -> Past:
    """All that went before the labels of a run."""
    earlier, versions = in_transaction(
        connections.engine,
        lambda c: (earlier_snapshots(c, run.as_of), lineage(c, run.champion_hash)),
    )
    store = connections.models
    parts: dict[str, Part] = {}
    for version in versions:
        parts |= dict.fromkeys(read_training_photos(store, version), Part.TRAIN)
    for row in earlier:
        _add_parts(parts, store, row)
    if not earlier:
        return Past(None, None, frozenset(), parts)
    before = get_manifest(store, earlier[0].snapshot_hash)
    return Past(
        golden=get_golden(store, before.golden_hash),
        as_of=before.as_of,
        labels=frozenset((p.content_sha256, p.label) for p in before.photos),
        parts=parts,
    )


def _add_parts(parts: dict[str, Part], store: ObjectStore, row: SnapshotRow) -> None:
    for photo in get_manifest(store, row.snapshot_hash).photos:
        if photo.part is not Part.GOLDEN:
            before = parts.get(photo.content_sha256, photo.part)
            parts[photo.content_sha256] = most_exposed((before, photo.part))


def lineage(connection: Connection, model_hash: str | None) -> list[str]:
    """A version and those that it grew from by warm starts, the youngest first."""
    versions: list[str] = []
    while model_hash is not None:
        versions.append(model_hash)
        query = select(model_version.c.card).where(model_version.c.model_hash == model_hash)
        card = connection.execute(query).scalar()
        start = card["start_weights"] if card else {}
        model_hash = start["detail"] if start.get("kind") == "champion" else None
    return versions
