"""The photos that a version was trained on, kept with its files."""

import json
from collections.abc import Sequence
from pathlib import Path

import structlog

from ml.core.errors import ObjectNotFound
from ml.storage.object_store import ObjectStore

log = structlog.get_logger()

TRAINING_MANIFEST = "training_photos.json"


def write_training_manifest(folder: Path, train: Sequence[str]) -> None:
    """Write the photos' content hashes into a version's folder, sorted and without duplicates."""
    text = json.dumps({"train": sorted(set(train))}, indent=0)
    (folder / TRAINING_MANIFEST).write_text(text, encoding="utf-8")


def read_training_manifest(store: ObjectStore, model_hash: str) -> frozenset[str]:
    """Content hashes of a registered version's training photos.

    Empty, with a warning in the log, for a version without a training manifest.
    """
    try:
        data = store.get(f"models/{model_hash}/{TRAINING_MANIFEST}")
    except ObjectNotFound:
        log.warning("this version has no training manifest", model_hash=model_hash)
        return frozenset()
    return frozenset(json.loads(data)["train"])
