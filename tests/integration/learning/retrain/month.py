"""A retraining run in this process, step by step as in the DAG, on small photos."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ml.core.manifest import Manifest
from ml.core.settings import Settings
from ml.learning.retrain.calibrate import calibrate
from ml.learning.retrain.evaluate import evaluate_candidate
from ml.learning.retrain.gate import gate_candidate
from ml.learning.retrain.label_errors import check_labels
from ml.learning.retrain.train import train_candidate
from ml.learning.snapshot.snapshot import create_snapshot
from tests.support.labelled_photos import archive_photo, label_photos
from tests.support.photos import BRIGHT, DARK, photo
from tests.support.servers import Shop
from tests.support.striped_photos import striped_photo

AS_OF = datetime(2026, 11, 1, tzinfo=UTC)
# Limits for few small photos; the latency gate passes on a busy machine, too.
SMALL = {
    "min_new_labels": 50,
    "leak_bound": {"rate": 0.3, "confidence": 0.8},
    "gates": {"recall_floor": {"violate": 0.7}, "latency_ratio": 1000.0, "calibration_error": 0.3},
}


# A preset for photos of the test champion's size that learns stripes in seconds.
LEARNS = {
    "epochs": 6,
    "batch": 16,
    "preprocessing": {
        "resize": 40, "crop": 32, "mean": [0.5] * 3, "std": [0.25] * 3, "interpolation": "bilinear",
    },
    "optimizer": {"kind": "adamw", "lr": 0.001, "weight_decay": 0.05},
}  # fmt: skip


@dataclass(frozen=True)
class Labelled:
    """Archived photos by kind, as content hashes."""

    bright: list[str]
    dark: list[str]
    striped: list[str]


def keep_month(shop: Shop, each: int, *, first: int = 0) -> Labelled:
    """Archive `each` photos of every kind; `first` is the first seed."""
    numbers = range(first, first + each)
    return Labelled(
        bright=[archive_photo(shop, photo(BRIGHT, seed=n)) for n in numbers],
        dark=[archive_photo(shop, photo(DARK, seed=50_000 + n)) for n in numbers],
        striped=[archive_photo(shop, striped_photo(seed=n)) for n in numbers],
    )


def label_rightly(shop: Shop, photos: Labelled) -> None:
    """Bright is normal, dark and striped are violations."""
    label_photos(shop, photos.bright, "normal")
    label_photos(shop, [*photos.dark, *photos.striped], "violate")


def run_month(
    shop: Shop, settings: Settings, preset: str, *, run_id: str = "month", as_of: datetime = AS_OF
) -> tuple[Manifest, dict[str, Any], dict[str, Any]]:
    """From labels to the gates' decision; returns manifest, report and decision."""
    parts = {"settings": settings, "connections": shop.connections}
    manifest = create_snapshot(run_id, as_of=as_of, preset=preset, seed=0, **parts)
    check_labels(run_id, **parts)
    key = train_candidate(run_id, **parts)
    calibrate(run_id, key, **parts)
    report = evaluate_candidate(run_id, **parts)
    return manifest, report, gate_candidate(run_id, connections=shop.connections)
