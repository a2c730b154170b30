"""The training loop: augmented batches through the network, epoch by epoch."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import structlog
import torch
from torch import nn

from ml.errors import TrainingError
from ml.images.preprocess import normalise
from ml.training.augment import augment
from ml.training.dataset import Dataset
from ml.training.optimiser import Schedule, build_loss, build_optimiser, uses_bf16
from ml.training.preset import Preset
from ml.training.progress import EpochResult, Listener
from ml.training.state import Checkpoints, Moving, best_epoch

log = structlog.get_logger()

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Parts:
    """Indices into the dataset: what is trained on, and what measures it.

    `weights` say how often each photo of `train` is drawn against the others; where they are None
    or all equal, every epoch shows every photo once.
    """

    train: Ints
    validation: Ints
    weights: Floats | None = None

    @property
    def odds(self) -> torch.Tensor | None:
        """The weights where they differ, fp64 (len(train),)."""
        if self.weights is None or np.ptp(self.weights) == 0:
            return None
        return torch.from_numpy(self.weights)


@dataclass(frozen=True)
class Job:
    """One training run: what is trained, on what, how, and who is told.

    `checkpoints` keep the run's state after each epoch; None: a killed run starts again.
    """

    network: nn.Module
    dataset: Dataset
    parts: Parts
    preset: Preset
    device: torch.device
    seed: int
    listener: Listener
    checkpoints: Checkpoints | None = None


def fit(job: Job) -> list[EpochResult]:
    """Train `job.network` in place; it ends on the device, in evaluation mode.

    The same seed, photos, device and number of threads give the same weights on a CPU, whether or
    not the run was broken off and resumed from its checkpoints in between.

    Returns:
        Every epoch of the run, those before a resumption too.

    Raises:
        TrainingError: the loss is no longer a number.
    """
    run = _Run(job)
    run.resume()
    while not run.finished:
        run.epoch()
    run.keep_best()
    return run.now.history


def predict(
    network: nn.Module,
    dataset: Dataset,
    indices: Ints,
    *,
    device: torch.device,
    batch: int,
    bf16: bool = False,
) -> torch.Tensor:
    """Logits of photos as the nightly audit sees them, fp32 (N, C) on the CPU."""
    network.eval()
    found = []
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        for first in range(0, len(indices), batch):
            pixels = dataset.prepared(indices[first : first + batch].tolist()).to(device)
            found.append(network(normalise(pixels, dataset.spec)).float().cpu())
    return torch.cat(found)


class _Run:
    """A job under way: `now` is what changes, the rest stays the same from batch to batch."""

    def __init__(self, job: Job) -> None:
        self.job = job
        network = job.network.to(job.device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs know no memory format for modules
        self.bf16 = uses_bf16(job.preset, job.device)
        self.targets = job.dataset.targets
        self.odds = job.parts.odds
        classes = len(job.dataset.classes)
        trained = self.targets[job.parts.train]
        self.loss = build_loss(job.preset.loss, trained, classes, self.odds).to(job.device)
        self.batches = _batches_of(len(job.parts.train), job.preset.batch)
        optimiser = build_optimiser(network, job.preset.optimiser)
        self.now = Moving(
            network=network,
            optimiser=optimiser,
            schedule=Schedule(optimiser, job.preset, self.batches),
            chance=torch.Generator().manual_seed(job.seed),
            history=[],
            best={},
        )

    def resume(self) -> None:
        """Go on after the last epoch that was kept, if there is one."""
        kept = self.job.checkpoints.load() if self.job.checkpoints else None
        if kept is not None:
            self.now.restore(kept)
            log.info("training resumes", epochs_done=len(self.now.history))

    @property
    def finished(self) -> bool:
        """Whether all epochs are run, or patience is at its end."""
        done, stopping = len(self.now.history), self.job.preset.early_stopping
        if done == 0 or stopping is None:
            return done >= self.job.preset.epochs
        waited = done - best_epoch(self.now.history)
        return done >= self.job.preset.epochs or waited >= stopping.patience

    def epoch(self) -> None:
        """Train on as many photos as there are, then measure, keep and tell."""
        number, began, rate = len(self.now.history) + 1, time.monotonic(), self.now.schedule.rate
        loss, accuracy = self._train(number)
        self.now.schedule.after_epoch()
        validation_loss, validation_accuracy = self._validate()
        result = EpochResult(
            number=number,
            epochs=self.job.preset.epochs,
            train_loss=loss,
            train_accuracy=accuracy,
            validation_loss=validation_loss,
            validation_accuracy=validation_accuracy,
            learning_rate=rate,
            seconds=time.monotonic() - began,
        )
        self._keep(result)
        self.job.listener.epoch(result)

    def keep_best(self) -> None:
        """With early stopping the best epoch's weights are the result."""
        if self.now.best:
            self.now.network.load_state_dict(self.now.best)
        self.now.network.eval()

    def _keep(self, result: EpochResult) -> None:
        now = self.now
        now.history.append(result)
        if self.job.preset.early_stopping and best_epoch(now.history) == result.number:
            now.best = {n: t.detach().clone() for n, t in now.network.state_dict().items()}
        if self.job.checkpoints:
            self.job.checkpoints.save(now.capture())

    def _train(self, number: int) -> tuple[float, float]:
        self.now.network.train()
        preset = self.job.preset
        done, total = (number - 1) * self.batches, self.batches * preset.epochs
        loss = right = photos = 0.0
        for pixels, targets in self._shuffled(preset.augmentation.size(number, preset.epochs)):
            batch_loss, batch_right = self._step(pixels, targets)
            loss, right = loss + batch_loss * len(targets), right + batch_right
            photos += len(targets)
            done += 1
            self.job.listener.step(done, total, loss / photos, right / photos)
        return loss / photos, right / photos

    def _shuffled(self, size: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        shuffled = self.job.parts.train[self._order().numpy()]
        batch, dataset = self.job.preset.batch, self.job.dataset
        for first in range(0, self.batches * batch, batch):
            indices = shuffled[first : first + batch]
            photos = [dataset.photo(i) for i in indices]
            pixels = augment(photos, self.job.preset.augmentation, self.now.chance, size=size)
            yield pixels, self.targets[indices]

    def _order(self) -> torch.Tensor:
        photos = len(self.job.parts.train)
        if self.odds is None:
            return torch.randperm(photos, generator=self.now.chance)
        return torch.multinomial(self.odds, photos, replacement=True, generator=self.now.chance)

    def _step(self, pixels: torch.Tensor, targets: torch.Tensor) -> tuple[float, int]:
        """One batch: mean loss, and how many were right."""
        device = self.job.device
        inputs = normalise(pixels.to(device), self.job.dataset.spec)
        targets = targets.to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=self.bf16):
            logits = self.now.network(inputs)
        loss = self.loss(logits.float(), targets)
        self.now.optimiser.zero_grad()
        loss.backward()
        self.now.optimiser.step()
        self.now.schedule.after_batch()
        return self._finite(float(loss.detach())), int((logits.argmax(dim=1) == targets).sum())

    def _validate(self) -> tuple[float, float]:
        """Loss without class weights, and accuracy."""
        logits = predict(
            self.now.network,
            self.job.dataset,
            self.job.parts.validation,
            device=self.job.device,
            batch=self.job.preset.batch,
            bf16=self.bf16,
        )
        targets = self.targets[self.job.parts.validation]
        right = (logits.argmax(dim=1) == targets).float().mean()
        return self._finite(float(nn.functional.cross_entropy(logits, targets))), float(right)

    def _finite(self, loss: float) -> float:
        if not math.isfinite(loss):
            name = self.job.preset.name
            raise TrainingError(f"the loss became {loss}: lower the learning rate of preset {name}")
        return loss


def _batches_of(photos: int, batch: int) -> int:
    """The last, smaller batch counts, unless it is a single photo: batch norm needs two."""
    whole, rest = divmod(photos, batch)
    return whole + (rest > 1)
