"""Train the student: random crops through teacher and student, epoch by epoch."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from ml.core.errors import TrainingError
from ml.core.types import EpochResult
from ml.models.checkpoint import move_network
from ml.models.distillation.networks import FeatureMaps, Student
from ml.models.distillation.recipe import LossWeights, Recipe
from ml.models.training.augment import augment
from ml.models.training.checkpoint import Checkpoints, TrainState
from ml.models.training.dataset import Dataset
from ml.models.training.epoch_loop import BatchResult, run_epochs
from ml.models.training.preset import build_average, build_optimizer, build_schedule
from ml.models.training.progress import Listener
from ml.vision.images.preprocess import normalize

_MIN_VARIANCE = 1e-3  # channels below it count as constant: standardized they would be noise
_FEATURES = ("stride_8", "stride_16", "stride_32", "pooled")


@dataclass(frozen=True)
class DistillationJob:
    """One distillation run: recipe, teacher, photos without labels, and listener.

    The first photos, as many as the recipe says, are held out for validation. The student's trunk
    starts from the state `start`, its projections from the seed; None: all of it from the seed.
    """

    recipe: Recipe
    teacher: nn.Module
    dataset: Dataset
    device: torch.device
    seed: int
    listener: Listener
    checkpoints: Checkpoints
    start: Mapping[str, torch.Tensor] | None = None


def train_student(job: DistillationJob) -> tuple[dict[str, torch.Tensor], list[EpochResult]]:
    """Train a student and return its averaged trunk (torchvision's names, fp32), and the epochs.

    The accuracy of an epoch is the share of crops for which teacher and student predict the same
    class of ImageNet.
    """
    training = _StudentTraining(job)
    run_epochs(training, job.listener, job.checkpoints)
    return training.student.trunk.state_dict(), training.state.history


class _StudentTraining:
    """A job's steps for the epoch loop."""

    patience: int | None = None
    remedy = "lower `optimizer.lr` of the recipe"

    def __init__(self, job: DistillationJob) -> None:
        self.job, self.recipe = job, job.recipe
        held_out = self.recipe.validation_photos
        photos = len(job.dataset.photos)
        if photos < held_out + self.recipe.batch:
            raise TrainingError(
                f"{photos} photos: at least {held_out + self.recipe.batch} are needed"
            )
        self.held_out, self.training_photos = range(held_out), range(held_out, photos)
        self.teacher = move_network(job.teacher, job.device)
        self.epochs = self.last_epoch = self.recipe.epochs
        self.batches = len(self.training_photos) // self.recipe.batch
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(job.seed)
            self.student = move_network(_build_student(job.start), job.device)
        self.state = self._initial_state()

    def _initial_state(self) -> TrainState:
        recipe, student = self.recipe, self.student
        optimizer = build_optimizer(student, recipe.optimizer)
        average = build_average(student, lambda states: average_decay(recipe.average, states))
        average.n_averaged += 1  # the initial weights
        return TrainState(
            network=student,
            optimizer=optimizer,
            schedule=build_schedule(
                optimizer, recipe.schedule, epochs=self.epochs, batches=self.batches
            ),
            total_batches=self.epochs * self.batches,
            generator=torch.Generator().manual_seed(self.job.seed),
            average=average,
        )

    def train_batches(self, epoch: int) -> Iterator[BatchResult]:
        """Train on every photo once, except for an incomplete last batch."""
        side = self._student_side(epoch)
        for crops in self._mixed_batches():
            target, prediction = self._forward(self.state.network, crops, side)
            loss = distillation_loss(prediction, target, self.recipe.weights)
            self.state.apply(loss)
            yield BatchResult(float(loss.detach()), _agreement(prediction, target), weight=1)

    def validate(self, epoch: int) -> tuple[float, float]:
        """Loss and agreement of the averaged weights on the photos held out, not augmented."""
        averaged = self.state.evaluated_network.eval()
        crops = self.job.dataset.load_prepared(self.held_out)
        with torch.inference_mode():
            target, prediction = self._forward(averaged, crops, self._student_side(epoch))
            loss = distillation_loss(prediction, target, self.recipe.weights)
        return float(loss), _agreement(prediction, target)

    def _student_side(self, epoch: int) -> int:
        return self.recipe.augmentation.size(epoch, self.epochs)

    def _mixed_batches(self) -> Iterator[torch.Tensor]:
        """The teacher's input of each batch, uint8 (N, 3, S, S)."""
        generator, recipe = self.state.generator, self.recipe
        order = torch.randperm(len(self.training_photos), generator=generator).tolist()
        for first in range(0, self.batches * recipe.batch, recipe.batch):
            photos = [
                self.job.dataset.load(self.training_photos[i])
                for i in order[first : first + recipe.batch]
            ]
            crops = augment(photos, recipe.augmentation, generator, size=recipe.teacher_side)
            yield mixup_cutmix(crops, recipe.mixed_share, generator)

    def _forward(
        self, student: nn.Module, crops: torch.Tensor, side: int
    ) -> tuple[FeatureMaps, FeatureMaps]:
        """(the teacher's feature maps, the student's prediction of them)."""
        inputs = normalize(crops.to(self.job.device), self.job.dataset.spec)
        target = self.teacher(inputs)
        if side != inputs.shape[-1]:
            inputs = functional.interpolate(
                inputs, size=(side, side), mode="bilinear", antialias=True, align_corners=False
            )
        return target, student(inputs.contiguous(memory_format=torch.channels_last))


def _build_student(start: Mapping[str, torch.Tensor] | None) -> Student:
    """A student whose weights that `start` does not have come from torch's global generator."""
    student = Student()
    if start is not None:
        student.trunk.load_state_dict({name: start[name] for name in student.trunk.state_dict()})
    return student


def _agreement(prediction: FeatureMaps, target: FeatureMaps) -> float:
    """Share of crops for which both predict the same class, 0..1."""
    return float((prediction.logits.argmax(1) == target.logits.argmax(1)).float().mean())


def average_decay(max_decay: float, states: int) -> float:
    """Decay of an average of n states; limited, or the random initial weights would last long."""
    return min(max_decay, (1 + states) / (10 + states))


def mixup_cutmix(batch: torch.Tensor, share: float, generator: torch.Generator) -> torch.Tensor:
    """Mix a batch with a permutation of itself, with probability `share`.

    Half of the mixed batches are blended (mixup, Zhang et al. 2017, arXiv:1710.09412), in the other
    half a square of uniformly drawn area is pasted (CutMix, Yun et al. 2019, arXiv:1905.04899). The
    targets come from the teacher's output for the mixed batch, so that no label has to be mixed.
    The batch, uint8 (N, 3, S, S), is not changed; the generator, on the CPU, is the only source of
    randomness.
    """
    draw, amount, down, right = torch.rand(4, generator=generator).tolist()
    if draw >= share:
        return batch
    other = batch[torch.randperm(len(batch), generator=generator)]
    if draw < share / 2:
        return torch.lerp(batch.float(), other.float(), amount / 2).round().to(torch.uint8)
    size = batch.shape[-1]
    side = max(1, round(size * amount**0.5))
    top, left = round((size - side) * down), round((size - side) * right)
    square = (..., slice(top, top + side), slice(left, left + side))
    pasted = batch.clone()
    pasted[square] = other[square]
    return pasted


def distillation_loss(
    student: FeatureMaps, teacher: FeatureMaps, weights: LossWeights
) -> torch.Tensor:
    """The weighted sum of six terms, a scalar.

    Three strides and the pooled features: mean squared error to the teacher's values, standardized
    per channel over the batch, so that a constant prediction has loss 1 (after Romero et al. 2014,
    arXiv:1412.6550). Classes: the Kullback-Leibler divergence between the teacher's and the
    student's probabilities, in nats (Hinton et al. 2015, arXiv:1503.02531). Where the student's
    maps are smaller, since its input is, the teacher's are average-pooled to their size. Relations:
    see `relation_loss`.
    """
    total = weights.classes * functional.kl_div(
        functional.log_softmax(student.logits, dim=1),
        functional.log_softmax(teacher.logits, dim=1),
        reduction="batchmean",
        log_target=True,
    )
    for name in _FEATURES:
        prediction, target = getattr(student, name), getattr(teacher, name)
        if target.shape[-1] != prediction.shape[-1]:
            target = functional.adaptive_avg_pool2d(target, prediction.shape[-2:])
        error = functional.mse_loss(prediction, _standardize(target))
        total = total + getattr(weights, name) * error
    return total + weights.relations * relation_loss(student.features, teacher.features)


def relation_loss(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """How far the student sees photos alike that the teacher does not, and the reverse; a scalar.

    Features (N, F) are standardized per channel; the products of each two photos, divided by F, are
    compared (after Tung and Mori 2019, arXiv:1907.09682). The squared error is relative to the
    teacher's products. A regression on few labels of standardized features depends on these
    products alone; a prediction of the teacher's features by a layer that is thrown away leaves
    their scale and spread open.
    """
    is_pair = ~torch.eye(len(student), dtype=torch.bool, device=student.device)
    products, targets = (
        (z @ z.T / z.shape[1])[is_pair] for z in (_standardize(student), _standardize(teacher))
    )
    return functional.mse_loss(products, targets) / targets.square().mean()


def _standardize(values: torch.Tensor) -> torch.Tensor:
    return functional.batch_norm(values, None, None, training=True, eps=_MIN_VARIANCE)
