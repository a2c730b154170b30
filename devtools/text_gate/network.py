"""The network of the text gate: a small encoder, one logit per cell of 8 x 8 pixels."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import torch
from torch import nn
from torch.nn import functional

from ml.vision.screens.text.gate import SHORT_SIDE

# Channels at one half, a quarter, an eighth, a sixteenth and a thirty-second of the picture.
_CHANNELS = (10, 20, 48, 96, 144)
_DEPTHS = (1, 2, 2)  # blocks at each of the last three
_NECK = 32  # channels of the cells' features
_PHOTO_CELLS = 24  # number of likeliest cells whose mean is the photo's logit: a short line


class Gate(nn.Module):
    """Grayscale (N, 1, H, W), -0.5..0.5, to logits of cells (N, H/8, W/8)."""

    def __init__(self) -> None:
        super().__init__()
        half, quarter, *deeper = _CHANNELS
        self.stem = nn.Sequential(*_layer(1, half, 5, 2), *_layer(half, quarter, 3, 2))
        sizes = zip((quarter, *deeper), deeper, _DEPTHS, strict=False)
        self.stages = nn.ModuleList(
            nn.Sequential(
                _Separable(before, after, 2), *(_Separable(after, after) for _ in range(depth))
            )
            for before, after, depth in sizes
        )
        self.laterals = nn.ModuleList(nn.Conv2d(channels, _NECK, 1) for channels in deeper)
        self.cells = nn.Sequential(_Separable(_NECK, _NECK), nn.Conv2d(_NECK, 1, 1))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return the logits of the cells."""
        features, levels = self.stem(pixels), []
        for stage in self.stages:
            features = stage(features)
            levels.append(features)
        cells: torch.Tensor = self.cells(self._merge(levels))[:, 0]
        return cells

    def _merge(self, levels: Sequence[torch.Tensor]) -> torch.Tensor:
        merged, *others = (
            lateral(level) for lateral, level in zip(self.laterals, levels, strict=True)
        )
        for other in others:
            merged += functional.interpolate(other, merged.shape[2:], mode="nearest")
        return cast("torch.Tensor", merged)


class _Separable(nn.Sequential):
    """A depthwise convolution and one across channels; added to its input where shapes agree."""

    def __init__(self, before: int, after: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(before, before, 3, stride, 1, groups=before, bias=False),
            nn.BatchNorm2d(before),
            *_layer(before, after, 1),
        )
        self.adds = stride == 1 and before == after

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return features of as many or half as many rows and columns."""
        found: torch.Tensor = super().forward(features)  # type: ignore[no-untyped-call]
        return features + found if self.adds else found


def _layer(before: int, after: int, kernel: int, stride: int = 1) -> tuple[nn.Module, ...]:
    convolution = nn.Conv2d(before, after, kernel, stride, kernel // 2, bias=False)
    return convolution, nn.BatchNorm2d(after), nn.ReLU()


def pool_logits(cells: torch.Tensor) -> torch.Tensor:
    """Return the logit of each photo (N,), the mean of its highest cell logits (N, H, W)."""
    return cells.flatten(1).topk(_PHOTO_CELLS, dim=1).values.mean(dim=1)


class _Estimate(nn.Module):
    def __init__(self, gate: Gate) -> None:
        super().__init__()
        self.gate = gate

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        cells = self.gate(pixels)
        return pool_logits(cells), (cells > 0).float().mean((1, 2))


def export_onnx(network: Gate, path: Path) -> None:
    """Write the photo's logit and share of text as ONNX with dynamic height and width."""
    example = torch.zeros(1, 1, SHORT_SIDE, SHORT_SIDE)
    with warnings.catch_warnings():
        # The new exporter needs another package and writes the same graph.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            _Estimate(network).eval(),
            (example,),
            path,
            input_names=["grey"],
            output_names=["logit", "cover"],
            dynamic_axes={"grey": {2: "height", 3: "width"}},
            dynamo=False,
        )
