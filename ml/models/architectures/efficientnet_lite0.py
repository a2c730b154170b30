"""EfficientNet-Lite0: EfficientNet-B0 for int8, without squeeze-and-excitation, with ReLU6.

Tan and Le 2019 (arXiv:1905.11946, table 1). The weights come from TensorFlow: its padding and its
epsilon of batch norm are part of the function. Its dropout and its dropped blocks are left out, as
is its slow momentum of batch norm: a training here has a few hundred batches.
"""

import math
from collections.abc import Sequence
from functools import partial

import torch
from torch import nn
from torch.nn import functional

from ml.models.architectures.classifier import Classifier

# (expansion, kernel, stride, channels, blocks) of each part.
_PARTS = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)
_STEM, _LAST = 32, 1280  # channels
_STRIDE_8, _STRIDE_16 = 5, 11  # blocks before the stride doubles again

_BatchNorm = partial(nn.BatchNorm2d, eps=1e-3)


class SameConv2d(nn.Conv2d):
    """A convolution padded as TensorFlow's "SAME": the odd row or column is at the end."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """The side of the output is the input's divided by the stride, rounded up."""
        padding: list[int] = []
        for side, kernel, stride in zip(
            reversed(images.shape[-2:]), self.kernel_size, self.stride, strict=True
        ):
            total = max((math.ceil(side / stride) - 1) * stride + kernel - side, 0)
            padding += [total // 2, total - total // 2]
        return super().forward(functional.pad(images, padding))


class InvertedResidual(nn.Module):
    """Expands the channels, convolves each of them, and projects them (arXiv:1801.04381)."""

    def __init__(
        self, channels: int, projected: int, *, expansion: int, kernel: int, stride: int
    ) -> None:
        super().__init__()
        hidden = channels * expansion
        self.layers = nn.Sequential(
            *([] if expansion == 1 else [_convolution(channels, hidden, 1)]),
            _convolution(hidden, hidden, kernel, stride, groups=hidden),
            nn.Conv2d(hidden, projected, 1, bias=False),
            _BatchNorm(projected),
        )
        self.has_shortcut = stride == 1 and channels == projected

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Feature maps of the block."""
        inner: torch.Tensor = self.layers(maps)
        return inner + maps if self.has_shortcut else inner


class EfficientNetLite0(Classifier):
    """EfficientNet-Lite0 for a number of classes, with random weights."""

    architecture = "efficientnet_lite0"
    head_name = "classifier"
    channels = (40, 112, 1280)

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.stem = _convolution(3, _STEM, 3, 2)
        blocks, channels = [], _STEM
        for expansion, kernel, stride, projected, repeats in _PARTS:
            for i in range(repeats):
                strided = stride if i == 0 else 1
                blocks.append(
                    InvertedResidual(
                        channels, projected, expansion=expansion, kernel=kernel, stride=strided
                    )
                )
                channels = projected
        self.blocks = nn.ModuleList(blocks)
        self.last = _convolution(channels, _LAST, 1)
        self.classifier = nn.Linear(_LAST, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                # By the inputs: the outputs of a convolution of single channels are too many, its
                # initial weights would be too small.
                nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")

    @property
    def stages(self) -> Sequence[Sequence[nn.Module]]:
        """As `Classifier.stages`."""
        blocks = tuple(self.blocks)
        return (
            (self.stem, *blocks[:_STRIDE_8]),
            blocks[_STRIDE_8:_STRIDE_16],
            (*blocks[_STRIDE_16:], self.last),
        )


def _convolution(
    channels: int, convolved: int, kernel: int, stride: int = 1, *, groups: int = 1
) -> nn.Sequential:
    """A convolution without bias, its batch norm and ReLU6."""
    make = nn.Conv2d if stride == 1 else SameConv2d
    padding = kernel // 2 if stride == 1 else 0
    return nn.Sequential(
        make(channels, convolved, kernel, stride, padding, groups=groups, bias=False),
        _BatchNorm(convolved),
        nn.ReLU6(inplace=True),
    )
