"""Sections of the evaluation report about the training data and the training."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from ml.core.manifest import Manifest, Split
from ml.models.card import ModelCard


def snapshot_section(
    manifest: Manifest, snapshot_hash: str, label_issues: Mapping[str, int]
) -> dict[str, Any]:
    """The snapshot in numbers: excluded photos by reason, labels and label issues by class."""
    checked = Counter(photo.label for photo in manifest.photos if photo.part is not Split.GOLDEN)
    return {
        "snapshot": snapshot_hash,
        "as_of": manifest.as_of.isoformat(),
        "photos": len(manifest.photos),
        "new_photos": sum(photo.new for photo in manifest.photos),
        "parts": {part.value: len(manifest.photos_in(part)) for part in Split},
        "left_out": dict(sorted(Counter(o.reason for o in manifest.left_out).items())),
        "label_issues": sum(label_issues.values()),
        "labels": {
            name: {"checked": count, "doubted": label_issues.get(name, 0)}
            for name, count in sorted(checked.items())
        },
    }


def training_section(card: ModelCard) -> dict[str, Any]:
    """How the candidate was trained, from its card."""
    return card.model_dump(
        mode="json",
        include={
            "preset", "seed", "pretrained_weights", "training_images", "validation_images",
            "calibration", "libraries",
        },
    )  # fmt: skip
