"""Cross-fitting: train on all photos, and predict each by networks that saw none of its fold.

A part of the photos that is held out for good is missing in training, and few photos are a poor
measure. So the head, then all layers, are also trained without some folds in turn. What they
predict for these decides how many epochs are worth training, and is what temperature and thresholds
are fitted on. The result is trained on all photos, for that many epochs.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import structlog
import torch
from structlog.contextvars import bound_contextvars

from ml.core.errors import TrainingError
from ml.core.types import EpochResult
from ml.models.architectures.classifier import Classifier
from ml.models.evaluation.calibration import calibrated_loss
from ml.models.features import FeatureCache
from ml.models.training.checkpoint import Checkpoints
from ml.models.training.dataset import Dataset
from ml.models.training.frozen_features import read_features
from ml.models.training.head import (
    CrossFittedHead,
    Head,
    LabelledFeatures,
    cross_fit_head,
    fit_head,
)
from ml.models.training.preset import Preset
from ml.models.training.progress import Listener
from ml.models.training.trainer import Splits, TrainJob, fit

log = structlog.get_logger()

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

# Trainings of all layers that leave out a part each; one for every fold would take too long.
PARTS = 3


@dataclass(frozen=True)
class CrossFitJob:
    """Photos to train on, and how.

    `folds` (N,) are numbered from 0. `weights` (N,) are relative sampling frequencies, 0 where a
    photo is only predicted. `comparable` (N,) are those that no initial network was trained on: the
    number of epochs is chosen by them. `checkpoints` returns those of a named training; None: a
    killed one starts again.
    """

    dataset: Dataset
    folds: Ints
    weights: Floats
    comparable: Bools
    preset: Preset
    device: torch.device
    seed: int
    listener: Listener
    checkpoints: Callable[[str], Checkpoints] | None = None
    cache: FeatureCache | None = None

    @cached_property
    def targets(self) -> Ints:
        """Class index of each photo, (N,)."""
        found: Ints = self.dataset.targets.numpy()
        return found

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.dataset.classes)

    def fit_head(
        self, features: npt.NDArray[np.float32], rows: Bools, penalty: float
    ) -> Head | None:
        """The head of the photos at these rows; `features` are of all."""
        photos = LabelledFeatures(features, self.targets, self.weights).subset(rows)
        return fit_head(photos, self.classes, inverse_penalty=penalty, balanced=self.balanced)

    @property
    def balanced(self) -> bool:
        """Whether classes have the same weight in the loss."""
        return self.preset.loss.class_weights == "balanced"

    def loss(self, logits: Floats) -> float:
        """Log loss of the comparable photos at the temperature that fits them best."""
        return calibrated_loss(logits[self.comparable], self.targets[self.comparable])


@dataclass(frozen=True)
class InitialNetwork:
    """A network to start from; with a head fitted to the photos' features (N, F), or without."""

    network: Classifier
    features: npt.NDArray[np.float32] | None = None
    head: CrossFittedHead | None = None


@dataclass(frozen=True)
class CrossFitted:
    """The network after training on all photos, and out-of-fold logits (N, C) of them.

    `losses` are those of held-out photos by the numbers of epochs that were tried; `history` has
    the epochs of the result.
    """

    network: Classifier
    logits: Floats
    losses: dict[int, float]
    history: list[EpochResult]
    inverse_penalty: float | None


def fit_start(job: CrossFitJob, network: Classifier, *, pretrained: bool) -> InitialNetwork:
    """Fit the head of a network whose trunk is `pretrained`, if the preset asks for it.

    Raises:
        TrainingError: nothing would be trained: no epochs, and no features to fit a head to.
    """
    head = None
    if pretrained and job.preset.head == "fitted":
        features = read_features(
            network, job.dataset, np.arange(len(job.targets)),
            device=job.device, batch=job.preset.batch, cache=job.cache,
        )  # fmt: skip
        photos = LabelledFeatures(features, job.targets, job.weights)
        head = cross_fit_head(photos, job.folds, job.classes, balanced=job.balanced)
    if head is not None:
        return InitialNetwork(network, features, head)
    if not job.preset.epochs:
        raise TrainingError(
            f"preset {job.preset.name} trains only the head on pretrained weights, and there are "
            "none: set MODERATION_PRETRAINED_WEIGHTS to auto, or use the preset fast_scratch"
        )
    return InitialNetwork(network)


def cross_fit(job: CrossFitJob, start: InitialNetwork) -> CrossFitted:
    """Train from a start; see this module. The start's network is changed in place.

    Raises:
        TrainingError: the loss is not finite.
    """
    tried = _try_epochs(job, start)
    losses = {epochs: job.loss(logits) for epochs, logits in tried.items()}
    chosen = min(losses, key=lambda epochs: losses[epochs])
    log.info("epochs compared", losses=losses, chosen=chosen)
    if start.head is not None:
        start.head.head.copy_to(start.network.head)
    curve = [(losses[n], _accuracy(job, tried[n])) for n in range(1, chosen + 1)]
    everything = np.ones(len(job.targets), bool)
    history = fit(_train_job(job, start.network, everything, "all", curve=curve)).history
    # The head alone was fitted without one fold at a time, which is less than a part.
    alone = start.head is not None and not chosen
    return CrossFitted(
        start.network,
        start.head.logits if start.head is not None and alone else tried[chosen],
        losses,
        history,
        start.head.head.inverse_penalty if start.head else None,
    )


def _try_epochs(job: CrossFitJob, start: InitialNetwork) -> dict[int, Floats]:
    """Logits (N, C) of the photos by number of epochs, each by a network that left out its part."""
    parts = [_Part(job, start, job.folds % PARTS == number, str(number)) for number in range(PARTS)]
    tried: dict[int, Floats] = {}
    if start.head is not None:
        tried[0] = _join(parts, [part.head_logits for part in parts])
    if not job.preset.epochs:
        return tried
    trained: list[list[Floats]] = []
    for part in parts:
        trained.append(part.train())
        if len(trained) == 1 and tried and not part.gains(tried[0], trained[0]):
            log.info("no epoch lowers the loss of the first part: only the head is trained")
            return tried
    for number, logits in enumerate(zip(*trained, strict=False), start=1):
        tried[number] = _join(parts, logits)
    return tried


def _join(parts: Sequence["_Part"], logits: Sequence[Floats]) -> Floats:
    joined = np.empty((len(parts[0].held_out), logits[0].shape[1]))
    for part, found in zip(parts, logits, strict=True):
        joined[part.held_out] = found
    return joined


@dataclass(frozen=True)
class _Part:
    """The photos `held_out` (N,) of a training on all others."""

    job: CrossFitJob
    start: InitialNetwork
    held_out: Bools
    name: str

    @cached_property
    def head(self) -> Head | None:
        """The head of the other photos."""
        if self.start.head is None or self.start.features is None:
            return None
        penalty = self.start.head.head.inverse_penalty
        return self.job.fit_head(self.start.features, ~self.held_out, penalty)

    @property
    def head_logits(self) -> Floats:
        """Of the held-out photos, by the head alone."""
        if self.head is None or self.start.features is None:
            raise TrainingError("too few photos of a class to hold some of them out: label more")
        return self.head.logits(self.start.features[self.held_out])

    def train(self) -> list[Floats]:
        """Logits of the held-out photos after each epoch of a training on the others."""
        network = deepcopy(self.start.network)
        if self.head is not None:
            self.head.copy_to(network.head)
        with bound_contextvars(held_out_part=self.name):
            result = fit(_train_job(self.job, network, ~self.held_out, self.name))
        return [logits.double().numpy() for logits in result.validation_logits]

    def gains(self, head_alone: Floats, by_epoch: Sequence[Floats]) -> bool:
        """Whether an epoch lowers the loss of the held-out photos that count."""
        counted = self.held_out & self.job.comparable
        targets = self.job.targets[counted]
        rows = self.job.comparable[self.held_out]
        losses = [calibrated_loss(logits[rows], targets) for logits in by_epoch]
        return min(losses) < calibrated_loss(head_alone[counted], targets)


def _train_job(
    job: CrossFitJob,
    network: Classifier,
    rows: Bools,
    name: str,
    *,
    curve: Sequence[tuple[float, float]] | None = None,
) -> TrainJob:
    """A training on the photos of these rows; all others are validated on.

    With a `curve`, of losses and accuracies by epoch, it has as many epochs, and validates nothing.
    """
    train = np.flatnonzero(rows & (job.weights > 0))
    return TrainJob(
        network,
        job.dataset,
        Splits(train, np.flatnonzero(~rows), job.weights[train]),
        job.preset,
        job.device,
        job.seed,
        job.listener,
        job.checkpoints(name) if job.checkpoints else None,
        known_validation=curve,
    )


def _accuracy(job: CrossFitJob, logits: Floats) -> float:
    counted = job.comparable
    return float((logits[counted].argmax(axis=1) == job.targets[counted]).mean())
