"""Which photos a version learnt from, so that it is never measured on them: content hashes."""

import json
from collections.abc import Sequence
from pathlib import Path

import structlog

from ml.errors import ObjectAbsent
from ml.storage.object_store import ObjectStore

log = structlog.get_logger()

TRAINING_PHOTOS = "training_photos.json"


def write_training_photos(folder: Path, *, train: Sequence[str], validation: Sequence[str]) -> None:
    """Write the list into a version's folder, sorted: equal parts give equal bytes."""
    parts = {"train": sorted(set(train)), "validation": sorted(set(validation))}
    (folder / TRAINING_PHOTOS).write_text(json.dumps(parts, indent=0), encoding="utf-8")


def read_training_photos(store: ObjectStore, model_hash: str) -> frozenset[str]:
    """Content hashes of the photos that a registered version was trained on, without validation.

    Empty, with a warning, for a version from before such lists were kept.
    """
    try:
        data = store.get(f"models/{model_hash}/{TRAINING_PHOTOS}")
    except ObjectAbsent:
        log.warning("this version has no list of its training photos", model_hash=model_hash)
        return frozenset()
    return frozenset(json.loads(data)["train"])
