"""Optimizer, learning rate schedule, loss and precision of a preset."""

from typing import Any, Protocol

import torch
from torch import nn
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR, StepLR

from ml.models.predictor import preferred_dtype
from ml.models.training.preset import AdamW, Loss, OneCycle, Preset, Sgd, StepSchedule


def build_optimizer(network: nn.Module, recipe: Sgd | AdamW) -> torch.optim.Optimizer:
    """Build the preset's optimizer, fused: a third of the time of a step on two CPU cores."""
    groups = _parameter_groups(network, recipe.weight_decay)
    if isinstance(recipe, AdamW):
        return torch.optim.AdamW(groups, lr=recipe.lr, fused=True)
    return torch.optim.SGD(groups, lr=recipe.lr, momentum=recipe.momentum, fused=True)


def _parameter_groups(network: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Apply weight decay to kernels and the head only, not to batch norm and biases."""
    parameters = list(network.parameters())
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]


class ScheduledOptimizer(Protocol):
    """The part of a recipe that a schedule needs."""

    @property
    def epochs(self) -> int:
        """Number of epochs."""

    @property
    def optimizer(self) -> Sgd | AdamW:
        """Its `lr` is the highest learning rate."""

    @property
    def schedule(self) -> StepSchedule | OneCycle:
        """How the learning rate changes."""


class Schedule:
    """The learning rate over a run, whether it changes per batch or per epoch.

    Args:
        optimizer: its learning rate is set.
        recipe: schedule, highest learning rate and number of epochs.
        batches: per epoch.
    """

    def __init__(
        self, optimizer: torch.optim.Optimizer, recipe: ScheduledOptimizer, batches: int
    ) -> None:
        schedule = recipe.schedule
        self._per_batch = isinstance(schedule, OneCycle)
        self._scheduler: LRScheduler = (
            OneCycleLR(
                optimizer,
                max_lr=recipe.optimizer.lr,
                total_steps=batches * recipe.epochs,
                pct_start=schedule.pct_start,
            )
            if isinstance(schedule, OneCycle)
            else StepLR(optimizer, schedule.step_size, schedule.gamma)
        )
        self._batches_left = batches * recipe.epochs - 1

    @property
    def rate(self) -> float:
        """The learning rate of the next batch."""
        return float(self._scheduler.get_last_lr()[0])

    def after_batch(self) -> None:
        """Call after each step of the optimizer."""
        if (
            self._per_batch and self._batches_left > 0
        ):  # OneCycleLR has no rate beyond the last batch
            self._scheduler.step()
        self._batches_left -= 1

    def after_epoch(self) -> None:
        """Call after each epoch."""
        if not self._per_batch:
            self._scheduler.step()

    def state_dict(self) -> dict[str, Any]:
        """The schedule's state, as JSON values."""
        return {"torch": self._scheduler.state_dict(), "left": self._batches_left}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a state."""
        self._scheduler.load_state_dict(state["torch"])
        self._batches_left = state["left"]


def build_loss(
    recipe: Loss,
    targets: torch.Tensor,
    classes: int,
    sample_weights: torch.Tensor | None = None,
) -> nn.CrossEntropyLoss:
    """Build the cross-entropy loss over the training photos' classes.

    Args:
        recipe: class weights and label smoothing.
        targets: class index of each training photo, (N,).
        classes: number of classes.
        sample_weights: relative sampling frequency of each photo, (N,); None: all equal.
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
    if preset.precision != "bf16":
        return False
    return preferred_dtype(device) is torch.bfloat16
