"""Training of the text gate (minutes on two CPU cores)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import structlog
import torch
from torch import nn
from torch.nn import functional

from devtools.text_gate.network import build_network, pool_logits
from devtools.text_gate.samples import generate_samples

log = structlog.get_logger()

_BATCH_SIZE = 32
_LEARNING_RATE = 3e-3
_PHOTO_LOSS_WEIGHT = 0.3  # of the loss per photo; that per cell has weight 1
_MIN_TEXT_CELLS = 4  # a window with fewer text cells counts as one without text
# Share of batches that are inverted: light letters are as frequent as dark ones.
_INVERTED_SHARE = 0.5


@dataclass(frozen=True)
class Recipe:
    """Number of samples and epochs, and the seed."""

    samples: int = 2400
    epochs: int = 12
    seed: int = 0


def train(photos: Sequence[Path], recipe: Recipe) -> nn.Module:
    """Train on photos without text overlays; the samples are deterministic for a seed.

    Args:
        photos: files of product photos.
        recipe: size and length of the training.
    """
    torch.manual_seed(recipe.seed)
    grey, cells = _sample_tensors(photos, recipe)
    network = build_network().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), lr=_LEARNING_RATE, weight_decay=0.01)
    steps = recipe.epochs * (len(grey) // _BATCH_SIZE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _LEARNING_RATE, steps, pct_start=0.2)
    for epoch in range(recipe.epochs):
        total = 0.0
        for chosen in torch.randperm(len(grey))[: len(grey) // _BATCH_SIZE * _BATCH_SIZE].view(
            -1, _BATCH_SIZE
        ):
            loss = _loss(network, grey[chosen], cells[chosen])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            total += loss.item()
        mean = total / (len(grey) // _BATCH_SIZE)
        log.info("epoch done", epoch=f"{epoch + 1}/{recipe.epochs}", loss=round(mean, 4))
    return network


def _sample_tensors(photos: Sequence[Path], recipe: Recipe) -> tuple[torch.Tensor, torch.Tensor]:
    drawn = list(generate_samples(photos, recipe.samples, recipe.seed))
    grey, cells = (np.stack(part) for part in zip(*((s.grey, s.cells) for s in drawn), strict=True))
    return torch.from_numpy(grey), torch.from_numpy(cells)


def _loss(network: nn.Module, grey: torch.Tensor, cells: torch.Tensor) -> torch.Tensor:
    pixels = grey[:, None].float() / 255 - 0.5
    if torch.rand(()) < _INVERTED_SHARE:
        pixels = -pixels
    found, wanted = network(pixels)[:, 0], cells.float()
    whole = (wanted.flatten(1).sum(dim=1) >= _MIN_TEXT_CELLS).float()
    each = functional.binary_cross_entropy_with_logits(found, wanted)
    return each + _PHOTO_LOSS_WEIGHT * functional.binary_cross_entropy_with_logits(
        pool_logits(found), whole
    )
