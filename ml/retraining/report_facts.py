"""What the report says besides measurements: data, training, doubts, known-bad photos."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, func, select

from ml.model.card import ModelCard
from ml.retraining.manifest import Manifest, Part
from ml.storage.schema import known_bad, label_doubt, training_epoch

_CURVES = ("train_loss", "validation_loss", "train_accuracy", "validation_accuracy")


def known_bad_photos(connection: Connection) -> list[str]:
    """Content hashes of the photos that no promoted version may pass, sorted."""
    query = select(known_bad.c.content_sha256).order_by(known_bad.c.content_sha256)
    return list(connection.execute(query).scalars())


def doubts(connection: Connection, snapshot_hash: str) -> dict[str, int]:
    """How many labels of a snapshot its photos speak against, by the class they name."""
    query = (
        select(label_doubt.c.label, func.count())
        .where(label_doubt.c.snapshot_hash == snapshot_hash)
        .group_by(label_doubt.c.label)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def curves(connection: Connection, run_id: str) -> dict[str, list[float]]:
    """Training curves as `ml.evaluation.plots.training` wants them; empty without epochs."""
    columns = [training_epoch.c[name] for name in _CURVES]
    query = select(*columns).where(training_epoch.c.run_id == run_id).order_by("epoch")
    rows = connection.execute(query).all()
    return {name: [row[i] for row in rows] for i, name in enumerate(_CURVES)} if rows else {}


def data(manifest: Manifest, snapshot_hash: str, doubted: Mapping[str, int]) -> dict[str, Any]:
    """The snapshot in numbers; photos left out are counted by reason, doubts by class."""
    checked = Counter(photo.label for photo in manifest.photos if photo.part is not Part.GOLDEN)
    return {
        "snapshot": snapshot_hash,
        "as_of": manifest.as_of.isoformat(),
        "photos": len(manifest.photos),
        "new_photos": sum(photo.new for photo in manifest.photos),
        "parts": {part.value: len(manifest.of(part)) for part in Part},
        "left_out": dict(sorted(Counter(o.reason for o in manifest.left_out).items())),
        "doubts": sum(doubted.values()),
        "labels": {
            name: {"checked": count, "doubted": doubted.get(name, 0)}
            for name, count in sorted(checked.items())
        },
    }


def training(card: ModelCard) -> dict[str, Any]:
    """How the candidate came to be, from its card."""
    return card.model_dump(
        mode="json",
        include={
            "preset", "seed", "start_weights", "training_images", "validation_images",
            "calibration", "libraries",
        },
    )  # fmt: skip
