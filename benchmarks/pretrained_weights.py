"""`python -m benchmarks.pretrained_weights`: compare pretrained weights on an unseen domain.

The photos form two domains without a common source: clothing with some kinds of violations, and
groceries with others. A network is trained on one domain and 0, 100 or 500 labels of the other,
and tested on photos of the other: both directions, three repeats, with the same photos, preset and
seeds for all initial weights. The metric is the area under the ROC curve (AUC) of the violation
score. The reference is the frozen teacher of the distillation, with logistic regression on its
features of the same photos.

Each result is saved when it is measured; the command resumes after an interruption.
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

from benchmarks.pretrained_weights_photos import (
    CLASSES,
    DOMAINS,
    Ints,
    Transfer,
    list_photos,
    open_dataset,
    transfers,
)
from ml.core.settings import ROOT
from ml.models.bundled_weights import FOLDER, read_bundled_card, write_card
from ml.models.distillation.networks import load_teacher
from ml.models.pretrained_weights import load_pretrained_weights
from ml.models.training.dataset import Dataset
from ml.models.training.image_folder import Photo
from ml.models.training.init_network import linear_probe_head, needs_linear_probe
from ml.models.training.preset import Preset, load_preset
from ml.models.training.progress import LogListener
from ml.models.training.trainer import Splits, TrainJob, fit, predict
from ml.vision.images.decode import DecodeLimits, decode
from ml.vision.images.preprocess import ARTICLE, normalize, prepare

LABEL_COUNTS = (0, 100, 500)
REPEATS = 3
SOURCE_PHOTOS = 400  # of the source domain; all of them would take hours, with the same result
VALIDATION_PHOTOS = 60  # of them, for the training loop
TEACHER = "teacher"
_BATCH_SIZE = 64
STARTS = {"from scratch": "none", "bundled": "bundled"}
# Each kind of initial weights has its own learning rate; all else is equal.
PRESETS = {"from scratch": "fast_scratch"}
PRESET = "fast"

console = Console(width=None if Console().is_terminal else 120)


@dataclass(frozen=True)
class Cell:
    """One training and its test."""

    start: str
    labels: int
    direction: int
    repeat: int

    @property
    def key(self) -> str:
        """Key among the results."""
        return f"{self.start}|{self.labels}|{self.direction}|{self.repeat}"


class Results:
    """The measured AUC of each cell, in a JSON file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.aucs: dict[str, float] = json.loads(path.read_text()) if path.is_file() else {}

    def save(self, cell: Cell, auc: float) -> None:
        """Add the AUC of a cell."""
        self.aucs[cell.key] = auc
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(json.dumps(self.aucs, indent=1))

    def of(self, start: str, labels: int, direction: int | None = None) -> list[float]:
        """Return the AUCs of initial weights at a number of labels, of one or both directions."""
        directions = (0, 1) if direction is None else (direction,)
        cells = (Cell(start, labels, each, n) for each in directions for n in range(REPEATS))
        return [self.aucs[cell.key] for cell in cells if cell.key in self.aucs]


def main(
    data: Annotated[Path, typer.Option(help="Folder with photos/ and manifest.csv.")],
    weights: Annotated[
        list[Path] | None, typer.Option(help="Other weights to compare, .safetensors.")
    ] = None,
    epochs: Annotated[int, typer.Option(help="Of each training.", min=1)] = 6,
    results: Annotated[Path | None, typer.Option(help="File of the measured results.")] = None,
    into_card: Annotated[
        bool, typer.Option(help="Write the figures into the bundled card.")
    ] = False,
) -> None:
    """Measure the missing results, and print the table."""
    starts = STARTS | {path.stem: str(path) for path in weights or []}
    recipes = {start: _preset(start, epochs) for start in starts}
    store = Results(results or ROOT / ".data" / "benchmarks" / "pretrained_weights.json")
    photos = list_photos(data)
    with (
        tempfile.TemporaryDirectory(prefix="moderation-pretrained-weights-") as scratch,
        open_dataset(photos, load_preset(PRESET).preprocessing, Path(scratch)) as dataset,
    ):
        all_transfers = transfers(dataset, {photo.name: domain for photo, domain in photos})
        features = _teacher_features(dataset)
        for cell in _cells(starts):
            if cell.key not in store.aucs:
                transfer = all_transfers[cell.direction]
                auc = (
                    _score_teacher(features, dataset, transfer, cell)
                    if cell.start == TEACHER
                    else _train_and_score(
                        starts[cell.start], dataset, transfer, cell, recipes[cell.start]
                    )
                )
                store.save(cell, auc)
                console.print(f"{cell.key}: {auc:.3f}")
    _print_table(store, [*starts, TEACHER], epochs)
    if into_card:
        write_card(
            read_bundled_card().model_copy(update={"figures": _card_figures(store, epochs)}), FOLDER
        )


def _preset(start: str, epochs: int) -> Preset:
    return load_preset(PRESETS.get(start, PRESET)).model_copy(update={"epochs": epochs})


def _cells(starts: dict[str, str]) -> Iterator[Cell]:
    """Yield all initial weights of one point before the next, so that partial results compare."""
    for repeat in range(REPEATS):
        for labels in reversed(LABEL_COUNTS):
            for direction in (0, 1):
                for start in (TEACHER, *starts):
                    yield Cell(start, labels, direction, repeat)


def _training_photos(transfer: Transfer, cell: Cell) -> tuple[Ints, Ints]:
    """Return the indices (train, validation), the same for all initial weights."""
    rng = np.random.default_rng((cell.direction, cell.labels, cell.repeat))
    source = rng.permutation(transfer.source)[:SOURCE_PHOTOS]
    train = np.concatenate([source[VALIDATION_PHOTOS:], transfer.draw_labels(cell.labels, rng)])
    return train, source[:VALIDATION_PHOTOS]


def _train_and_score(
    setting: str, dataset: Dataset, transfer: Transfer, cell: Cell, preset: Preset
) -> float:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(cell.repeat)
        network, origin = load_pretrained_weights(setting, len(CLASSES))
    train, validation = _training_photos(transfer, cell)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    parts = Splits(train, validation)
    job = TrainJob(network, dataset, parts, preset, device, cell.repeat, LogListener())
    if needs_linear_probe(preset, origin):
        linear_probe_head(job)
    fit(job)
    logits = predict(network, dataset, transfer.test, device=device, batch=preset.batch)
    return _roc_auc(dataset, transfer, (logits[:, 1] - logits[:, 0]).numpy())


def _score_teacher(
    features: torch.Tensor, dataset: Dataset, transfer: Transfer, cell: Cell
) -> float:
    train, _ = _training_photos(transfer, cell)
    model = make_pipeline(
        StandardScaler(), LogisticRegression(C=0.01, class_weight="balanced", max_iter=2000)
    )
    model.fit(features[train].numpy(), dataset.targets[train].numpy())
    return _roc_auc(dataset, transfer, model.decision_function(features[transfer.test].numpy()))


def _roc_auc(dataset: Dataset, transfer: Transfer, scores: object) -> float:
    return float(roc_auc_score(dataset.targets[transfer.test].numpy(), scores))


def _teacher_features(dataset: Dataset) -> torch.Tensor:
    """Return the pooled features of all photos at the teacher's training size, (N, 1280)."""
    teacher, found = load_teacher(), []
    photos = [photo.file for photo in dataset.photos]
    for first in track(range(0, len(photos), _BATCH_SIZE), "teacher features", console=console):
        squares = [_prepare_square(photo) for photo in photos[first : first + _BATCH_SIZE]]
        found.append(teacher(normalize(torch.stack(squares), ARTICLE)).pooled)
    return torch.cat(found)


def _prepare_square(photo: Photo) -> torch.Tensor:
    image = decode(photo.path.read_bytes(), limits=DecodeLimits(), short_side=ARTICLE.resize).image
    return torch.from_numpy(prepare(image, ARTICLE))


def _print_table(store: Results, starts: list[str], epochs: int) -> None:
    title = f"area under the ROC curve, {epochs} epochs"
    table = Table("labels of the target domain", *starts, "gap closed", title=title)
    for labels in LABEL_COUNTS:
        cells = (_format_auc(store.of(start, labels)) for start in starts)
        table.add_row(str(labels), *cells, _gap_closed(store, labels))
        for number, domain in enumerate(DOMAINS):
            cells = (_format_auc(store.of(start, labels, number)) for start in starts)
            table.add_row(f"  from {domain.name}", *cells, "")
    console.print(table)


def _format_auc(aucs: list[float]) -> str:
    if not aucs:
        return "-"
    return f"{np.mean(aucs):.3f} ± {np.std(aucs):.3f} (n {len(aucs)})"


def _gap_closed(store: Results, labels: int) -> str:
    """Return the share of the gap between scratch and teacher that the bundled weights close."""
    scratch, shipped, teacher = (
        float(np.mean(aucs)) if (aucs := store.of(start, labels)) else np.nan
        for start in (*STARTS, TEACHER)
    )
    return f"{(shipped - scratch) / (teacher - scratch):.0%}" if scratch < teacher else "-"


def _card_figures(store: Results, epochs: int) -> dict[str, object]:
    """Return the figures for the card: mean and deviation by initial weights and labels."""
    rows = {
        start: {
            str(labels): {
                "mean": round(float(np.mean(aucs)), 4),
                "deviation": round(float(np.std(aucs)), 4),
                "trainings": len(aucs),
            }
            for labels in LABEL_COUNTS
            if (aucs := store.of(start, labels))
        }
        for start in (*STARTS, TEACHER)
    }
    return {
        "protocol": "benchmarks/pretrained_weights.py",
        "measure": "area under the ROC curve on a source that training never saw",
        "presets": {start: PRESETS.get(start, PRESET) for start in STARTS},
        "epochs": epochs,
        "by_start_and_labels": rows,
    }


if __name__ == "__main__":
    typer.run(main)
