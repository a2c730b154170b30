"""The network of the text gate: five small convolutions, one logit per cell of 8 x 8 pixels."""

import warnings
from pathlib import Path

import torch
from torch import nn

from ml.vision.screens.text.gate import CELLS, SHORT_SIDE

_CHANNELS = (8, 16, 24, 24)


def build_network() -> nn.Sequential:
    """Return a new network: grayscale (N, 1, H, W), -0.5..0.5, to logits (N, 1, H/8, W/8)."""
    first, second, third, fourth = _CHANNELS
    return nn.Sequential(
        *_layer(1, first, kernel=5, stride=2),
        *_layer(first, second, stride=2),
        *_layer(second, third, stride=2),
        *_layer(third, fourth, dilation=2),
        nn.Conv2d(fourth, 1, 1),
    )


def _layer(
    in_channels: int, channels: int, *, kernel: int = 3, stride: int = 1, dilation: int = 1
) -> tuple[nn.Module, ...]:
    padding = dilation * (kernel // 2)
    convolution = nn.Conv2d(in_channels, channels, kernel, stride, padding, dilation, bias=False)
    return convolution, nn.BatchNorm2d(channels), nn.ReLU()


def pool_logits(cells: torch.Tensor) -> torch.Tensor:
    """Return the logit of each photo (N,), the mean of its highest cell logits (N, H, W)."""
    return cells.flatten(1).topk(CELLS, dim=1).values.mean(dim=1)


def export_onnx(network: nn.Module, path: Path) -> None:
    """Write the network as ONNX with dynamic height and width."""
    example = torch.zeros(1, 1, SHORT_SIDE, SHORT_SIDE)
    with warnings.catch_warnings():
        # The new exporter needs another package and writes the same graph.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            network.eval(),
            (example,),
            path,
            input_names=["grey"],
            output_names=["cells"],
            dynamic_axes={"grey": {2: "height", 3: "width"}},
            dynamo=False,
        )
