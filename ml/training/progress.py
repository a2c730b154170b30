"""What a training run tells while it runs: a bar on a terminal, plain lines elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import structlog
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

log = structlog.get_logger()


@dataclass(frozen=True)
class EpochResult:
    """One finished epoch; losses in nats, accuracies 0..1, of photos as augmented in training."""

    number: int
    epochs: int
    train_loss: float
    train_accuracy: float
    validation_loss: float
    validation_accuracy: float
    learning_rate: float
    seconds: float


class Listener(Protocol):
    """Is told what has been done; must be quick."""

    def decoded(self, done: int, total: int) -> None:
        """So many files of the folder have been read."""

    def step(self, done: int, total: int, loss: float, accuracy: float) -> None:
        """So many batches of the run are done; the epoch's mean loss and accuracy so far."""

    def epoch(self, result: EpochResult) -> None:
        """An epoch has ended."""


class PlainLines:
    """A log line after decoding and after each epoch."""

    def decoded(self, done: int, total: int) -> None:
        """Say when all are done."""
        if done == total:
            log.info("photos decoded", files=total)

    def step(self, done: int, total: int, loss: float, accuracy: float) -> None:
        """Say nothing: a line a batch would be noise."""

    def epoch(self, result: EpochResult) -> None:
        """Say how it went."""
        log.info(
            "epoch done",
            epoch=f"{result.number}/{result.epochs}",
            loss=round(result.train_loss, 4),
            accuracy=round(result.train_accuracy, 4),
            validation_loss=round(result.validation_loss, 4),
            validation_accuracy=round(result.validation_accuracy, 4),
            seconds=round(result.seconds, 1),
        )


class Bars:
    """A bar for decoding and one for training, with loss, accuracy and time left."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._reading = bars.add_task("photos", total=None, detail="")
        self._training = bars.add_task("training", total=None, detail="")

    def decoded(self, done: int, total: int) -> None:
        """Move the first bar."""
        self._bars.update(self._reading, completed=done, total=total)

    def step(self, done: int, total: int, loss: float, accuracy: float) -> None:
        """Move the second bar."""
        detail = f"loss {loss:.3f}  accuracy {accuracy:.1%}"
        self._bars.update(self._training, completed=done, total=total, detail=detail)

    def epoch(self, result: EpochResult) -> None:
        """Leave a line above the bars."""
        self._bars.console.print(
            f"epoch {result.number}/{result.epochs}: loss {result.train_loss:.3f}, validation "
            f"loss {result.validation_loss:.3f}, accuracy {result.validation_accuracy:.1%}"
        )


@contextmanager
def listener(console: Console) -> Iterator[Listener]:
    """Bars where the console is a terminal, else log lines."""
    if not console.is_terminal:
        yield PlainLines()
        return
    columns = (
        TextColumn("{task.description:>8}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[detail]}"),
    )
    with Progress(*columns, console=console) as bars:
        yield Bars(bars)
