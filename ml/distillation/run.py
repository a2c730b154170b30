"""The distillation itself: squares through teacher and student, epoch by epoch."""

import copy
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import structlog
import torch
from PIL import Image
from torch import nn
from torch.nn import functional

from ml.distillation.average import Average
from ml.distillation.loss import distillation_loss
from ml.distillation.mix import mix
from ml.distillation.photos import squares_of
from ml.distillation.recipe import Recipe
from ml.distillation.seen import Seen
from ml.distillation.student import Student, trunk_state
from ml.errors import TrainingError
from ml.images.preprocess import normalise, prepare
from ml.training.augment import augment
from ml.training.optimiser import Schedule, build_optimiser
from ml.training.pixels import PixelFile, Scanned
from ml.training.progress import EpochResult, Listener
from ml.training.state import Checkpoints, Moving

log = structlog.get_logger()


@dataclass(frozen=True)
class Distillation:
    """One run: who teaches what, on which photos, and who is told.

    The first photos of the list, as many as the recipe says, measure and are never trained on.
    """

    recipe: Recipe
    teacher: nn.Module
    photos: Sequence[Scanned]
    pixels: PixelFile
    device: torch.device
    seed: int
    listener: Listener
    checkpoints: Checkpoints


def distil(job: Distillation) -> tuple[dict[str, torch.Tensor], list[EpochResult]]:
    """Train a student and return its averaged trunk (torchvision's names, fp32), and the epochs.

    In an epoch's result the accuracy is the share of squares for which teacher and student name the
    same one of ImageNet's classes.

    Raises:
        TrainingError: too few photos, or the loss is no longer a number.
    """
    run = _Run(job)
    run.resume()
    while len(run.now.history) < job.recipe.epochs:
        run.epoch()
    return trunk_state(run.average.state), run.now.history


class _Run:
    """A run under way: `now` is what changes, and its `best` is the average of the weights."""

    def __init__(self, job: Distillation) -> None:
        self.job, self.recipe = job, job.recipe
        held = self.recipe.validation_photos
        self.held_out, self.photos = job.photos[:held], job.photos[held:]
        if len(self.photos) < self.recipe.batch:
            raise TrainingError(
                f"{len(job.photos)} photos: at least {held + self.recipe.batch} are needed"
            )
        self.spec = squares_of(self.recipe.teacher_side, self.recipe.photo_side)
        self.teacher = job.teacher.to(job.device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs know no memory format for modules
        self.batches = len(self.photos) // self.recipe.batch
        self.now = self._begin()
        self.average = Average(self.now.network, self.recipe.average, {})

    def _begin(self) -> Moving:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.job.seed)
            student = Student()
        student = student.to(self.job.device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # as above
        optimiser = build_optimiser(student, self.recipe.optimiser)
        return Moving(
            network=student,
            optimiser=optimiser,
            schedule=Schedule(optimiser, self.recipe, self.batches),
            chance=torch.Generator().manual_seed(self.job.seed),
            history=[],
            best={},
        )

    def resume(self) -> None:
        """Go on after the last epoch that was kept, if there is one."""
        kept = self.job.checkpoints.load()
        if kept is not None:
            self.now.restore(kept)
            best = {n: t.to(self.job.device) for n, t in self.now.best.items()}
            self.average = Average(self.now.network, self.recipe.average, best)
            log.info("distillation resumes", epochs_done=len(self.now.history))

    def epoch(self) -> None:
        """Train on every photo once, then measure, keep and tell."""
        number, began, rate = len(self.now.history) + 1, time.monotonic(), self.now.schedule.rate
        loss, agreed = self._train(number)
        held_loss, held_agreed = self._measure(number)
        result = EpochResult(
            number=number,
            epochs=self.recipe.epochs,
            train_loss=loss,
            train_accuracy=agreed,
            validation_loss=held_loss,
            validation_accuracy=held_agreed,
            learning_rate=rate,
            seconds=time.monotonic() - began,
        )
        self.now.history.append(result)
        self.now.best = self.average.state
        self.job.checkpoints.save(self.now.capture())
        self.job.listener.epoch(result)

    def _train(self, number: int) -> tuple[float, float]:
        self.now.network.train()
        size = self._size(number)
        done, total = (number - 1) * self.batches, self.batches * self.recipe.epochs
        loss = agreed = 0.0
        for step, squares in enumerate(self._squares(), start=1):
            batch_loss, batch_agreed = self._step(squares, size)
            self.average.after_batch(done + step)
            loss, agreed = loss + batch_loss, agreed + batch_agreed
            self.job.listener.step(done + step, total, loss / step, agreed / step)
        return loss / self.batches, agreed / self.batches

    def _size(self, number: int) -> int:
        return self.recipe.augmentation.size(number, self.recipe.epochs)

    def _squares(self) -> Iterator[torch.Tensor]:
        """What the teacher sees of each batch, uint8 (N, 3, S, S)."""
        chance, recipe = self.now.chance, self.recipe
        order = torch.randperm(len(self.photos), generator=chance).tolist()
        for first in range(0, self.batches * recipe.batch, recipe.batch):
            photos = [self.photos[i] for i in order[first : first + recipe.batch]]
            tensors = [self.job.pixels.tensor(photo) for photo in photos]
            squares = augment(tensors, recipe.augmentation, chance, size=recipe.teacher_side)
            yield mix(squares, recipe.mixed_share, chance)

    def _step(self, squares: torch.Tensor, size: int) -> tuple[float, float]:
        """One batch: its loss, and the share in which both name the same class."""
        now = self.now
        seen, guess = self._both(now.network, squares, size)
        loss = distillation_loss(guess, seen, self.recipe.weights)
        now.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch has no types for it
        now.optimiser.step()
        now.schedule.after_batch()
        return _finite(float(loss.detach())), _agreed(guess, seen)

    def _both(self, student: nn.Module, squares: torch.Tensor, size: int) -> tuple[Seen, Seen]:
        inputs = normalise(squares.to(self.job.device), self.spec)
        seen = self.teacher(inputs)
        if size != inputs.shape[-1]:
            inputs = functional.interpolate(
                inputs, size=(size, size), mode="bilinear", antialias=True, align_corners=False
            )
        return seen, student(inputs.contiguous(memory_format=torch.channels_last))

    def _measure(self, number: int) -> tuple[float, float]:
        """Loss and agreement of the average on the photos held out, as the night sees them."""
        averaged = copy.deepcopy(self.now.network)
        averaged.load_state_dict(self.average.state)
        averaged.eval()
        pictures = (Image.fromarray(self.job.pixels.picture(p)) for p in self.held_out)
        squares = torch.stack([torch.from_numpy(prepare(p, self.spec)) for p in pictures])
        with torch.inference_mode():
            seen, guess = self._both(averaged, squares, self._size(number))
            loss = distillation_loss(guess, seen, self.recipe.weights)
        return _finite(float(loss)), _agreed(guess, seen)


def _agreed(guess: Seen, seen: Seen) -> float:
    return float((guess.logits.argmax(1) == seen.logits.argmax(1)).float().mean())


def _finite(loss: float) -> float:
    if not math.isfinite(loss):
        raise TrainingError(f"the loss became {loss}: lower `optimiser.lr` of the recipe")
    return loss
