"""The epoch loop that training and distillation share: train, validate, save, report."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import structlog

from ml.core.errors import TrainingError
from ml.core.types import EpochResult
from ml.models.training.checkpoint import Checkpoints, SavedState, TrainState
from ml.models.training.progress import Listener

log = structlog.get_logger()


@dataclass(frozen=True)
class BatchResult:
    """One optimizer step.

    `loss` is the mean over the batch, `correct` counts out of `weight`: the photos of the batch, or
    1 where every batch counts alike.
    """

    loss: float
    correct: float
    weight: int


class EpochTask(Protocol):
    """What the loop trains; `batches` are the batches of an epoch."""

    state: TrainState
    epochs: int
    batches: int

    @property
    def finished(self) -> bool:
        """Whether no further epoch is to be run."""

    def restore(self, saved: SavedState) -> None:
        """Continue from a saved state."""

    def train_batches(self, epoch: int) -> Iterator[BatchResult]:
        """Train on each batch of an epoch, the first of which is 1."""

    def validate(self, epoch: int, /) -> tuple[float, float]:
        """Loss and accuracy on the photos held out."""

    def update_best(self) -> None:
        """Set `state.best` once an epoch is in the history."""


def run_epochs(task: EpochTask, listener: Listener, checkpoints: Checkpoints | None) -> None:
    """Run all epochs that are left, starting after the last saved one.

    Args:
        task: what is trained; its state changes in place.
        listener: is notified after every batch and epoch.
        checkpoints: save the state after every epoch; None: a killed run starts again.

    Raises:
        TrainingError: the loss is not finite.
    """
    saved = checkpoints.load() if checkpoints else None
    if saved is not None:
        task.restore(saved)
        log.info("training resumes", epochs_done=len(task.state.history))
    while not task.finished:
        result = _run_epoch(task, listener)
        task.state.history.append(result)
        task.update_best()
        if checkpoints:
            checkpoints.save(task.state.capture())
        listener.on_epoch(result)


def _run_epoch(task: EpochTask, listener: Listener) -> EpochResult:
    epoch, started = len(task.state.history) + 1, time.monotonic()
    learning_rate = task.state.schedule.rate
    train_loss, train_accuracy = _train_epoch(task, epoch, listener)
    task.state.schedule.after_epoch()
    validation_loss, validation_accuracy = task.validate(epoch)
    return EpochResult(
        number=epoch,
        epochs=task.epochs,
        train_loss=train_loss,
        train_accuracy=train_accuracy,
        validation_loss=validation_loss,
        validation_accuracy=validation_accuracy,
        learning_rate=learning_rate,
        seconds=time.monotonic() - started,
    )


def _train_epoch(task: EpochTask, epoch: int, listener: Listener) -> tuple[float, float]:
    """Weighted mean loss and accuracy of the epoch's batches."""
    task.state.network.train()
    done, total = (epoch - 1) * task.batches, task.batches * task.epochs
    loss = correct = weight = 0.0
    for batch in task.train_batches(epoch):
        loss += batch.loss * batch.weight
        correct += batch.correct
        weight += batch.weight
        done += 1
        listener.on_step(done, total, loss / weight, correct / weight)
    return loss / weight, correct / weight


def check_finite(loss: float, remedy: str) -> float:
    """Return the loss, or raise TrainingError with the remedy where it is not finite."""
    if not math.isfinite(loss):
        raise TrainingError(f"the loss became {loss}: {remedy}")
    return loss
