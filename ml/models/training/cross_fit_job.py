"""What is cross-fitted: photos with their folds, and networks to start from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch

from ml.core.errors import TrainingError
from ml.models.architectures.classifier import Classifier
from ml.models.evaluation.calibration import calibrated_loss
from ml.models.features import FeatureCache
from ml.models.training.checkpoint import Checkpoints
from ml.models.training.dataset import Dataset
from ml.models.training.frozen_features import read_features
from ml.models.training.head import (
    KEPT_ONLY,
    CrossFittedHead,
    Head,
    LabelledFeatures,
    Selection,
    cross_fit_head,
    fit_head,
)
from ml.models.training.preset import Preset
from ml.models.training.progress import Listener
from ml.models.training.trainer import Splits, TrainJob

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


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
    def trained(self) -> Ints:
        """Indices of the photos that are trained on."""
        return np.flatnonzero(self.weights > 0)

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.dataset.classes)

    def label(self, features: npt.NDArray[np.float32]) -> LabelledFeatures:
        """The features (N, F) with the photos' labels and weights."""
        return LabelledFeatures(features, self.targets, self.weights)

    @property
    def balanced(self) -> bool:
        """Whether classes have the same weight in the loss."""
        return self.preset.loss.class_weights == "balanced"

    def accuracy(self, logits: Floats) -> float:
        """Share of the comparable photos whose class has the highest logit."""
        counted = self.comparable
        return float((logits[counted].argmax(axis=1) == self.targets[counted]).mean())

    def loss(self, logits: Floats) -> float:
        """Log loss of the comparable photos at the temperature that fits them best."""
        return calibrated_loss(logits[self.comparable], self.targets[self.comparable])


@dataclass(frozen=True)
class InitialNetwork:
    """A network to start from; with a head fitted to the photos' features (N, F), or without.

    `selection` chooses what the head is fitted to where some photos are held out.
    """

    network: Classifier
    features: npt.NDArray[np.float32] | None = None
    head: CrossFittedHead | None = None
    selection: Selection = KEPT_ONLY

    def fit_without(self, job: CrossFitJob, held_out: Bools) -> Head | None:
        """The head of the photos that are not held out; None if there is none of all photos."""
        if self.head is None or self.features is None:
            return None
        return fit_head(
            self.selection.add_to(job.label(self.features), ~held_out), job.classes,
            inverse_penalty=self.head.head.inverse_penalty, balanced=job.balanced,
        )  # fmt: skip


def read_start_features(
    job: CrossFitJob, network: Classifier, *, pretrained: bool
) -> npt.NDArray[np.float32] | None:
    """Features (N, F) of the photos, where the trunk is `pretrained` and the preset fits a head."""
    if not pretrained or job.preset.head != "fitted":
        return None
    return read_features(
        network, job.dataset, np.arange(len(job.targets)),
        device=job.device, batch=job.preset.batch, cache=job.cache,
    )  # fmt: skip


def fit_start(
    job: CrossFitJob,
    network: Classifier,
    features: npt.NDArray[np.float32] | None,
    selection: Selection = KEPT_ONLY,
) -> InitialNetwork:
    """The network with a head fitted to the features of the photos, if there are some.

    Raises:
        TrainingError: nothing would be trained: no epochs, and no features to fit a head to.
    """
    head = None
    if features is not None:
        photos = job.label(features)
        head = cross_fit_head(
            photos, job.folds, job.classes, balanced=job.balanced, selection=selection
        )
    if head is not None:
        return InitialNetwork(network, features, head, selection)
    if not job.preset.epochs:
        raise TrainingError(
            f"preset {job.preset.name} trains only the head on pretrained weights, and there are "
            "none: set MODERATION_PRETRAINED_WEIGHTS to auto, or use the preset fast_scratch"
        )
    return InitialNetwork(network)


def create_training(
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
