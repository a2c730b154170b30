"""Trains the text gate: minutes on two CPU cores."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import structlog
import torch
from torch import nn
from torch.nn import functional

from stack.text_gate.network import build, pooled
from stack.text_gate.samples import samples

log = structlog.get_logger()

_BATCH = 32
_RATE = 3e-3
_WHOLE = 0.3  # weight of the photo's logit beside the cells'
_FEWEST = 4  # cells with text from which a window counts as one with text
_NEGATIVES = (
    0.5  # share of batches that are shown as negatives: light letters are as common as dark
)


@dataclass(frozen=True)
class Recipe:
    """How long: samples drawn, and how often each is shown."""

    samples: int = 2400
    epochs: int = 12
    seed: int = 0


def train(photos: Sequence[Path], recipe: Recipe) -> nn.Module:
    """Train on photos that bear no laid-over text themselves; the same seed gives the same samples.

    Args:
        photos: files of goods.
        recipe: how long.
    """
    torch.manual_seed(recipe.seed)
    grey, cells = _drawn(photos, recipe)
    network = build().to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(network.parameters(), lr=_RATE, weight_decay=0.01)
    steps = recipe.epochs * (len(grey) // _BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _RATE, steps, pct_start=0.2)
    for epoch in range(recipe.epochs):
        total = 0.0
        for chosen in torch.randperm(len(grey))[: len(grey) // _BATCH * _BATCH].view(-1, _BATCH):
            loss = _loss(network, grey[chosen], cells[chosen])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            total += loss.item()
        mean = total / (len(grey) // _BATCH)
        log.info("epoch done", epoch=f"{epoch + 1}/{recipe.epochs}", loss=round(mean, 4))
    return network


def _drawn(photos: Sequence[Path], recipe: Recipe) -> tuple[torch.Tensor, torch.Tensor]:
    drawn = list(samples(photos, recipe.samples, recipe.seed))
    grey, cells = (np.stack(part) for part in zip(*((s.grey, s.cells) for s in drawn), strict=True))
    return torch.from_numpy(grey), torch.from_numpy(cells)


def _loss(network: nn.Module, grey: torch.Tensor, cells: torch.Tensor) -> torch.Tensor:
    pixels = grey[:, None].float() / 255 - 0.5
    if torch.rand(()) < _NEGATIVES:
        pixels = -pixels
    found, wanted = network(pixels)[:, 0], cells.float()
    whole = (wanted.flatten(1).sum(dim=1) >= _FEWEST).float()
    each = functional.binary_cross_entropy_with_logits(found, wanted)
    return each + _WHOLE * functional.binary_cross_entropy_with_logits(pooled(found), whole)
