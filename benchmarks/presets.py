"""`python -m benchmarks.presets --data FOLDER`: compare training presets on the same photos.

Each preset has the same photos, split, pretrained weights and seed. The whole command is timed:
decoding, training, calibration, metrics and plots. Metrics are of the held-out photos.
"""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.calibration import images_per_second
from ml.core.settings import ROOT, Settings
from ml.models.card import ModelCard
from ml.models.training.preset import load_preset
from ml.models.training.progress import LogListener
from ml.models.training.train import train
from ml.policy.schema import load_policy
from ml.vision.images.open_photo import DecodeLimits

console = Console(width=None if Console().is_terminal else 120)

COLUMNS = ("preset", "photos", "accuracy", "recall", "leak", "review", "epochs", "seconds")


@dataclass(frozen=True)
class TrainedPreset:
    """The model card of one preset, and the seconds of the whole training."""

    card: ModelCard
    seconds: float


def main(
    data: Annotated[Path, typer.Option(help="Folder with one folder of photos per class.")],
    preset: Annotated[list[str], typer.Option(help="Name or name:minutes; repeatable.")],
    seed: Annotated[int, typer.Option(help="Seed of split, head and augmentation.")] = 0,
    pretrained_weights: Annotated[
        str, typer.Option(help="As MODERATION_PRETRAINED_WEIGHTS.")
    ] = "bundled",
    architecture: Annotated[str, typer.Option(help="As MODERATION_ARCHITECTURE.")] = "resnet18",
) -> None:
    """Train with each preset and print the table."""
    console.print(f"ResNet18, 224 px, float32, all cores: {images_per_second():.1f} images/s")
    table = Table(*COLUMNS)
    for named in preset:
        name, _, minutes = named.partition(":")
        settings = Settings(architecture=architecture, pretrained_weights=pretrained_weights)
        trained = _train(data, name, float(minutes) if minutes else None, seed, settings)
        table.add_row(*table_row(named, trained))
    console.print(table)


def _train(
    data: Path, preset: str, minutes: float | None, seed: int, settings: Settings
) -> TrainedPreset:
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="moderation-presets-") as out:
        version = train(
            data,
            preset=load_preset(preset),
            policy=load_policy(ROOT / "config" / "policy.yaml"),
            out=Path(out),
            pretrained_weights=settings.pretrained_weights,
            architecture=settings.architecture,
            device="cuda" if torch.cuda.is_available() else "cpu",
            seed=seed,
            limits=DecodeLimits(),
            progress=LogListener(),
            minutes=minutes,
        )
    return TrainedPreset(version.card, time.monotonic() - began)


def table_row(name: str, trained: TrainedPreset) -> list[str]:
    """Return the cells of a table row: shares of the held-out photos; `leak` of those that pass."""
    found, verdicts = trained.card.metrics, trained.card.metrics["verdicts"]
    training = trained.card.training
    violations = [c for c in found["per_class"] if c != "normal"]
    recall = [found["per_class"][c]["recall"] for c in violations]
    return [
        name,
        str(found["photos"]),
        _format_share(found["accuracy"]),
        "/".join(_format_share(r) for r in recall),
        _format_share(verdicts["leak_rate"]),
        _format_share(verdicts["review_rate"]),
        str(training.epochs if training else "?"),
        f"{trained.seconds:.0f}",
    ]


def _format_share(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


if __name__ == "__main__":
    typer.run(main)
