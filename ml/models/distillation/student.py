"""The student: a ResNet18 without its head, and projections to the teacher's features."""

import torch
from torch import nn

from ml.models.checkpoint import build_network
from ml.models.distillation.losses import (
    IMAGENET_CLASSES,
    STUDENT_CHANNELS,
    TEACHER_CHANNELS,
    FeatureMaps,
)

_PREFIX = "trunk."
_HEAD = ("fc.weight", "fc.bias")


class Student(nn.Module):
    """`trunk` is the result; the projections are needed for the loss only.

    Input normalised (N, 3, S, S) fp32, S a multiple of 32.
    """

    def __init__(self) -> None:
        super().__init__()
        self.trunk = build_network(1)
        self.trunk.fc = nn.Identity()
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
        trunk = self.trunk
        x = trunk.maxpool(trunk.relu(trunk.bn1(trunk.conv1(crops))))
        stride_8 = trunk.layer2(trunk.layer1(x))
        stride_16 = trunk.layer3(stride_8)
        stride_32 = trunk.layer4(stride_16)
        pooled = stride_32.mean(dim=(2, 3))
        return FeatureMaps(
            self.projections["stride_8"](stride_8),
            self.projections["stride_16"](stride_16),
            self.projections["stride_32"](stride_32),
            self.pooled(pooled),
            self.classes(pooled),
        )


def trunk_state(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The trunk of a student's state dict, under torchvision's names, without the head."""
    trunk = {n.removeprefix(_PREFIX): t for n, t in state.items() if n.startswith(_PREFIX)}
    return {name: tensor for name, tensor in trunk.items() if name not in _HEAD}
