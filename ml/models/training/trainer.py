"""Train a network on a split dataset, and predict with it."""

import time
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torchvision.models import ResNet

from ml.core.types import EpochResult
from ml.models.checkpoint import move_network
from ml.models.training.augment import augment
from ml.models.training.checkpoint import Checkpoints, SavedState, TrainState, best_epoch
from ml.models.training.dataset import Dataset
from ml.models.training.epoch_loop import BatchResult, check_finite, run_epochs
from ml.models.training.optimizer import Schedule, build_loss, build_optimizer, uses_bf16
from ml.models.training.preset import Preset
from ml.models.training.progress import Listener
from ml.vision.images.preprocess import normalize

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

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
    """

    network: ResNet
    dataset: Dataset
    splits: Splits
    preset: Preset
    device: torch.device
    seed: int
    listener: Listener
    checkpoints: Checkpoints | None = None


def fit(job: TrainJob) -> list[EpochResult]:
    """Train `job.network` in place; it ends on the device, in evaluation mode.

    Deterministic on a CPU: the same seed, photos, device and number of threads give the same
    weights, whether or not the run was killed and resumed from its checkpoints.

    Returns:
        Every epoch of the run, including those before a resumption.

    Raises:
        TrainingError: the loss is not finite.
    """
    if not job.preset.epochs:
        move_network(job.network, job.device).eval()
        return []
    training = _Training(job)
    run_epochs(training, job.listener, job.checkpoints)
    training.load_result()
    return training.state.history


def estimate_epoch_seconds(job: TrainJob) -> float:
    """Estimated duration of an epoch, from a few batches on a copy of the network.

    Args:
        job: its preset has at least one epoch.
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
        self.job = job
        network = move_network(job.network, job.device)
        self.bf16 = uses_bf16(job.preset, job.device)
        self.targets = job.dataset.targets
        self.sample_weights = job.splits.sample_weights
        self.loss = build_loss(
            job.preset.loss,
            self.targets[job.splits.train],
            len(job.dataset.classes),
            self.sample_weights,
        ).to(job.device)
        self.epochs = job.preset.epochs
        self.batches = _count_batches(len(job.splits.train), job.preset.batch)
        optimizer = build_optimizer(network, job.preset.optimizer)
        self.state = TrainState(
            network=network,
            optimizer=optimizer,
            schedule=Schedule(optimizer, job.preset, self.batches),
            generator=torch.Generator().manual_seed(job.seed),
            history=[],
            best={},
            average=_build_average(network, job.preset, self.batches),
        )

    @property
    def finished(self) -> bool:
        """Whether all epochs are run, or patience is exhausted."""
        done, stopping = len(self.state.history), self.job.preset.early_stopping
        if done == 0 or stopping is None:
            return done >= self.epochs
        without_improvement = done - best_epoch(self.state.history)
        return done >= self.epochs or without_improvement >= stopping.patience

    def restore(self, saved: SavedState) -> None:
        """Continue from a saved state."""
        self.state.restore(saved)

    def train_batches(self, epoch: int) -> Iterator[BatchResult]:
        """Train on as many photos as the training split has."""
        size = self.job.preset.augmentation.size(epoch, self.epochs)
        for pixels, targets in self._augmented_batches(size):
            loss, correct = self._step(pixels, targets)
            yield BatchResult(loss, correct, len(targets))

    def validate(self, _epoch: int) -> tuple[float, float]:
        """Loss without class weights, and accuracy."""
        validation = self.job.splits.validation
        logits = self._predict(self.state.evaluated_network, validation)
        targets = self.targets[validation]
        accuracy = (logits.argmax(dim=1) == targets).float().mean()
        loss = float(nn.functional.cross_entropy(logits, targets))
        return self._check_finite(loss), float(accuracy)

    def update_best(self) -> None:
        """With early stopping, copy the weights where the last epoch is the best one."""
        state = self.state
        if self.job.preset.early_stopping and best_epoch(state.history) == len(state.history):
            weights = state.evaluated_network.state_dict()
            state.best = {n: t.detach().clone() for n, t in weights.items()}

    def load_result(self) -> None:
        """Load the best epoch's weights with early stopping, otherwise the last epoch's."""
        result = self.state.best or self.state.evaluated_network.state_dict()
        self.state.network.load_state_dict(result)
        self.state.network.eval()

    def time_epoch(self) -> float:
        """Seconds of an epoch, extrapolated from a few batches after one warm-up batch."""
        self.state.network.train()
        batches = self._augmented_batches(max(self.job.preset.augmentation.sizes))
        self._step(*next(batches))
        started, timed = time.monotonic(), 0
        for pixels, targets in islice(batches, _TRIAL_BATCHES):
            self._step(pixels, targets)
            timed += 1
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

    def _step(self, pixels: torch.Tensor, targets: torch.Tensor) -> tuple[float, int]:
        """Train on one batch; returns its mean loss and the number of correct predictions."""
        device, state = self.job.device, self.state
        inputs = normalize(pixels.to(device), self.job.dataset.spec)
        targets = targets.to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=self.bf16):
            logits = state.network(inputs)
        loss = self.loss(logits.float(), targets)
        state.optimizer.zero_grad()
        loss.backward()
        state.optimizer.step()
        state.schedule.after_batch()
        if state.average is not None:
            state.average.update_parameters(state.network)
        correct = int((logits.argmax(dim=1) == targets).sum())
        return self._check_finite(float(loss.detach())), correct

    def _check_finite(self, loss: float) -> float:
        return check_finite(loss, f"lower the learning rate of preset {self.job.preset.name}")


def _build_average(network: nn.Module, preset: Preset, batches: int) -> AveragedModel | None:
    """The preset's exponential moving average; a batch's weight falls by 1/e over its span."""
    if preset.averaged_over is None:
        return None
    span = max(1.0, preset.averaged_over * batches * preset.epochs)
    mean = get_ema_multi_avg_fn(1 - 1 / span)  # type: ignore[no-untyped-call]  # torch has no types for it
    return AveragedModel(network, multi_avg_fn=mean, use_buffers=True)


def _count_batches(photos: int, batch: int) -> int:
    """The last, smaller batch counts, unless it is a single photo: batch norm needs two."""
    whole, rest = divmod(photos, batch)
    return whole + (rest > 1)
