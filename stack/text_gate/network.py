"""The network of the text gate: five small convolutions, one logit a cell of 8 x 8 pixels."""

import warnings
from pathlib import Path

import torch
from torch import nn

from ml.screens.text_gate import CELLS, SHORT_SIDE

_CHANNELS = (8, 16, 24, 24)


def build() -> nn.Sequential:
    """The network with drawn weights: grey (N, 1, H, W), -0.5..0.5, to logits (N, 1, H/8, W/8)."""
    first, second, third, fourth = _CHANNELS
    return nn.Sequential(
        *_layer(1, first, kernel=5, stride=2),
        *_layer(first, second, stride=2),
        *_layer(second, third, stride=2),
        *_layer(third, fourth, dilation=2),
        nn.Conv2d(fourth, 1, 1),
    )


def _layer(
    given: int, made: int, *, kernel: int = 3, stride: int = 1, dilation: int = 1
) -> tuple[nn.Module, ...]:
    padding = dilation * (kernel // 2)
    convolution = nn.Conv2d(given, made, kernel, stride, padding, dilation, bias=False)
    return convolution, nn.BatchNorm2d(made), nn.ReLU()


def pooled(cells: torch.Tensor) -> torch.Tensor:
    """The logit of each photo (N,): the mean of its likeliest cells, (N, H, W)."""
    return cells.flatten(1).topk(CELLS, dim=1).values.mean(dim=1)


def export(network: nn.Module, path: Path) -> None:
    """Write the network as ONNX, for pictures of any size."""
    example = torch.zeros(1, 1, SHORT_SIDE, SHORT_SIDE)
    with warnings.catch_warnings():
        # The exporter that is not deprecated needs one more package, and writes the same graph.
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
