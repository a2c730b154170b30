"""Optimiser, schedule, loss and precision, as the preset names them."""

from typing import Any, Protocol

import torch
from torch import nn
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR, StepLR

from ml.inference.device import fast_type
from ml.training.preset import AdamW, Loss, OneCycle, Preset, Sgd, StepSchedule


def build_optimiser(network: nn.Module, recipe: Sgd | AdamW) -> torch.optim.Optimizer:
    """The preset's optimiser, fused: a third of the time of a step on two CPU cores."""
    groups = _groups(network, recipe.weight_decay)
    if isinstance(recipe, AdamW):
        return torch.optim.AdamW(groups, lr=recipe.lr, fused=True)
    return torch.optim.SGD(groups, lr=recipe.lr, momentum=recipe.momentum, fused=True)


def _groups(network: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Weight decay is for kernels and the head; it would only weaken batch norm and biases."""
    parameters = list(network.parameters())
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]


class Paced(Protocol):
    """What a schedule needs of a recipe."""

    @property
    def epochs(self) -> int:
        """How many there are."""

    @property
    def optimiser(self) -> Sgd | AdamW:
        """Has the highest rate."""

    @property
    def schedule(self) -> StepSchedule | OneCycle:
        """How the rate moves."""


class Schedule:
    """The learning rate over the run, whether it moves each batch or each epoch."""

    def __init__(self, optimiser: torch.optim.Optimizer, paced: Paced, batches: int) -> None:
        recipe = paced.schedule
        self._each_batch = isinstance(recipe, OneCycle)
        self._torch: LRScheduler = (
            OneCycleLR(
                optimiser,
                max_lr=paced.optimiser.lr,
                total_steps=batches * paced.epochs,
                pct_start=recipe.warm_up,
            )
            if isinstance(recipe, OneCycle)
            else StepLR(optimiser, recipe.step_size, recipe.gamma)
        )
        self._left = batches * paced.epochs - 1

    @property
    def rate(self) -> float:
        """The learning rate of the next batch."""
        return float(self._torch.get_last_lr()[0])

    def after_batch(self) -> None:
        """To be called after each step of the optimiser."""
        if self._each_batch and self._left > 0:  # there is no rate beyond the last batch
            self._torch.step()
        self._left -= 1

    def after_epoch(self) -> None:
        """To be called after each epoch."""
        if not self._each_batch:
            self._torch.step()

    def state_dict(self) -> dict[str, Any]:
        """Where the schedule stands, in plain values."""
        return {"torch": self._torch.state_dict(), "left": self._left}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Stand there again."""
        self._torch.load_state_dict(state["torch"])
        self._left = state["left"]


def build_loss(
    recipe: Loss, targets: torch.Tensor, classes: int, odds: torch.Tensor | None = None
) -> nn.CrossEntropyLoss:
    """Cross-entropy over the training photos' classes.

    Args:
        recipe: class weights and label smoothing.
        targets: class index of each training photo, (N,).
        classes: how many there are.
        odds: how often each photo is drawn against the others, (N,); None: all alike.
    """
    weight = None
    if recipe.class_weights == "balanced":
        # Classes are balanced as the network meets them, that is as often as they are drawn.
        photos = torch.bincount(targets, odds, minlength=classes)
        weight = (len(targets) if odds is None else odds.sum()) / (classes * photos.float())
    return nn.CrossEntropyLoss(weight, label_smoothing=recipe.label_smoothing)


def uses_bf16(preset: Preset, device: torch.device) -> bool:
    """Whether the preset asks for bf16 and the hardware is the faster for it."""
    if preset.precision != "bf16":
        return False
    return fast_type(device) is torch.bfloat16
