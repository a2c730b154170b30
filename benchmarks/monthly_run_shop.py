"""A shop on new embedded servers: its first model, labels, and one monthly run."""

import csv
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
import yaml

from devtools.embedded import services
from ml.core.errors import ServiceError
from ml.core.manifest import Split
from ml.core.settings import Settings, with_embedded_servers
from ml.learning.labels.import_csv import import_labels
from ml.learning.retrain.calibrate import calibrate
from ml.learning.retrain.evaluate import evaluate_candidate
from ml.learning.retrain.gate import gate_candidate
from ml.learning.retrain.label_errors import check_labels
from ml.learning.retrain.scoring import load_predictor
from ml.learning.retrain.train import train_candidate
from ml.learning.snapshot.snapshot import create_snapshot
from ml.models import registry
from ml.models.predictor import Predictor
from ml.models.training.image_folder import Photo
from ml.models.training.preset import load_preset
from ml.models.training.progress import LogListener
from ml.models.training.train import train
from ml.policy.schema import load_policy
from ml.storage.connections import Connections, open_connections
from ml.storage.database import COMMERCE_REFERENCE, MODERATION, migrate
from ml.vision.images.open_photo import DecodeLimits

RUN_ID = "benchmark"
MIN_NEW_LABELS = 50  # of the policy, whatever the default: the runs have 100 labels and more


@dataclass(frozen=True)
class Month:
    """The candidate of a run; its seconds; photos by split; the gates' decision, failed gates."""

    candidate: Predictor
    seconds: float
    photos: dict[str, int]
    decision: str
    failed: list[str]


def train_first_model(
    photos: Sequence[Photo], out: Path, *, weights: str, epochs: int, seed: int, policy_file: Path
) -> None:
    """Train a version with the preset `fast` and so many epochs into the folder `out`."""
    data = out / "photos"
    for photo in photos:
        path = data / photo.label / _file_name(photo)
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(photo.path, path)
    train(
        data,
        preset=load_preset("fast").model_copy(update={"epochs": epochs}),
        policy=load_policy(policy_file),
        out=out / "version",
        pretrained_weights=weights,
        device="cuda" if torch.cuda.is_available() else "cpu",
        seed=seed,
        limits=DecodeLimits(),
        progress=LogListener(),
    )


@contextmanager
def open_shop(folder: Path, *, weights: str) -> Iterator[tuple[Settings, Connections]]:
    """Start servers with an empty database; they are removed at the end."""
    asked = Settings(
        embedded=True,
        data_dir=folder,
        policy_file=_write_policy(folder),
        pretrained_weights=weights,
        inference="torch",
        number_type="float32",
    )
    services.start(folder)
    try:
        settings = with_embedded_servers(asked)
        with closing(open_connections(settings)) as connections:
            for schema in (MODERATION, COMMERCE_REFERENCE):
                migrate(connections.engine, schema)
            connections.models.create()
            yield settings, connections
    finally:
        services.remove(folder)


def _write_policy(folder: Path) -> Path:
    policy = yaml.safe_load(Settings().policy_file.read_text(encoding="utf-8"))
    policy["retraining"]["min_new_labels"] = MIN_NEW_LABELS
    path = folder / "policy.yaml"
    path.write_text(yaml.safe_dump(policy, sort_keys=False), encoding="utf-8")
    return path


def promote_first_model(version: Path, connections: Connections) -> str:
    """Register and promote a trained version; return its hash."""
    engine, store = connections.engine, connections.models
    model_hash = registry.register(version, engine=engine, store=store)
    registry.promote(model_hash, engine=engine, by="benchmark", reason="the first model")
    return model_hash


def add_labels(photos: Sequence[Photo], settings: Settings, connections: Connections) -> None:
    """Import the photos with their labels, as the command `labels import` does.

    Raises:
        ServiceError: a label was rejected, so that the figures would be of fewer.
    """
    folder = settings.data_dir / "import"
    folder.mkdir()
    table = folder / "labels.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("path", "label", "category", "reviewer", "decided_at"))
        for photo in photos:
            shutil.copyfile(photo.path, folder / _file_name(photo))
            at = datetime.now(UTC).isoformat()
            rows.writerow((_file_name(photo), photo.label, photo.category, "benchmark", at))
    policy = load_policy(settings.policy_file)
    result = import_labels(table, settings=settings, connections=connections, policy=policy)
    if result.rejected:
        raise ServiceError(f"labels were rejected, the first: {result.rejected[0]}")


def run_month(settings: Settings, connections: Connections, *, preset: str, seed: int) -> Month:
    """Run the steps of `retrain_model` up to the gates, in this process."""
    began = time.monotonic()
    parts: dict[str, Any] = {"settings": settings, "connections": connections}
    manifest = create_snapshot(RUN_ID, as_of=datetime.now(UTC), preset=preset, seed=seed, **parts)
    check_labels(RUN_ID, **parts)
    model_hash = calibrate(RUN_ID, train_candidate(RUN_ID, **parts), **parts)
    evaluate_candidate(RUN_ID, **parts)
    gated = gate_candidate(RUN_ID, connections=connections)
    return Month(
        candidate=load_predictor(model_hash, **parts),
        seconds=time.monotonic() - began,
        photos={part.value: len(manifest.photos_in(part)) for part in (Split.TRAIN, Split.GOLDEN)},
        decision=gated["decision"],
        failed=[gate["name"] for gate in gated["gates"] if not gate["passed"]],
    )


def _file_name(photo: Photo) -> str:
    return photo.name.replace("/", "_")
