"""The split that each photo had in earlier snapshots and model versions."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from ml.core.manifest import GoldenSet, Split
from ml.learning.snapshot.splits import strictest_split
from ml.models.card import read_training_manifest
from ml.storage.connections import Connections
from ml.storage.database import in_transaction
from ml.storage.model_versions import load_card
from ml.storage.retrain_runs import RetrainRun
from ml.storage.snapshots import earlier_snapshots, get_golden, get_manifest


@dataclass(frozen=True)
class PriorUsage:
    """What a new snapshot has to be consistent with.

    `golden`, `as_of` and `labels`, its (content hash, label) pairs, are of the previous snapshot.
    `parts` is the split of each photo in any earlier one, without golden photos; photos on which
    the champion or one of its warm-start ancestors was trained count as `train`.
    """

    golden: GoldenSet | None
    as_of: datetime | None
    labels: frozenset[tuple[str, str]]
    parts: Mapping[str, Split]

    @property
    def golden_photos(self) -> frozenset[str]:
        """Content hashes of the previous golden set."""
        photos = self.golden.photos if self.golden else ()
        return frozenset(photo.content_sha256 for photo in photos)


def load_prior_usage(run: RetrainRun, connections: Connections) -> PriorUsage:
    """Everything before the labels of a run."""
    earlier, versions = in_transaction(
        connections.engine,
        lambda c: (earlier_snapshots(c, run.as_of), lineage(c, run.champion_hash)),
    )
    store = connections.models
    parts: dict[str, Split] = {}
    for version in versions:
        parts |= dict.fromkeys(read_training_manifest(store, version), Split.TRAIN)
    for row in earlier:
        for photo in get_manifest(store, row.snapshot_hash).photos:
            if photo.part is not Split.GOLDEN:
                known = parts.get(photo.content_sha256, photo.part)
                parts[photo.content_sha256] = strictest_split((known, photo.part))
    if not earlier:
        return PriorUsage(None, None, frozenset(), parts)
    previous = get_manifest(store, earlier[0].snapshot_hash)
    return PriorUsage(
        golden=get_golden(store, previous.golden_hash),
        as_of=previous.as_of,
        labels=frozenset((p.content_sha256, p.label) for p in previous.photos),
        parts=parts,
    )


def lineage(connection: Connection, model_hash: str | None) -> list[str]:
    """A version and its warm-start ancestors, the youngest first."""
    versions: list[str] = []
    while model_hash is not None:
        versions.append(model_hash)
        card = load_card(connection, model_hash)
        start = card["pretrained_weights"] if card else {}
        model_hash = start["detail"] if start.get("kind") == "champion" else None
    return versions
