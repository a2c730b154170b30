"""Train the student: random crops through teacher and student, epoch by epoch."""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from PIL import Image
from torch import nn
from torch.nn import functional

from ml.core.errors import TrainingError
from ml.core.types import EpochResult
from ml.models.checkpoint import move_network
from ml.models.distillation.losses import EmaWeights, FeatureMaps, distillation_loss, mixup_cutmix
from ml.models.distillation.photos import crop_preprocessing
from ml.models.distillation.recipe import Recipe
from ml.models.distillation.student import Student, trunk_state
from ml.models.training.augment import augment
from ml.models.training.checkpoint import Checkpoints, SavedState, TrainState
from ml.models.training.epoch_loop import BatchResult, check_finite, run_epochs
from ml.models.training.optimizer import Schedule, build_optimizer
from ml.models.training.pixel_cache import CachedPhoto, PixelFile
from ml.models.training.progress import Listener
from ml.vision.images.preprocess import normalize, prepare


@dataclass(frozen=True)
class DistillationJob:
    """One distillation run: recipe, teacher, photos and listener.

    The first photos, as many as the recipe says, are held out for validation.
    """

    recipe: Recipe
    teacher: nn.Module
    photos: Sequence[CachedPhoto]
    pixels: PixelFile
    device: torch.device
    seed: int
    listener: Listener
    checkpoints: Checkpoints


def train_student(job: DistillationJob) -> tuple[dict[str, torch.Tensor], list[EpochResult]]:
    """Train a student and return its averaged trunk (torchvision's names, fp32), and the epochs.

    The accuracy of an epoch is the share of crops for which teacher and student predict the same
    class of ImageNet.

    Raises:
        TrainingError: too few photos, or the loss is not finite.
    """
    training = _StudentTraining(job)
    run_epochs(training, job.listener, job.checkpoints)
    return trunk_state(training.average.state), training.state.history


class _StudentTraining:
    """A job's steps for the epoch loop; `state.best` is the moving average of the weights."""

    def __init__(self, job: DistillationJob) -> None:
        self.job, self.recipe = job, job.recipe
        held_out = self.recipe.validation_photos
        self.validation_photos, self.photos = job.photos[:held_out], job.photos[held_out:]
        if len(self.photos) < self.recipe.batch:
            raise TrainingError(
                f"{len(job.photos)} photos: at least {held_out + self.recipe.batch} are needed"
            )
        self.spec = crop_preprocessing(self.recipe.teacher_side, self.recipe.photo_side)
        self.teacher = move_network(job.teacher, job.device)
        self.epochs = self.recipe.epochs
        self.batches = len(self.photos) // self.recipe.batch
        self.state = self._initial_state()
        self.average = EmaWeights(self.state.network, self.recipe.average, {})

    def _initial_state(self) -> TrainState:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.job.seed)
            student = Student()
        student = move_network(student, self.job.device)
        optimizer = build_optimizer(student, self.recipe.optimizer)
        return TrainState(
            network=student,
            optimizer=optimizer,
            schedule=Schedule(optimizer, self.recipe, self.batches),
            generator=torch.Generator().manual_seed(self.job.seed),
            history=[],
            best={},
        )

    @property
    def finished(self) -> bool:
        """Whether all epochs are run."""
        return len(self.state.history) >= self.epochs

    def restore(self, saved: SavedState) -> None:
        """Continue from a saved state."""
        self.state.restore(saved)
        best = {name: tensor.to(self.job.device) for name, tensor in self.state.best.items()}
        self.average = EmaWeights(self.state.network, self.recipe.average, best)

    def train_batches(self, epoch: int) -> Iterator[BatchResult]:
        """Train on every photo once, except for an incomplete last batch."""
        side = self._student_side(epoch)
        batches_before = (epoch - 1) * self.batches
        for number, crops in enumerate(self._mixed_batches(), start=1):
            loss, agreement = self._step(crops, side)
            self.average.after_batch(batches_before + number)
            yield BatchResult(loss, agreement, weight=1)

    def validate(self, epoch: int) -> tuple[float, float]:
        """Loss and agreement of the averaged weights on the photos held out, not augmented."""
        averaged = copy.deepcopy(self.state.network)
        averaged.load_state_dict(self.average.state)
        averaged.eval()
        images = (Image.fromarray(self.job.pixels.array(p)) for p in self.validation_photos)
        crops = torch.stack([torch.from_numpy(prepare(image, self.spec)) for image in images])
        with torch.inference_mode():
            target, prediction = self._forward(averaged, crops, self._student_side(epoch))
            loss = distillation_loss(prediction, target, self.recipe.weights)
        return _check_finite(float(loss)), _agreement(prediction, target)

    def update_best(self) -> None:
        """Keep the moving average, which is what the run returns."""
        self.state.best = self.average.state

    def _student_side(self, epoch: int) -> int:
        return self.recipe.augmentation.size(epoch, self.epochs)

    def _mixed_batches(self) -> Iterator[torch.Tensor]:
        """The teacher's input of each batch, uint8 (N, 3, S, S)."""
        generator, recipe = self.state.generator, self.recipe
        order = torch.randperm(len(self.photos), generator=generator).tolist()
        for first in range(0, self.batches * recipe.batch, recipe.batch):
            photos = [self.photos[i] for i in order[first : first + recipe.batch]]
            tensors = [self.job.pixels.tensor(photo) for photo in photos]
            crops = augment(tensors, recipe.augmentation, generator, size=recipe.teacher_side)
            yield mixup_cutmix(crops, recipe.mixed_share, generator)

    def _step(self, crops: torch.Tensor, side: int) -> tuple[float, float]:
        """Train on one batch; returns its loss and the agreement with the teacher."""
        state = self.state
        target, prediction = self._forward(state.network, crops, side)
        loss = distillation_loss(prediction, target, self.recipe.weights)
        state.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch has no types for it
        state.optimizer.step()
        state.schedule.after_batch()
        return _check_finite(float(loss.detach())), _agreement(prediction, target)

    def _forward(
        self, student: nn.Module, crops: torch.Tensor, side: int
    ) -> tuple[FeatureMaps, FeatureMaps]:
        """(the teacher's feature maps, the student's prediction of them)."""
        inputs = normalize(crops.to(self.job.device), self.spec)
        target = self.teacher(inputs)
        if side != inputs.shape[-1]:
            inputs = functional.interpolate(
                inputs, size=(side, side), mode="bilinear", antialias=True, align_corners=False
            )
        return target, student(inputs.contiguous(memory_format=torch.channels_last))


def _agreement(prediction: FeatureMaps, target: FeatureMaps) -> float:
    """Share of crops for which both predict the same class, 0..1."""
    return float((prediction.logits.argmax(1) == target.logits.argmax(1)).float().mean())


def _check_finite(loss: float) -> float:
    return check_finite(loss, "lower `optimizer.lr` of the recipe")
