"""A training preset: the recipe of a run, from `config/training/`, and what is built from it."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import Field, model_validator
from torch import nn
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR, StepLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ml.core.settings import ROOT
from ml.core.yaml_file import StrictModel, drop_removed, load_model
from ml.models.inference.torch_backend import preferred_number_type
from ml.vision.images.preprocess import Preprocessing

PRESETS = ROOT / "config" / "training"

Side = Annotated[int, Field(ge=32, le=1024)]
Share = Annotated[float, Field(ge=0.0, lt=1.0)]
Tensors = tuple[torch.Tensor, ...] | list[torch.Tensor]
Rate = Annotated[float, Field(gt=0.0, le=10.0)]


class Augmentation(StrictModel):
    """Random augmentation of training photos.

    `crop: random` crops a square at the photo's own scale; `random_resized` crops `min_area`..1 of
    its area, at an aspect of 3:4 to 4:3, and resizes it to the square. `sizes` are the sides of the
    square, each for an equal part of the epochs: small ones take a fraction of the time, and what
    the network learns carries over (progressive resizing, Tan and Le 2021, arXiv:2104.00298).
    `colour` 0.4 varies brightness, contrast and saturation by up to 40 %.
    """

    crop: Literal["random", "random_resized"]
    sizes: Annotated[tuple[Side, ...], Field(min_length=1)]
    min_area: float | None = Field(None, gt=0.0, le=1.0)
    flip: bool
    colour: Share = 0.0

    @model_validator(mode="after")
    def _area_fits(self) -> "Augmentation":
        if (self.crop == "random_resized") != (self.min_area is not None):
            raise ValueError("`min_area` is required by `crop: random_resized`, and only by it")
        return self

    def size(self, epoch: int, epochs: int) -> int:
        """Side of the square crop in an epoch; the first epoch is 1."""
        return self.sizes[(epoch - 1) * len(self.sizes) // epochs]


class Loss(StrictModel):
    """Cross-entropy; `balanced` weights a class by photos / (classes * photos of the class)."""

    class_weights: Literal["none", "balanced"]
    label_smoothing: Share = 0.0


class Sgd(StrictModel):
    """`torch.optim.SGD`; `weight_decay` excludes biases and batch norm."""

    kind: Literal["sgd"]
    lr: Rate
    momentum: Share
    weight_decay: Share = 0.0


class AdamW(StrictModel):
    """`torch.optim.AdamW`; `weight_decay` excludes biases and batch norm."""

    kind: Literal["adamw"]
    lr: Rate
    weight_decay: Share


class StepSchedule(StrictModel):
    """`torch.optim.lr_scheduler.StepLR`, a step per epoch."""

    kind: Literal["step"]
    step_size: int = Field(ge=1)
    gamma: float = Field(gt=0.0, le=1.0)


class OneCycle(StrictModel):
    """`torch.optim.lr_scheduler.OneCycleLR` up to the optimizer's `lr`, a step per batch."""

    kind: Literal["one_cycle"]
    pct_start: float = Field(gt=0.0, lt=1.0)


class EarlyStopping(StrictModel):
    """Stop after `patience` epochs without a lower validation loss; keep the best epoch's weights.

    The learning rate schedule is that of all `epochs`, however few are run.
    """

    patience: int = Field(ge=1)


class Preset(StrictModel):
    """The recipe of a run; `precision: bf16` means fp32 where the hardware has no bf16 units.

    `head: fitted` initializes the head with a logistic regression on the features of the network
    that training starts from (`ml.models.training.head`); it has no effect from scratch. Then all
    layers are trained for up to `epochs`, as long as held-out photos gain by it; with `epochs: 0`
    this linear probe is all that is trained.
    A retraining run starts from the setting MODERATION_PRETRAINED_WEIGHTS; with `start: champion`
    from the champion instead, where that describes held-out photos better. `early_stopping` ends
    the trainings on a part of the photos.
    `averaged_over: 0.2` evaluates and keeps the exponential moving average of weights and of batch
    norm's statistics over about a fifth of the run's batches, instead of the last batch's.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
    preprocessing: Preprocessing
    augmentation: Augmentation
    loss: Loss
    optimizer: Annotated[Sgd | AdamW, Field(discriminator="kind")]
    schedule: Annotated[StepSchedule | OneCycle, Field(discriminator="kind")]
    batch: int = Field(ge=2, le=4096)
    epochs: int = Field(ge=0, le=1000)
    precision: Literal["fp32", "bf16"]
    head: Literal["random", "fitted"] = "random"
    start: Literal["pretrained_weights", "champion"] = "pretrained_weights"
    early_stopping: EarlyStopping | None = None
    averaged_over: float | None = Field(None, gt=0.0, le=1.0)

    _drop = model_validator(mode="before")(drop_removed("validation_share"))

    @model_validator(mode="after")
    def _is_consistent(self) -> "Preset":
        crop, resize = max(self.augmentation.sizes), self.preprocessing.resize
        if self.augmentation.crop == "random" and crop > resize:
            raise ValueError(f"a crop of {crop} does not fit photos resized to {resize}")
        if not self.epochs and (self.head != "fitted" or self.start != "pretrained_weights"):
            raise ValueError(
                "`epochs: 0` trains only the head: it requires `head: fitted` and "
                "`start: pretrained_weights`"
            )
        return self


def load_preset(name_or_path: str) -> Preset:
    """Read a preset by its name, or from a path that ends in .yaml or .yml.

    Raises:
        SettingsError: no such preset, not YAML, an unknown key or an invalid value; the message
            names it and the fix.
    """
    path = Path(name_or_path)
    if path.suffix not in {".yaml", ".yml"}:
        path = PRESETS / f"{name_or_path}.yaml"
    known = ", ".join(sorted(p.stem for p in PRESETS.glob("*.yaml")))
    missing = f"no training preset at {path}; name one of {known}, or a .yaml file"
    return load_model(path, Preset, missing=missing, name=path.stem)


def build_optimizer(network: nn.Module, recipe: Sgd | AdamW) -> torch.optim.Optimizer:
    """Build the preset's optimizer, fused: a third of the time of a step on two CPU cores."""
    parameters = list(network.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if isinstance(recipe, AdamW):
        return torch.optim.AdamW(groups, lr=recipe.lr, fused=True)
    return torch.optim.SGD(groups, lr=recipe.lr, momentum=recipe.momentum, fused=True)


def build_schedule(
    optimizer: torch.optim.Optimizer, recipe: StepSchedule | OneCycle, *, epochs: int, batches: int
) -> LRScheduler:
    """Build the schedule of the learning rate for `batches` per epoch; it steps after each batch.

    The optimizer's learning rate is the highest one. A OneCycle schedule has no step after the last
    batch of the run.
    """
    if isinstance(recipe, OneCycle):
        return OneCycleLR(
            optimizer,
            optimizer.defaults["lr"],
            total_steps=batches * epochs,
            pct_start=recipe.pct_start,
        )
    return StepLR(optimizer, recipe.step_size * batches, recipe.gamma)


def build_average(network: nn.Module, decay: Callable[[int], float]) -> AveragedModel:
    """Build the exponential moving average of weights and of batch norm's statistics.

    `decay(n)` is the share of the average of n states in the next average, 0..1.
    """

    def update(average: Tensors, state: Tensors, count: torch.Tensor | int) -> None:
        blend = get_ema_multi_avg_fn(decay(int(count)))  # type: ignore[no-untyped-call]  # torch has no types for it
        blend(average, state, count)

    return AveragedModel(network, multi_avg_fn=update, use_buffers=True)


def build_loss(
    recipe: Loss,
    targets: torch.Tensor,
    classes: int,
    sample_weights: torch.Tensor | None = None,
) -> nn.CrossEntropyLoss:
    """Build the cross-entropy loss for the class indices (N,) of the training photos.

    `sample_weights` (N,) are their relative sampling frequencies; None: all equal.
    """
    weight = None
    if recipe.class_weights == "balanced":
        # Classes are balanced as the network sees them, that is as often as they are drawn.
        photos = torch.bincount(targets, sample_weights, minlength=classes)
        total = len(targets) if sample_weights is None else sample_weights.sum()
        weight = total / (classes * photos.float())
    return nn.CrossEntropyLoss(weight, label_smoothing=recipe.label_smoothing)


def uses_bf16(preset: Preset, device: torch.device) -> bool:
    """Whether the preset asks for bf16 and the hardware is faster with it."""
    return preset.precision == "bf16" and preferred_number_type(device) == "bfloat16"
