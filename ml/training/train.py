"""One training run: a folder of labelled photos in, a model version out."""

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import structlog
import torch

from ml.evaluation.calibration import calibrated, fit_temperature
from ml.evaluation.metrics import evaluate
from ml.evaluation.plots import plot_all
from ml.images.decode import DecodeLimits
from ml.model.card import Calibration, CutOffs, ModelCard
from ml.model.checkpoint import save_card, save_weights
from ml.model.training_photos import write_training_photos
from ml.policy.policy import Policy
from ml.training.dataset import Dataset, open_dataset
from ml.training.folder import Rejected
from ml.training.head import fit_head, wants_fitting
from ml.training.libraries import library_versions
from ml.training.loop import Ints, Job, Parts, fit, predict
from ml.training.preset import Preset
from ml.training.progress import EpochResult, Listener, PlainLines
from ml.training.split import split
from ml.training.start import start_network
from ml.training.state import Checkpoints

log = structlog.get_logger()

METRICS, PLOTS, REJECTED = "metrics.json", "plots", "rejected.csv"


@dataclass(frozen=True)
class TrainedVersion:
    """A version in its folder, beside its metrics, plots and the list of files left out."""

    folder: Path
    card: ModelCard


@dataclass(frozen=True)
class _Measured:
    temperature: float
    probabilities: np.ndarray[Any, np.dtype[np.float64]]
    labels: np.ndarray[Any, np.dtype[np.int64]]
    report: dict[str, Any]


def train(
    data: Path,
    *,
    preset: Preset,
    policy: Policy,
    out: Path,
    start_weights: str,
    device: str,
    seed: int,
    limits: DecodeLimits,
    progress: Listener | None = None,
    checkpoints: Checkpoints | None = None,
) -> TrainedVersion:
    """Train, calibrate, measure and write one version.

    Writes `weights.safetensors`, `card.json`, `metrics.json`, `plots/*.png`, `rejected.csv` and
    `training_photos.json`. A preset that asks for the champion gets the start weights instead: this
    run knows of no champion.

    Args:
        data: an ImageFolder whose folders are the policy's classes.
        preset: the recipe.
        policy: names the classes; its `pass_confidence` goes into the card.
        out: folder of the version; is made where absent. The reduced photos lie there, in a file
            without a name, while training runs: about 260 kB a photo at `resize: 256`.
        start_weights: "auto", "imagenet", "none" or a .safetensors file.
        device: "cpu", "cuda" or "cuda:<n>".
        seed: decides split, head, order and augmentation.
        limits: what a photo may be.
        progress: is told what has been done; None writes log lines.
        checkpoints: of this very run, which goes on from them; None: from the start.

    Raises:
        TrainingError: the folder cannot be trained on, or the loss diverges.
        StartWeightsError: the named start weights cannot be had.
    """
    told = progress or PlainLines()
    out.mkdir(parents=True, exist_ok=True)
    network, origin = start_network(
        preset,
        classes=sorted(policy.classes),
        seed=seed,
        start_weights=start_weights,
        champion=None,
    )
    target = torch.device(device)
    with open_dataset(
        data,
        policy=policy,
        spec=preset.preprocessing,
        limits=limits,
        scratch=out,
        done=told.decoded,
    ) as dataset:
        _report_rejected(dataset.rejected, out / REJECTED)
        parts = _split(dataset, preset, seed)
        job = Job(network, dataset, parts, preset, target, seed, told, checkpoints)
        if wants_fitting(preset, origin):
            fit_head(job, network)
        history = fit(job)
        logits = predict(network, dataset, parts.validation, device=target, batch=preset.batch)
        measured = _measure(logits, dataset, parts, policy)
        write_training_photos(
            out,
            train=_contents(dataset, parts.train),
            validation=_contents(dataset, parts.validation),
        )
        facts = _facts(dataset, parts, measured, policy)
    card = ModelCard(
        weights_sha256=save_weights(network.state_dict(), out),
        preprocessing=preset.preprocessing,
        start_weights=origin,
        preset=preset.name,
        libraries=library_versions(),
        seed=seed,
        **facts,
    )
    _write_results(card, measured, history, out)
    return TrainedVersion(out, card)


def _contents(dataset: Dataset, indices: Ints) -> list[str]:
    return [dataset.scanned[i].content_hash for i in indices]


def _split(dataset: Dataset, preset: Preset, seed: int) -> Parts:
    return Parts(
        *split(
            dataset.labels,
            dataset.categories,
            dataset.groups,
            share=preset.validation_share,
            seed=seed,
        )
    )


def _measure(logits: torch.Tensor, dataset: Dataset, parts: Parts, policy: Policy) -> _Measured:
    """Fit the temperature, then measure: what the card says is what tonight's scores are."""
    scores = logits.double().numpy()
    labels = dataset.targets[parts.validation].numpy()
    temperature = fit_temperature(scores, labels)
    probabilities = calibrated(scores, temperature)
    categories = dataset.categories
    report = evaluate(
        probabilities,
        labels,
        classes=dataset.classes,
        policy=policy,
        pass_confidence=policy.pass_confidence,
        categories=[categories[i] for i in parts.validation],
    )
    return _Measured(temperature, probabilities, labels, report)


def _facts(dataset: Dataset, parts: Parts, measured: _Measured, policy: Policy) -> dict[str, Any]:
    """What the card says of the data and of what was found with it."""
    held_out = len(parts.validation)
    return {
        "classes": dataset.classes,
        "calibration": Calibration(temperature=measured.temperature, fitted_on=held_out),
        "cut_offs": CutOffs(pass_confidence=policy.pass_confidence, source="policy default"),
        "data_hash": dataset.hash,
        "training_images": len(parts.train),
        "validation_images": held_out,
        "metrics": measured.report,
    }


def _write_results(
    card: ModelCard, measured: _Measured, history: Sequence[EpochResult], out: Path
) -> None:
    """The card comes last: a folder with a card is a whole version."""
    results = {"validation": measured.report, "epochs": [asdict(epoch) for epoch in history]}
    text = json.dumps(results, indent=1, allow_nan=False)
    (out / METRICS).write_text(text, encoding="utf-8")
    names = ("train_loss", "validation_loss", "train_accuracy", "validation_accuracy")
    plot_all(
        measured.probabilities,
        measured.labels,
        classes=card.classes,
        curves={name: [getattr(epoch, name) for epoch in history] for name in names},
        folder=out / PLOTS,
    )
    save_card(card, out)


def _report_rejected(rejected: Sequence[Rejected], path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(field.name for field in fields(Rejected))
        rows.writerows((r.name, r.reason, r.detail) for r in rejected)
    if rejected:
        log.warning("files left out of training", files=len(rejected), listed_in=str(path))
