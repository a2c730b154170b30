"""`python -m benchmarks.pretrained_weights`: compare pretrained weights on an unseen domain.

The labelled photos form two domains without a common source: clothing with some kinds of
violations, and groceries with others. A third one are themes of `unlabelled_wide.csv`, some of them
taken as violations. A network is trained on photos of the other domains and 0, 100, 500 or 2,000
labels of the new one, and tested on other photos of that: three repeats, with the same photos and
seeds for all initial weights, all layers or the head alone. The metric is the area under the ROC
curve (AUC) of the violation score. The reference is the frozen teacher of the distillation, with
logistic regression on its features of the same photos.

Each result is saved when it is measured; the command resumes after an interruption.
"""

import tempfile
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from rich.progress import track
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.pretrained_weights_cells import (
    BUNDLED,
    STARTS,
    TEACHER,
    Cell,
    Results,
    Start,
    card_figures,
    console,
    list_cells,
    print_table,
)
from benchmarks.pretrained_weights_photos import (
    CLASSES,
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
from ml.models.training.folds import FOLDS
from ml.models.training.frozen_features import read_features
from ml.models.training.head import LabelledFeatures, cross_fit_head
from ml.models.training.image_folder import Photo
from ml.models.training.preset import Preset, load_preset
from ml.models.training.progress import LogListener
from ml.models.training.trainer import Splits, TrainJob, fit, predict
from ml.vision.images.decode import decode
from ml.vision.images.open_photo import DecodeLimits
from ml.vision.images.preprocess import ARTICLE, normalize, prepare

SOURCE_PHOTOS = 400  # of the source domain; all of them would take hours, with the same result
VALIDATION_PHOTOS = 60  # of them, for the training loop
_BATCH_SIZE = 64


def main(
    data: Annotated[Path, typer.Option(help="Folder with photos/ and manifest.csv.")],
    *,
    weights: Annotated[
        list[Path] | None, typer.Option(help="Other weights to compare, .safetensors.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Columns of the table to measure; repeatable.")
    ] = None,
    epochs: Annotated[int, typer.Option(help="Of each training.", min=1)] = 6,
    results: Annotated[Path | None, typer.Option(help="File of the measured results.")] = None,
    into_card: Annotated[
        bool, typer.Option(help="Write the figures into the bundled card.")
    ] = False,
) -> None:
    """Measure the missing results, and print the table."""
    starts = dict(STARTS)
    for path in weights or []:
        starts[path.stem] = Start(str(path), "fast")
        starts[f"{path.stem}, frozen"] = Start(str(path), "linear_probe")
    store = Results(results or ROOT / ".data" / "benchmarks" / "pretrained_weights.json")
    photos, spec = list_photos(data), load_preset(STARTS[BUNDLED].preset).preprocessing
    with (
        tempfile.TemporaryDirectory(prefix="moderation-pretrained-weights-") as scratch,
        open_dataset(photos, spec, Path(scratch)) as dataset,
    ):
        all_transfers = transfers(dataset, {photo.name: domain for photo, domain in photos})
        features = _teacher_features(dataset)
        for cell in list_cells(starts, [len(each.label_pool) for each in all_transfers]):
            if cell.key in store.aucs or (only and cell.start not in only):
                continue
            transfer = all_transfers[cell.direction]
            auc = (
                _score_teacher(features, dataset, transfer, cell)
                if cell.start == TEACHER
                else _train_and_score(starts[cell.start], dataset, transfer, cell, epochs)
            )
            store.save(cell, auc)
            console.print(f"{cell.key}: {auc:.3f}")
    print_table(store, [*starts, TEACHER], epochs)
    if into_card:
        write_card(
            read_bundled_card().model_copy(update={"figures": card_figures(store, epochs)}), FOLDER
        )


def _preset(name: str, epochs: int) -> Preset:
    """The preset with so many epochs; the one without epochs as it is."""
    preset = load_preset(name)
    return preset.model_copy(update={"epochs": epochs}) if preset.epochs else preset


def _training_photos(transfer: Transfer, cell: Cell) -> tuple[Ints, Ints]:
    """Return the indices (train, validation), the same for all initial weights."""
    rng = np.random.default_rng((cell.direction, cell.labels, cell.repeat))
    source = rng.permutation(transfer.source)[:SOURCE_PHOTOS]
    train = np.concatenate([source[VALIDATION_PHOTOS:], transfer.draw_labels(cell.labels, rng)])
    return train, source[:VALIDATION_PHOTOS]


def _train_and_score(
    start: Start, dataset: Dataset, transfer: Transfer, cell: Cell, epochs: int
) -> float:
    preset = _preset(start.preset, epochs)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(cell.repeat)
        network, origin = load_pretrained_weights(start.weights, len(CLASSES))
    train, validation = _training_photos(transfer, cell)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    parts = Splits(train, validation)
    job = TrainJob(network, dataset, parts, preset, device, cell.repeat, LogListener())
    if preset.head == "fitted" and origin.kind != "scratch":
        _fit_head(job)
    fit(job)
    logits = predict(network, dataset, transfer.test, device=device, batch=preset.batch)
    return _roc_auc(dataset, transfer, (logits[:, 1] - logits[:, 0]).numpy())


def _fit_head(job: TrainJob) -> None:
    train, dataset = job.splits.train, job.dataset
    features = read_features(job.network, dataset, train, device=job.device, batch=job.preset.batch)
    photos = LabelledFeatures(features, dataset.targets.numpy()[train], np.ones(len(train)))
    folds = np.array(dataset.groups)[train] % FOLDS  # near-duplicates stay together
    fitted = cross_fit_head(photos, folds, len(CLASSES), balanced=True)
    if fitted is not None:
        fitted.head.copy_to(job.network.head)


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


if __name__ == "__main__":
    typer.run(main)
