"""The interface of every architecture: feature maps at three strides, their mean, a linear head."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import torch
from torch import nn
from torch.nn import functional

from ml.core.types import ArchitectureName


class StrideMaps(NamedTuple):
    """Feature maps (N, C, H, W): a side is the input's divided by the stride, rounded up."""

    stride_8: torch.Tensor
    stride_16: torch.Tensor
    stride_32: torch.Tensor


class Classifier(nn.Module):
    """A network of an architecture; input normalized (N, 3, H, W), output logits (N, classes).

    `head_name` is the head's in the state dict, `channels` are those of the feature maps.
    """

    architecture: ClassVar[ArchitectureName]
    head_name: ClassVar[str]
    channels: ClassVar[tuple[int, int, int]]

    @property
    @abstractmethod
    def stages(self) -> Sequence[Sequence[nn.Module]]:
        """The layers before the pooling, in three parts: up to the last map of each stride."""

    @property
    def head(self) -> nn.Linear:
        """The last layer, from the features to the logits."""
        head: nn.Linear = self.get_submodule(self.head_name)  # type: ignore[assignment]  # by definition
        return head

    @property
    def head_parameters(self) -> tuple[str, str]:
        """Names of the head's weight and bias in the state dict."""
        return f"{self.head_name}.weight", f"{self.head_name}.bias"

    def feature_maps(self, images: torch.Tensor) -> StrideMaps:
        """The last feature maps of each stride."""
        maps = []
        for stage in self.stages:
            for layer in stage:
                images = layer(images)
            maps.append(images)
        return StrideMaps(*maps)

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """The head's input: the mean of the last feature maps, (N, F)."""
        return functional.adaptive_avg_pool2d(self.feature_maps(images).stride_32, 1).flatten(1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (N, classes)."""
        logits: torch.Tensor = self.head(self.features(images))
        return logits
