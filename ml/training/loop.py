"""The training loop: augmented batches through the network, epoch by epoch."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ml.errors import TrainingError
from ml.images.preprocess import normalise
from ml.training.augment import augment
from ml.training.dataset import Dataset
from ml.training.optimiser import Schedule, build_loss, build_optimiser, uses_bf16
from ml.training.preset import Preset
from ml.training.progress import EpochResult, Listener

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Parts:
    """Indices into the dataset: what is trained on, and what measures it."""

    train: Ints
    validation: Ints


def fit(
    network: nn.Module,
    dataset: Dataset,
    parts: Parts,
    *,
    preset: Preset,
    device: torch.device,
    seed: int,
    listener: Listener,
) -> list[EpochResult]:
    """Train `network` in place; it ends on `device`, in evaluation mode.

    The same seed, photos, device and number of threads give the same weights on a CPU.

    Raises:
        TrainingError: the loss is no longer a number.
    """
    run = _Run(network, dataset, parts, preset=preset, device=device, seed=seed, listener=listener)
    return [run.epoch(number) for number in range(1, preset.epochs + 1)]


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
    """What stays the same from batch to batch."""

    def __init__(
        self,
        network: nn.Module,
        dataset: Dataset,
        parts: Parts,
        *,
        preset: Preset,
        device: torch.device,
        seed: int,
        listener: Listener,
    ) -> None:
        self.network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs know no memory format for modules
        self.dataset, self.parts, self.preset = dataset, parts, preset
        self.device, self.listener = device, listener
        self.bf16 = uses_bf16(preset, device)
        self.targets = dataset.targets
        classes = len(dataset.classes)
        self.loss = build_loss(preset.loss, self.targets[parts.train], classes).to(device)
        self.optimiser = build_optimiser(network, preset.optimiser)
        self.batches = _batches_of(len(parts.train), preset.batch)
        self.schedule = Schedule(self.optimiser, preset, self.batches)
        self.chance = torch.Generator().manual_seed(seed)

    def epoch(self, number: int) -> EpochResult:
        """Train on every photo once, then measure."""
        began, rate = time.monotonic(), self.schedule.rate
        loss, accuracy = self._train(number)
        self.schedule.after_epoch()
        validation_loss, validation_accuracy = self._validate()
        result = EpochResult(
            number=number,
            epochs=self.preset.epochs,
            train_loss=loss,
            train_accuracy=accuracy,
            validation_loss=validation_loss,
            validation_accuracy=validation_accuracy,
            learning_rate=rate,
            seconds=time.monotonic() - began,
        )
        self.listener.epoch(result)
        return result

    def _train(self, number: int) -> tuple[float, float]:
        self.network.train()
        done = (number - 1) * self.batches
        size = self.preset.augmentation.size(number, self.preset.epochs)
        loss = right = photos = 0.0
        for pixels, targets in self._shuffled(size):
            batch_loss, batch_right = self._step(pixels, targets)
            loss, right = loss + batch_loss * len(targets), right + batch_right
            photos += len(targets)
            done += 1
            self.listener.step(
                done, self.batches * self.preset.epochs, loss / photos, right / photos
            )
        return loss / photos, right / photos

    def _shuffled(self, size: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        order = torch.randperm(len(self.parts.train), generator=self.chance)
        shuffled = self.parts.train[order.numpy()]
        for batch in range(self.batches):
            indices = shuffled[batch * self.preset.batch : (batch + 1) * self.preset.batch]
            photos = [self.dataset.photo(i) for i in indices]
            pixels = augment(photos, self.preset.augmentation, self.chance, size=size)
            yield pixels, self.targets[indices]

    def _step(self, pixels: torch.Tensor, targets: torch.Tensor) -> tuple[float, int]:
        """One batch: mean loss, and how many were right."""
        inputs = normalise(pixels.to(self.device), self.dataset.spec)
        targets = targets.to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            logits = self.network(inputs)
        loss = self.loss(logits.float(), targets)
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        self.schedule.after_batch()
        value = float(loss.detach())
        if not math.isfinite(value):
            raise TrainingError(
                f"the loss became {value}: lower the learning rate of preset {self.preset.name}"
            )
        return value, int((logits.argmax(dim=1) == targets).sum())

    def _validate(self) -> tuple[float, float]:
        """Loss without class weights, and accuracy."""
        logits = predict(
            self.network,
            self.dataset,
            self.parts.validation,
            device=self.device,
            batch=self.preset.batch,
            bf16=self.bf16,
        )
        targets = self.targets[self.parts.validation]
        right = (logits.argmax(dim=1) == targets).float().mean()
        return float(nn.functional.cross_entropy(logits, targets)), float(right)


def _batches_of(photos: int, batch: int) -> int:
    """The last, smaller batch counts, unless it is a single photo: batch norm needs two."""
    whole, rest = divmod(photos, batch)
    return whole + (rest > 1)
