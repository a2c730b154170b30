"""Train a network on a split dataset, and predict with it."""

import time
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ml.core.types import EpochResult
from ml.models.architectures.classifier import Classifier
from ml.models.checkpoint import move_network
from ml.models.training.augment import augment
from ml.models.training.checkpoint import Checkpoints, TrainState
from ml.models.training.dataset import Dataset
from ml.models.training.epoch_loop import BatchResult, run_epochs
from ml.models.training.preset import (
    Preset,
    build_average,
    build_loss,
    build_optimizer,
    build_schedule,
    uses_bf16,
)
from ml.models.training.progress import Listener
from ml.vision.images.preprocess import normalize

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_TRIAL_BATCHES = 4


@dataclass(frozen=True)
class Splits:
    """Indices of training and validation photos in the dataset.

    `weights` are the relative sampling frequencies of the training photos. Where they are None or
    all equal, every epoch shows every photo once.
    """

    train: Ints
    validation: Ints
    weights: Floats | None = None

    @property
    def sample_weights(self) -> torch.Tensor | None:
        """The weights, fp64 (len(train),); None where they do not differ."""
        if self.weights is None or np.ptp(self.weights) == 0:
            return None
        return torch.from_numpy(self.weights)


@dataclass(frozen=True)
class TrainJob:
    """One training run: network, data, recipe and listener.

    `checkpoints` save the run's state after each epoch; None: a killed run starts again.
    `known_validation` has loss and accuracy of each epoch to run, as measured by other trainings;
    None: all epochs of the preset are run, and validated.
    """

    network: Classifier
    dataset: Dataset
    splits: Splits
    preset: Preset
    device: torch.device
    seed: int
    listener: Listener
    checkpoints: Checkpoints | None = None
    known_validation: Sequence[tuple[float, float]] | None = None

    @property
    def epochs(self) -> int:
        """How many epochs are run at most; the schedule is that of the preset's."""
        if self.known_validation is None:
            return self.preset.epochs
        return len(self.known_validation)


@dataclass(frozen=True)
class FitResult:
    """Every epoch of a run, and the logits (N, C) of its validation photos after each."""

    history: list[EpochResult]
    validation_logits: list[torch.Tensor]


def fit(job: TrainJob) -> FitResult:
    """Train `job.network` in place; it ends on the device, in evaluation mode.

    Deterministic on a CPU: the same seed, photos, device and number of threads give the same
    weights, whether or not the run was killed and resumed from its checkpoints. The result includes
    the epochs before a resumption.
    """
    if not job.epochs:
        move_network(job.network, job.device).eval()
        return FitResult([], [])
    training = _Training(job)
    run_epochs(training, job.listener, job.checkpoints)
    return FitResult(training.state.history, training.state.validation_logits)


def estimate_epoch_seconds(job: TrainJob) -> float:
    """Estimated duration of an epoch, from a few batches on a copy of the network.

    The job's preset has at least one epoch.
    """
    copied = replace(job, network=deepcopy(job.network), checkpoints=None)
    return _Training(copied).time_epoch()


def predict(
    network: nn.Module,
    dataset: Dataset,
    indices: Ints,
    *,
    device: torch.device,
    batch: int,
    bf16: bool = False,
) -> torch.Tensor:
    """Logits of photos prepared as in the nightly run, fp32 (N, C) on the CPU."""
    network.eval()
    logits = []
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        for first in range(0, len(indices), batch):
            pixels = dataset.load_prepared(indices[first : first + batch].tolist()).to(device)
            logits.append(network(normalize(pixels, dataset.spec)).float().cpu())
    return torch.cat(logits)


class _Training:
    """A job's steps for the epoch loop; only `state` changes from batch to batch."""

    def __init__(self, job: TrainJob) -> None:
        preset, photos = job.preset, len(job.splits.train)
        self.job = job
        self.bf16 = uses_bf16(preset, job.device)
        self.targets = job.dataset.targets
        self.sample_weights = job.splits.sample_weights
        targets, classes = self.targets[job.splits.train], len(job.dataset.classes)
        self.loss = build_loss(preset.loss, targets, classes, self.sample_weights).to(job.device)
        self.epochs = preset.epochs
        self.last_epoch = job.epochs
        self.remedy = f"lower the learning rate of preset {preset.name}"
        stopping = preset.early_stopping if job.known_validation is None else None
        self.patience = stopping.patience if stopping else None
        # The last, smaller batch counts, unless it is a single photo: batch norm needs two.
        whole, rest = divmod(photos, preset.batch)
        self.batches = whole + (rest > 1)
        self.state = self._initial_state()

    def _initial_state(self) -> TrainState:
        job, preset = self.job, self.job.preset
        network = move_network(job.network, job.device)
        optimizer = build_optimizer(network, preset.optimizer)
        total = self.batches * self.epochs
        average = None
        if preset.averaged_over is not None:  # the weight of a batch falls by 1/e over the span
            span = max(1.0, preset.averaged_over * total)
            average = build_average(network, lambda _: 1 - 1 / span)
        return TrainState(
            network=network,
            optimizer=optimizer,
            schedule=build_schedule(
                optimizer, preset.schedule, epochs=self.epochs, batches=self.batches
            ),
            total_batches=total,
            generator=torch.Generator().manual_seed(job.seed),
            average=average,
        )

    def train_batches(self, epoch: int) -> Iterator[BatchResult]:
        """Train on as many photos as the training split has."""
        size = self.job.preset.augmentation.size(epoch, self.epochs)
        for pixels, targets in self._augmented_batches(size):
            yield self._step(pixels, targets)

    def validate(self, epoch: int) -> tuple[float, float]:
        """Loss without class weights, and accuracy."""
        if self.job.known_validation is not None:
            return self.job.known_validation[epoch - 1]
        validation = self.job.splits.validation
        logits = self._predict(self.state.evaluated_network, validation)
        self.state.validation_logits.append(logits)
        targets = self.targets[validation]
        accuracy = (logits.argmax(dim=1) == targets).float().mean()
        loss = float(nn.functional.cross_entropy(logits, targets))
        return loss, float(accuracy)

    def time_epoch(self) -> float:
        """Seconds of an epoch, extrapolated from a few batches after one warm-up batch."""
        self.state.network.train()
        batches = self._augmented_batches(max(self.job.preset.augmentation.sizes))
        steps = (self._step(pixels, targets) for pixels, targets in batches)
        next(steps)
        started = time.monotonic()
        timed = len(list(islice(steps, _TRIAL_BATCHES)))
        training = (time.monotonic() - started) / max(1, timed) * self.batches
        validation = self.job.splits.validation
        started, sample = time.monotonic(), validation[: self.job.preset.batch]
        self._predict(self.state.network, sample)
        return training + (time.monotonic() - started) / len(sample) * len(validation)

    def _predict(self, network: nn.Module, indices: Ints) -> torch.Tensor:
        job = self.job
        return predict(
            network, job.dataset, indices,
            device=job.device, batch=job.preset.batch, bf16=self.bf16,
        )  # fmt: skip

    def _augmented_batches(self, size: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Pixels, uint8 (N, 3, size, size), and targets, int64 (N,), of one epoch."""
        shuffled = self.job.splits.train[self._draw_order().numpy()]
        batch, dataset = self.job.preset.batch, self.job.dataset
        for first in range(0, self.batches * batch, batch):
            indices = shuffled[first : first + batch]
            photos = [dataset.load(i) for i in indices]
            recipe, generator = self.job.preset.augmentation, self.state.generator
            yield augment(photos, recipe, generator, size=size), self.targets[indices]

    def _draw_order(self) -> torch.Tensor:
        photos, generator = len(self.job.splits.train), self.state.generator
        if self.sample_weights is None:
            return torch.randperm(photos, generator=generator)
        return torch.multinomial(self.sample_weights, photos, replacement=True, generator=generator)

    def _step(self, pixels: torch.Tensor, targets: torch.Tensor) -> BatchResult:
        device, state = self.job.device, self.state
        inputs = normalize(pixels.to(device), self.job.dataset.spec)
        targets = targets.to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=self.bf16):
            logits = state.network(inputs)
        loss = self.loss(logits.float(), targets)
        state.apply(loss)
        correct = int((logits.argmax(dim=1) == targets).sum())
        return BatchResult(float(loss.detach()), correct, len(targets))
