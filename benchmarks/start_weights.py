"""`python -m benchmarks.start_weights`: what start weights are worth, without fooling oneself.

Photos of two worlds share no source: clothing against one set of violations, groceries against
another. A network learns one world, is given 0, 100 or 500 labels of the other, and is asked about
photos of the other. Both ways, three repeats; every start has the same photos, preset and seeds.
The figure is the area under the ROC curve of the violation score. For reference: the distillation's
teacher, frozen, with logistic regression on its features of the same photos.

Cells are kept as they are measured: called again, it goes on.
"""

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.start_weights_photos import (
    CLASSES,
    WORLDS,
    Direction,
    Ints,
    directions,
    listed,
    opened,
)
from ml.distillation.teacher import load_teacher
from ml.images.decode import DecodeLimits, decode
from ml.images.preprocess import ARTICLE, normalise, prepare
from ml.model.shipped_weights import FOLDER, shipped_card, write_card
from ml.model.start_weights import load_start_weights
from ml.settings import ROOT
from ml.training.dataset import Dataset
from ml.training.folder import Photo
from ml.training.head import fit_head, wants_fitting
from ml.training.loop import Job, Parts, fit, predict
from ml.training.preset import Preset, load_preset
from ml.training.progress import PlainLines

LABELS = (0, 100, 500)
REPEATS = 3
KNOWN_PHOTOS = 400  # of the known world; all of them would take hours and say the same
VALIDATION = 60  # of them: the training loop wants some
TEACHER = "teacher"
_BATCH = 64
STARTS = {"from scratch": "none", "shipped": "shipped"}
# Each start has the rate that suits it; all else is the same.
PRESETS = {"from scratch": "fast_scratch"}
PRESET = "fast"

console = Console(width=None if Console().is_terminal else 120)


@dataclass(frozen=True)
class Cell:
    """One training and its question."""

    start: str
    labels: int
    direction: int
    repeat: int

    @property
    def key(self) -> str:
        """Its name among the results."""
        return f"{self.start}|{self.labels}|{self.direction}|{self.repeat}"


class Results:
    """The cells that are measured, in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.areas: dict[str, float] = json.loads(path.read_text()) if path.is_file() else {}

    def keep(self, cell: Cell, area: float) -> None:
        """Add one."""
        self.areas[cell.key] = area
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(json.dumps(self.areas, indent=1))

    def of(self, start: str, labels: int, direction: int | None = None) -> list[float]:
        """Those of a start with so many labels, both ways or one way."""
        ways = (0, 1) if direction is None else (direction,)
        cells = (Cell(start, labels, way, n) for way in ways for n in range(REPEATS))
        return [self.areas[cell.key] for cell in cells if cell.key in self.areas]


def main(
    data: Annotated[Path, typer.Option(help="Folder with photos/ and manifest.csv.")],
    weights: Annotated[
        list[Path] | None, typer.Option(help="Other start weights to compare, .safetensors.")
    ] = None,
    epochs: Annotated[int, typer.Option(help="Of each training.", min=1)] = 6,
    results: Annotated[
        Path | None, typer.Option(help="File that keeps the measured cells.")
    ] = None,
    into_card: Annotated[
        bool, typer.Option(help="Write the figures into the shipped card.")
    ] = False,
) -> None:
    """Measure what is not measured yet, and print the table."""
    starts = STARTS | {path.stem: str(path) for path in weights or []}
    recipes = {start: _preset(start, epochs) for start in starts}
    kept = Results(results or ROOT / ".data" / "benchmarks" / "start_weights.json")
    photos = listed(data)
    with (
        tempfile.TemporaryDirectory(prefix="moderation-start-weights-") as scratch,
        opened(photos, load_preset(PRESET).preprocessing, Path(scratch)) as dataset,
    ):
        ways = directions(dataset, {photo.name: world for photo, world in photos})
        features = _teacher_features(dataset)
        for cell in _cells(starts):
            if cell.key not in kept.areas:
                way = ways[cell.direction]
                area = (
                    _regression(features, dataset, way, cell)
                    if cell.start == TEACHER
                    else _trained(starts[cell.start], dataset, way, cell, recipes[cell.start])
                )
                kept.keep(cell, area)
                console.print(f"{cell.key}: {area:.3f}")
    _print(kept, [*starts, TEACHER], epochs)
    if into_card:
        write_card(shipped_card().model_copy(update={"figures": _figures(kept, epochs)}), FOLDER)


def _preset(start: str, epochs: int) -> Preset:
    return load_preset(PRESETS.get(start, PRESET)).model_copy(update={"epochs": epochs})


def _cells(starts: dict[str, str]) -> Iterator[Cell]:
    """Every start at one point before the next point: a run broken off compares all the same."""
    for repeat in range(REPEATS):
        for labels in reversed(LABELS):
            for direction in (0, 1):
                for start in (TEACHER, *starts):
                    yield Cell(start, labels, direction, repeat)


def _photos_of(way: Direction, cell: Cell) -> tuple[Ints, Ints]:
    """(train, validation): the same for every start."""
    chance = np.random.default_rng((cell.direction, cell.labels, cell.repeat))
    known = chance.permutation(way.source)[:KNOWN_PHOTOS]
    train = np.concatenate([known[VALIDATION:], way.lent(cell.labels, chance)])
    return train, known[:VALIDATION]


def _trained(setting: str, dataset: Dataset, way: Direction, cell: Cell, preset: Preset) -> float:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(cell.repeat)
        network, origin = load_start_weights(setting, len(CLASSES))
    train, validation = _photos_of(way, cell)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    parts = Parts(train, validation)
    job = Job(network, dataset, parts, preset, device, cell.repeat, PlainLines())
    if wants_fitting(preset, origin):
        fit_head(job, network)
    fit(job)
    logits = predict(network, dataset, way.asked, device=device, batch=preset.batch)
    return _area(dataset, way, (logits[:, 1] - logits[:, 0]).numpy())


def _regression(features: torch.Tensor, dataset: Dataset, way: Direction, cell: Cell) -> float:
    train, _ = _photos_of(way, cell)
    model = make_pipeline(
        StandardScaler(), LogisticRegression(C=0.01, class_weight="balanced", max_iter=2000)
    )
    model.fit(features[train].numpy(), dataset.targets[train].numpy())
    return _area(dataset, way, model.decision_function(features[way.asked].numpy()))


def _area(dataset: Dataset, way: Direction, scores: object) -> float:
    return float(roc_auc_score(dataset.targets[way.asked].numpy(), scores))


def _teacher_features(dataset: Dataset) -> torch.Tensor:
    """Pooled features of every photo at the size the teacher was trained for, (N, 1280)."""
    teacher, found = load_teacher(), []
    photos = [scanned.photo for scanned in dataset.scanned]
    for first in track(range(0, len(photos), _BATCH), "the teacher looks", console=console):
        squares = [_square(photo) for photo in photos[first : first + _BATCH]]
        found.append(teacher(normalise(torch.stack(squares), ARTICLE)).pooled)
    return torch.cat(found)


def _square(photo: Photo) -> torch.Tensor:
    image = decode(photo.path.read_bytes(), limits=DecodeLimits(), short_side=ARTICLE.resize).image
    return torch.from_numpy(prepare(image, ARTICLE))


def _print(kept: Results, starts: list[str], epochs: int) -> None:
    title = f"area under the ROC curve, {epochs} epochs"
    table = Table("labels of the unseen world", *starts, "gap closed", title=title)
    for labels in LABELS:
        cells = (_shown(kept.of(start, labels)) for start in starts)
        table.add_row(str(labels), *cells, _closed(kept, labels))
        for number, world in enumerate(WORLDS):
            ways = (_shown(kept.of(start, labels, number)) for start in starts)
            table.add_row(f"  from {world.name}", *ways, "")
    console.print(table)


def _shown(areas: list[float]) -> str:
    if not areas:
        return "-"
    return f"{np.mean(areas):.3f} ± {np.std(areas):.3f} (n {len(areas)})"


def _closed(kept: Results, labels: int) -> str:
    """Share of the way from scratch to the teacher that the shipped weights go."""
    scratch, shipped, teacher = (
        float(np.mean(areas)) if (areas := kept.of(start, labels)) else np.nan
        for start in (*STARTS, TEACHER)
    )
    return f"{(shipped - scratch) / (teacher - scratch):.0%}" if scratch < teacher else "-"


def _figures(kept: Results, epochs: int) -> dict[str, object]:
    """For the card: mean and deviation of each start at each number of labels."""
    rows = {
        start: {
            str(labels): {
                "mean": round(float(np.mean(areas)), 4),
                "deviation": round(float(np.std(areas)), 4),
                "trainings": len(areas),
            }
            for labels in LABELS
            if (areas := kept.of(start, labels))
        }
        for start in (*STARTS, TEACHER)
    }
    return {
        "protocol": "benchmarks/start_weights.py",
        "measure": "area under the ROC curve on a source that training never saw",
        "presets": {start: PRESETS.get(start, PRESET) for start in STARTS},
        "epochs": epochs,
        "by_start_and_labels": rows,
    }


if __name__ == "__main__":
    typer.run(main)
