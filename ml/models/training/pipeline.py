"""Steps from a training job to a model version: train, calibrate, evaluate, package.

`python -m ml train` runs them at once, retraining runs them in two tasks.
"""

import json
import platform
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import structlog
import torch

from ml.core.errors import TrainingError
from ml.core.types import ArchitectureName, EpochResult
from ml.models.card import (
    Agreement,
    Calibration,
    Int8Variant,
    MemoryRule,
    ModelCard,
    PretrainedWeights,
    RefusedInt8,
    Thresholds,
    Training,
)
from ml.models.checkpoint import restore_network, save_card, save_weights
from ml.models.evaluation.calibration import fit_temperature
from ml.models.evaluation.metrics import Floats, Ints, evaluate
from ml.models.evaluation.plots import plot_all
from ml.models.training.cross_fit import CrossFitted, cross_fit
from ml.models.training.cross_fit_job import CrossFitJob, InitialNetwork
from ml.models.training.held_out_parts import PARTS
from ml.models.training.trainer import Splits, TrainJob, estimate_epoch_seconds
from ml.models.training_manifest import write_training_manifest
from ml.policy.schema import Policy
from ml.vision.images.preprocess import Preprocessing, normalize

log = structlog.get_logger()

# For a preset without epochs. A bound: much time with few photos would overfit.
MAX_EPOCHS = 20
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
    libraries: dict[str, str]
    seed: int
    history: list[EpochResult]
    train_hashes: list[str]
    head_inverse_penalty: float | None = None
    architecture: ArchitectureName = "resnet18"

    def logits(self, pixels: torch.Tensor) -> torch.Tensor:
        """Logits by the plain network on the CPU, not by a backend, which the probe is to check."""
        network = restore_network(self.state, len(self.classes), self.architecture)
        with torch.inference_mode():
            logits: torch.Tensor = network(normalize(pixels, self.preprocessing))
        return logits


@dataclass(frozen=True)
class Evaluation:
    """Calibrated probabilities (N, C) of a version on held-out photos, and its metrics on them.

    `split` names the photos; `labels` (N,) are the indices of their true classes.
    """

    probabilities: Floats
    labels: Ints
    split: str
    calibration: Calibration
    thresholds: Thresholds
    classes: Sequence[str]
    policy: Policy
    categories: Sequence[str] | None = None

    @property
    def violations(self) -> list[int]:
        """Indices of the classes that are violations."""
        return [c for c, name in enumerate(self.classes) if name in self.policy.violations]

    def subset(self, rows: Ints) -> "Evaluation":
        """The evaluation on the photos at these rows."""
        categories = self.categories
        return replace(
            self,
            probabilities=self.probabilities[rows],
            labels=self.labels[rows],
            categories=None if categories is None else [categories[i] for i in rows],
        )

    @cached_property
    def report(self) -> dict[str, Any]:
        """The metrics at the version's threshold."""
        return evaluate(
            self.probabilities,
            self.labels,
            classes=self.classes,
            policy=self.policy,
            pass_confidence=self.thresholds.pass_confidence,
            categories=self.categories,
        )


def library_versions() -> dict[str, str]:
    """Versions of Python and of the libraries that determine the weights."""
    return {name: version(name) for name in _LIBRARIES} | {"python": platform.python_version()}


def train_network(
    job: CrossFitJob,
    start: InitialNetwork,
    origin: PretrainedWeights,
    *,
    deadline: float | None = None,
) -> tuple[TrainedNetwork, CrossFitted]:
    """Train on all photos of the job from a start; its network is changed in place.

    `origin` is that of the network's initial weights. As many epochs are tried as the preset says,
    or as fit before the `deadline` (by `time.monotonic`).

    Raises:
        TrainingError: nothing would be trained, or the loss is not finite.
    """
    if deadline is not None:
        job = limit_epochs(job, start, deadline - time.monotonic())
    fitted = cross_fit(job, start)
    hashes = job.dataset.content_hashes
    network = TrainedNetwork(
        state={name: tensor.cpu() for name, tensor in fitted.network.state_dict().items()},
        classes=job.dataset.classes,
        preprocessing=job.dataset.spec,
        pretrained_weights=origin,
        preset=job.preset.name,
        data_hash=job.dataset.hash,
        training_images=len(job.trained),
        libraries=library_versions(),
        seed=job.seed,
        history=fitted.history,
        train_hashes=[hashes[i] for i in job.trained],
        head_inverse_penalty=fitted.inverse_penalty,
        architecture=fitted.network.architecture,
    )
    return network, fitted


def limit_epochs(job: CrossFitJob, start: InitialNetwork, seconds: float) -> CrossFitJob:
    """Limit the job to the epochs that fit into the time, at most those of its preset.

    A preset without epochs gets up to MAX_EPOCHS. Cross-fitting takes the time of PARTS trainings:
    each leaves out one part of so many, and the last one none. The time of an epoch is estimated
    from a few batches on a copy of the network; other load makes the estimate too high.
    """
    one = replace(job, preset=job.preset.model_copy(update={"epochs": 1}))
    trial = TrainJob(
        start.network, one.dataset, Splits(one.trained, one.trained), one.preset, one.device,
        one.seed, one.listener,
    )  # fmt: skip
    epoch_seconds = PARTS * estimate_epoch_seconds(trial)
    max_epochs = job.preset.epochs or MAX_EPOCHS
    epochs = max(0, min(max_epochs, int(seconds // epoch_seconds)))
    if not epochs and start.head is None:
        raise TrainingError(
            f"{seconds:.0f} s are left and an epoch takes {epoch_seconds:.0f} s: raise --minutes, "
            "or use the preset linear_probe, which needs no epoch"
        )
    log.info(
        "epochs within the time budget", epochs=epochs, seconds_per_epoch=round(epoch_seconds, 1)
    )
    return replace(job, preset=job.preset.model_copy(update={"epochs": epochs}))


def calibrate(logits: Floats, labels: Ints) -> Calibration:
    """Fit the temperature on held-out logits (N, C) and their class indices (N,)."""
    return Calibration(temperature=fit_temperature(logits, labels), fitted_on=len(labels))


def package_version(
    trained: TrainedNetwork,
    evaluation: Evaluation,
    folder: Path,
    *,
    snapshot_hash: str | None = None,
    minutes: float | None = None,
    agreements: tuple[Agreement, ...] = (),
    int8: Int8Variant | RefusedInt8 | None = None,
    memory: MemoryRule | None = None,
    min_similarity: float | None = None,
) -> ModelCard:
    """Write a version's files into an existing folder; a folder with a card is complete.

    The files are weights, card, `metrics.json`, `plots/*.png` and `training_photos.json`.
    `snapshot_hash` is the label snapshot of the photos, if they came from one, `minutes` the time
    budget of the training, if there was one. The files of `int8` are in the folder already; for
    `memory` and `min_similarity` see `ModelCard`.
    """
    known = {f.name: getattr(trained, f.name) for f in fields(TrainedNetwork)}
    card = ModelCard(
        **{name: value for name, value in known.items() if name in ModelCard.model_fields},
        weights_sha256=save_weights(trained.state, folder),
        calibration=evaluation.calibration,
        thresholds=evaluation.thresholds,
        metrics=evaluation.report,
        snapshot_hash=snapshot_hash,
        training=Training(
            epochs=len(trained.history),
            head_inverse_penalty=trained.head_inverse_penalty,
            minutes=minutes,
        ),
        agreements=agreements,
        int8=int8 if isinstance(int8, Int8Variant) else None,
        refused_int8=int8 if isinstance(int8, RefusedInt8) else None,
        memory=memory,
        min_similarity=min_similarity,
    )
    _write_results(trained, evaluation, folder)
    write_training_manifest(folder, trained.train_hashes)
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
