"""Teacher and student: EfficientNet-Lite0 with ImageNet weights, a ResNet18 without its head."""

from dataclasses import dataclass

import torch
from torch import nn

from ml.models.architectures.classifier import Classifier
from ml.models.architectures.efficientnet_lite0 import EfficientNetLite0
from ml.models.architectures.resnet18 import ResNet18
from ml.models.checkpoint import build_network, restore_network
from ml.models.imagenet_weights import EFFICIENTNET_LITE0, IMAGENET_CLASSES

TEACHER = f"EfficientNet-Lite0 ({EFFICIENTNET_LITE0.name}), Apache-2.0"
STRIDES = ("stride_8", "stride_16", "stride_32")
TEACHER_CHANNELS = dict(zip(STRIDES, EfficientNetLite0.channels, strict=True))
STUDENT_CHANNELS = dict(zip(STRIDES, ResNet18.channels, strict=True))


@dataclass(frozen=True)
class FeatureMaps:
    """Feature maps (N, C, H, W) at three strides, pooled features (N, F), logits (N, 1000).

    A student's are its predictions of the teacher's, with the teacher's channels; `features` are
    its own pooled ones, the teacher's are `pooled`.
    """

    stride_8: torch.Tensor
    stride_16: torch.Tensor
    stride_32: torch.Tensor
    pooled: torch.Tensor
    logits: torch.Tensor
    features: torch.Tensor


class Teacher(nn.Module):
    """Frozen network; input normalized (N, 3, S, S) fp32, S a multiple of 32.

    It computes in bfloat16, twice as fast on CPUs that have it: its outputs are only targets.
    """

    def __init__(self, network: Classifier) -> None:
        super().__init__()
        self._network = network.eval().requires_grad_(requires_grad=False)

    @torch.no_grad()
    def forward(self, crops: torch.Tensor) -> FeatureMaps:
        """Feature maps and logits, fp32."""
        with torch.autocast(crops.device.type, torch.bfloat16):
            maps = self._network.feature_maps(crops)
            pooled = maps.stride_32.mean(dim=(2, 3))
            logits = self._network.head(pooled)
        return FeatureMaps(*(values.float() for values in (*maps, pooled, logits, pooled)))


def load_teacher() -> Teacher:
    """Build the teacher from the installed package of its weights.

    Raises:
        PretrainedWeightsError: it is missing, or the file's SHA-256 is not the pinned one.
    """
    state = EFFICIENTNET_LITE0.load()
    return Teacher(restore_network(state, IMAGENET_CLASSES, "efficientnet_lite0"))


class Student(nn.Module):
    """`trunk` is the result; the projections are needed for the loss only.

    Input normalized (N, 3, S, S) fp32, S a multiple of 32.
    """

    def __init__(self) -> None:
        super().__init__()
        self.trunk = build_network(1)
        self.trunk.set_submodule(self.trunk.head_name, nn.Identity())
        self.projections = nn.ModuleDict(
            {
                stride: nn.Conv2d(channels, TEACHER_CHANNELS[stride], 1)
                for stride, channels in STUDENT_CHANNELS.items()
            }
        )
        last = STUDENT_CHANNELS["stride_32"]
        self.pooled = nn.Linear(last, TEACHER_CHANNELS["stride_32"])
        self.classes = nn.Linear(last, IMAGENET_CLASSES)

    def forward(self, crops: torch.Tensor) -> FeatureMaps:
        """The student's prediction of the teacher's feature maps and logits."""
        maps = self.trunk.feature_maps(crops)
        pooled = maps.stride_32.mean(dim=(2, 3))
        return FeatureMaps(
            self.projections["stride_8"](maps.stride_8),
            self.projections["stride_16"](maps.stride_16),
            self.projections["stride_32"](maps.stride_32),
            self.pooled(pooled),
            self.classes(pooled),
            pooled,
        )
