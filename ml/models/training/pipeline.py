"""Steps from a training job to a model version: train, calibrate, evaluate, package.

`python -m ml train` runs them at once, retraining runs them in two tasks.
"""

import json
import platform
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ml.core.types import EpochResult
from ml.models.card import (
    Calibration,
    ModelCard,
    PretrainedWeights,
    Thresholds,
    Training,
    write_training_manifest,
)
from ml.models.checkpoint import save_card, save_weights
from ml.models.evaluation.calibration import fit_temperature
from ml.models.evaluation.metrics import evaluate
from ml.models.evaluation.plots import plot_all
from ml.models.training.feature_cache import FeatureCache
from ml.models.training.init_network import linear_probe_head, needs_linear_probe
from ml.models.training.time_budget import limit_epochs
from ml.models.training.trainer import TrainJob, fit
from ml.policy.schema import Policy
from ml.vision.images.preprocess import Preprocessing

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

METRICS, PLOTS = "metrics.json", "plots"

_LIBRARIES = ("torch", "torchvision", "pillow", "safetensors")
_CURVES = ("train_loss", "validation_loss", "train_accuracy", "validation_accuracy")


@dataclass(frozen=True, kw_only=True)
class TrainedNetwork:
    """Trained weights with the facts of their training that go into the model card."""

    state: dict[str, torch.Tensor]
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    pretrained_weights: PretrainedWeights
    preset: str
    data_hash: str
    training_images: int
    validation_images: int
    libraries: dict[str, str]
    seed: int
    history: list[EpochResult]
    train_hashes: list[str]
    validation_hashes: list[str]
    head_inverse_penalty: float | None = None


@dataclass(frozen=True)
class Evaluation:
    """Calibration, thresholds and metrics of a version.

    `split` names the held-out photos of the metrics; `probabilities` (N, C) are their calibrated
    scores, `labels` (N,) the indices of their true classes.
    """

    split: str
    calibration: Calibration
    thresholds: Thresholds
    probabilities: Floats
    labels: Ints
    report: dict[str, Any]


def library_versions() -> dict[str, str]:
    """Versions of Python and of the libraries that determine the weights."""
    return {name: version(name) for name in _LIBRARIES} | {"python": platform.python_version()}


def train_network(
    job: TrainJob,
    origin: PretrainedWeights,
    *,
    cache: FeatureCache | None = None,
    deadline: float | None = None,
) -> TrainedNetwork:
    """Fit the head if the preset asks for it, then train; `job.network` is changed in place.

    Args:
        job: what is trained.
        origin: of the network's initial weights.
        cache: of features for the head; None: all are computed.
        deadline: by `time.monotonic`; as many epochs as fit before it. None: as many as the preset
            says.

    Raises:
        TrainingError: nothing would be trained, or the loss is not finite.
    """
    inverse_penalty = None
    if needs_linear_probe(job.preset, origin):
        inverse_penalty = linear_probe_head(job, cache)
    if deadline is not None:
        seconds = deadline - time.monotonic()
        job = limit_epochs(job, seconds, head_fitted=inverse_penalty is not None)
    history = fit(job)
    dataset, splits = job.dataset, job.splits
    hashes = dataset.content_hashes
    return TrainedNetwork(
        state={name: tensor.cpu() for name, tensor in job.network.state_dict().items()},
        classes=dataset.classes,
        preprocessing=dataset.spec,
        pretrained_weights=origin,
        preset=job.preset.name,
        data_hash=dataset.hash,
        training_images=len(splits.train),
        validation_images=len(splits.validation),
        libraries=library_versions(),
        seed=job.seed,
        history=history,
        train_hashes=[hashes[i] for i in splits.train],
        validation_hashes=[hashes[i] for i in splits.validation],
        head_inverse_penalty=inverse_penalty,
    )


def calibrate(logits: Floats, labels: Ints) -> Calibration:
    """Fit the temperature on held-out logits (N, C) and their class indices (N,)."""
    return Calibration(temperature=fit_temperature(logits, labels), fitted_on=len(labels))


def evaluate_calibrated(
    probabilities: Floats,
    labels: Ints,
    *,
    split: str,
    calibration: Calibration,
    thresholds: Thresholds,
    classes: Sequence[str],
    policy: Policy,
    categories: Sequence[str] | None = None,
) -> Evaluation:
    """Compute metrics of calibrated probabilities (N, C) at the version's thresholds."""
    report = evaluate(
        probabilities,
        labels,
        classes=classes,
        policy=policy,
        pass_confidence=thresholds.pass_confidence,
        categories=categories,
    )
    return Evaluation(split, calibration, thresholds, probabilities, labels, report)


def package_version(
    trained: TrainedNetwork,
    evaluation: Evaluation,
    folder: Path,
    *,
    snapshot_hash: str | None = None,
    minutes: float | None = None,
) -> ModelCard:
    """Write a version's files into an existing folder.

    The card is written last: a folder with a card is a complete version.

    Args:
        trained: weights, and facts for the card.
        evaluation: calibration, thresholds and metrics.
        folder: receives weights, card, `metrics.json`, `plots/*.png` and `training_photos.json`.
        snapshot_hash: label snapshot of the photos; None: they came from a folder.
        minutes: time budget of the training; None: there was none.
    """
    card = ModelCard(
        weights_sha256=save_weights(trained.state, folder),
        classes=trained.classes,
        preprocessing=trained.preprocessing,
        calibration=evaluation.calibration,
        thresholds=evaluation.thresholds,
        pretrained_weights=trained.pretrained_weights,
        preset=trained.preset,
        data_hash=trained.data_hash,
        training_images=trained.training_images,
        validation_images=trained.validation_images,
        metrics=evaluation.report,
        libraries=trained.libraries,
        seed=trained.seed,
        snapshot_hash=snapshot_hash,
        training=Training(
            epochs=len(trained.history),
            head_inverse_penalty=trained.head_inverse_penalty,
            minutes=minutes,
        ),
    )
    _write_results(trained, evaluation, folder)
    write_training_manifest(
        folder, train=trained.train_hashes, validation=trained.validation_hashes
    )
    save_card(card, folder)
    return card


def _write_results(trained: TrainedNetwork, evaluation: Evaluation, folder: Path) -> None:
    epochs = [asdict(epoch) for epoch in trained.history]
    results = {evaluation.split: evaluation.report, "epochs": epochs}
    text = json.dumps(results, indent=1, allow_nan=False)
    (folder / METRICS).write_text(text, encoding="utf-8")
    plot_all(
        evaluation.probabilities,
        evaluation.labels,
        classes=trained.classes,
        curves={name: [getattr(epoch, name) for epoch in trained.history] for name in _CURVES},
        folder=folder / PLOTS,
    )
