"""Training of the text gate (20 minutes on one CPU core); continues after an interruption."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import structlog
import torch
from torch.nn import functional

from devtools.text_gate.network import Gate, pool_logits
from devtools.text_gate.samples import generate_samples
from ml.vision.screens.text.gate import STRIDE

log = structlog.get_logger()

_BATCH_SIZE = 32
_LEARNING_RATE = 3e-3
_PART = 256  # samples of one file
_WINDOW = 24  # cells per side of the part of a sample that one step sees
_MIN_TEXT_CELLS = 4  # a window with fewer text cells counts as one without text
# Share of batches that are inverted, mirrored and turned upside down: light letters are as frequent
# as dark ones.
_CHANGED_SHARE = 0.5

Samples = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class Recipe:
    """Number of samples and epochs, the seed, and the first weights."""

    samples: int = 6144
    epochs: int = 16
    seed: int = 0
    start: Path | None = None  # `state.pt` of another training, to begin with its weights


def train(photos: Sequence[Path], recipe: Recipe, folder: Path) -> Gate:
    """Train on photos without text overlays; the samples are deterministic for a seed.

    Args:
        photos: files of product photos.
        recipe: size and length of the training.
        folder: samples and the state after each epoch; an interrupted training continues there.
    """
    torch.manual_seed(recipe.seed)
    grey, cells = _load_samples(photos, recipe, folder)
    network = Gate().to(memory_format=torch.channels_last)
    if recipe.start is not None:
        network.load_state_dict(torch.load(recipe.start, weights_only=True)["network"])
    optimizer = torch.optim.AdamW(network.parameters(), lr=_LEARNING_RATE, weight_decay=0.02)
    steps = recipe.epochs * (len(grey) // _BATCH_SIZE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _LEARNING_RATE, steps, pct_start=0.2)
    state: dict[str, Any] = {"network": network, "optimizer": optimizer, "schedule": schedule}
    for epoch in range(_restore(state, folder), recipe.epochs):
        torch.manual_seed(recipe.seed + epoch)
        losses = [
            _step(network, optimizer, schedule, (grey[chosen], cells[chosen]))
            for chosen in torch.randperm(len(grey))[: steps // recipe.epochs * _BATCH_SIZE].view(
                -1, _BATCH_SIZE
            )
        ]
        saved = {name: part.state_dict() for name, part in state.items()}
        torch.save({**saved, "epochs": epoch + 1}, folder / "state.pt")
        mean = round(float(np.mean(losses)), 4)
        log.info("epoch done", epoch=f"{epoch + 1}/{recipe.epochs}", loss=mean)
    return network


def _load_samples(photos: Sequence[Path], recipe: Recipe, folder: Path) -> Samples:
    parts = []
    for start in range(0, recipe.samples, _PART):
        file = folder / f"samples_{recipe.seed}_{start}.npz"
        if not file.exists():
            numbers = range(start, min(start + _PART, recipe.samples))
            drawn = list(generate_samples(photos, numbers, recipe.seed))
            grey = np.stack([sample.grey for sample in drawn])
            cells = np.stack([sample.cells for sample in drawn])
            np.savez(file, grey=grey, cells=cells)
            log.info("samples drawn", samples=numbers.stop)
        with np.load(file) as stored:
            parts.append((stored["grey"], stored["cells"]))
    grey, cells = (np.concatenate(part) for part in zip(*parts, strict=True))
    return torch.from_numpy(grey), torch.from_numpy(cells)


def _restore(state: dict[str, Any], folder: Path) -> int:
    """Load the state after the last epoch; return how many are done."""
    if not (folder / "state.pt").exists():
        return 0
    saved = torch.load(folder / "state.pt", weights_only=True)
    for name, part in state.items():
        part.load_state_dict(saved[name])
    return int(saved["epochs"])


def _step(
    network: Gate,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.OneCycleLR,
    samples: Samples,
) -> float:
    loss = _loss(network, *_change(*samples))
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    schedule.step()
    return loss.item()


def _change(grey: torch.Tensor, cells: torch.Tensor) -> Samples:
    """Return a random window, inverted, mirrored, and turned upside down or not."""
    row, column = torch.randint(cells.shape[-1] - _WINDOW + 1, (2,)).tolist()
    cells = cells[:, row : row + _WINDOW, column : column + _WINDOW]
    top, left, side = row * STRIDE, column * STRIDE, _WINDOW * STRIDE
    pixels = grey[:, None, top : top + side, left : left + side].float() / 255 - 0.5
    inverted, *flipped = (torch.rand(3) < _CHANGED_SHARE).tolist()
    axes = [axis for axis, flip in zip((-1, -2), flipped, strict=True) if flip]
    return (-pixels if inverted else pixels).flip(axes), cells.flip(axes).float()


def _loss(network: Gate, pixels: torch.Tensor, cells: torch.Tensor) -> torch.Tensor:
    whole = (cells.flatten(1).sum(dim=1) >= _MIN_TEXT_CELLS).float()
    found = network(pixels.contiguous(memory_format=torch.channels_last))
    return functional.binary_cross_entropy_with_logits(
        found, cells
    ) + functional.binary_cross_entropy_with_logits(pool_logits(found), whole)
