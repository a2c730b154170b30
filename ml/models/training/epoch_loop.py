"""The epoch loop that training and distillation share: train, validate, save, report."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import structlog

from ml.core.errors import TrainingError
from ml.core.types import EpochResult
from ml.models.training.checkpoint import Checkpoints, TrainState
from ml.models.training.progress import Listener

log = structlog.get_logger()


@dataclass(frozen=True)
class BatchResult:
    """Mean loss of a batch; `correct` of its photos, or a share of 1 if all batches count alike."""

    loss: float
    correct: float
    weight: int


class EpochTask(Protocol):
    """What the loop trains; `batches` are those of an epoch, `remedy` is for an infinite loss.

    The learning rate's schedule has `epochs`, of which those up to `last_epoch` are run. With
    `patience`, training stops after so many epochs without a lower validation loss, and the best
    epoch's weights are kept.
    """

    state: TrainState
    epochs: int
    last_epoch: int
    batches: int
    patience: int | None
    remedy: str

    def train_batches(self, epoch: int) -> Iterator[BatchResult]:
        """Train on each batch of an epoch, the first of which is 1."""

    def validate(self, epoch: int, /) -> tuple[float, float]:
        """Loss and accuracy on the photos held out."""


def run_epochs(task: EpochTask, listener: Listener, checkpoints: Checkpoints | None) -> None:
    """Run all epochs that are left, starting after the last saved one; then load the result."""
    state = task.state
    saved = checkpoints.load() if checkpoints else None
    if saved is not None:
        state.restore(saved)
        log.info("training resumes", epochs_done=len(state.history))
    while not _is_finished(task):
        result = _run_epoch(task, listener)
        state.history.append(result)
        if task.patience and state.best_epoch == result.number:
            weights = state.evaluated_network.state_dict()
            state.best = {name: tensor.detach().clone() for name, tensor in weights.items()}
        if checkpoints:
            checkpoints.save(state.capture())
        listener.on_epoch(result)
    state.load_result()


def _is_finished(task: EpochTask) -> bool:
    done = len(task.state.history)
    if done == 0 or task.patience is None:
        return done >= task.last_epoch
    return done >= task.last_epoch or done - task.state.best_epoch >= task.patience


def _run_epoch(task: EpochTask, listener: Listener) -> EpochResult:
    epoch, started = len(task.state.history) + 1, time.monotonic()
    learning_rate = float(task.state.schedule.get_last_lr()[0])
    train_loss, train_accuracy = _train_epoch(task, epoch, listener)
    validation_loss, validation_accuracy = task.validate(epoch)
    _check_finite(validation_loss, task.remedy)
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
    for number, batch in enumerate(task.train_batches(epoch), start=done + 1):
        _check_finite(batch.loss, task.remedy)
        loss += batch.loss * batch.weight
        correct += batch.correct
        weight += batch.weight
        listener.on_step(number, total, loss / weight, correct / weight)
    return loss / weight, correct / weight


def _check_finite(loss: float, remedy: str) -> None:
    if not math.isfinite(loss):
        raise TrainingError(f"the loss became {loss}: {remedy}")
