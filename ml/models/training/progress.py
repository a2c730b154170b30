"""Progress of a training run: bars on a terminal, log lines elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager

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

from ml.core.types import EpochResult

log = structlog.get_logger()


class Listener:
    """Receives the progress of a run and ignores it; methods that override these must be fast."""

    def on_decoded(self, done: int, total: int) -> None:
        """Called when `done` of `total` files are decoded."""

    def on_step(self, done: int, total: int, loss: float, accuracy: float) -> None:
        """Called after a batch of the run, with the epoch's mean loss and accuracy so far."""

    def on_epoch(self, result: EpochResult) -> None:
        """Called after an epoch."""


class LogListener(Listener):
    """Logs one line after decoding and one after each epoch."""

    def on_decoded(self, done: int, total: int) -> None:
        """Log when all files are decoded."""
        if done == total:
            log.info("photos decoded", files=total)

    def on_epoch(self, result: EpochResult) -> None:
        """Log the epoch's result."""
        log.info(
            "epoch done",
            epoch=f"{result.number}/{result.epochs}",
            loss=round(result.train_loss, 4),
            accuracy=round(result.train_accuracy, 4),
            validation_loss=round(result.validation_loss, 4),
            validation_accuracy=round(result.validation_accuracy, 4),
            seconds=round(result.seconds, 1),
        )


class ProgressBars(Listener):
    """Shows a bar for decoding and one for training, with loss, accuracy and remaining time."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._decoding = bars.add_task("photos", total=None, detail="")
        self._training = bars.add_task("training", total=None, detail="")

    def on_decoded(self, done: int, total: int) -> None:
        """Advance the bar of decoding."""
        self._bars.update(self._decoding, completed=done, total=total)

    def on_step(self, done: int, total: int, loss: float, accuracy: float) -> None:
        """Advance the bar of training."""
        detail = f"loss {loss:.3f}  accuracy {accuracy:.1%}"
        self._bars.update(self._training, completed=done, total=total, detail=detail)

    def on_epoch(self, result: EpochResult) -> None:
        """Print a line above the bars."""
        self._bars.console.print(
            f"epoch {result.number}/{result.epochs}: loss {result.train_loss:.3f}, validation "
            f"loss {result.validation_loss:.3f}, accuracy {result.validation_accuracy:.1%}"
        )


@contextmanager
def listener(console: Console) -> Iterator[Listener]:
    """A listener with bars if the console is a terminal, else with log lines."""
    if not console.is_terminal:
        yield LogListener()
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
        yield ProgressBars(bars)
