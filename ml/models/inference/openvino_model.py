"""Graphs of OpenVINO: a ResNet18, built layer by layer from torch's in memory; and files.

OpenVINO's own converter traces the network by an interface that torch has deprecated, takes
seconds, and gives the same graph.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import openvino as ov
import openvino.opset13 as ops
import torch
from torch import nn
from torchvision.models import ResNet
from torchvision.models.resnet import BasicBlock

from ml.models.checkpoint import QuantizedNetwork
from ml.models.inference.torch_backend import fuse_batch_norm
from ml.vision.images.preprocess import Preprocessing


def build_model(network: ResNet, spec: Preprocessing, *, batch_size: int) -> ov.Model:
    """Build the graph of a network in evaluation mode, which is changed: its batch norm is fused.

    Input: prepared photos, uint8 (batch_size, 3, crop, crop); output: logits, float32
    (batch_size, classes).
    """
    fused = fuse_batch_norm(network)
    pixels = ops.parameter([batch_size, 3, spec.crop, spec.crop], dtype=np.uint8, name="pixels")
    node = ops.relu(_convolve(_normalize(pixels, spec), fused.conv1))
    node = ops.max_pool(node, [2, 2], [1, 1], [1, 1], [1, 1], [3, 3]).output(0)
    for layer in (fused.layer1, fused.layer2, fused.layer3, fused.layer4):
        for block in layer.children():
            node = _add_block(node, block)
    features = ops.reduce_mean(node, ops.constant(np.array([2, 3])), keep_dims=False)
    logits = ops.matmul(features, _constant(fused.fc.weight), False, True)
    return ov.Model([ops.add(logits, _constant(fused.fc.bias[None]))], [pixels], "resnet18")


def serialize_model(graph: ov.Model) -> QuantizedNetwork:
    """The bytes of a quantized network."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "int8.xml"
        ov.save_model(graph, path, compress_to_fp16=False)
        return QuantizedNetwork(path.read_bytes(), path.with_suffix(".bin").read_bytes())


def _normalize(pixels: ov.Node, spec: Preprocessing) -> ov.Node:
    """The operations of `ml.vision.images.preprocess.normalize`."""
    scaled = ops.divide(ops.convert(pixels, "f32"), ops.constant(np.float32(255)))
    mean, std = (
        ops.constant(np.array(values, np.float32).reshape(1, 3, 1, 1))
        for values in (spec.mean, spec.std)
    )
    return ops.divide(ops.subtract(scaled, mean), std)


def _add_block(node: ov.Node, block: BasicBlock) -> ov.Node:
    inner = _convolve(ops.relu(_convolve(node, block.conv1)), block.conv2)
    shortcut = node if block.downsample is None else _convolve(node, block.downsample[0])
    return ops.relu(ops.add(inner, shortcut))


def _convolve(node: ov.Node, layer: nn.Conv2d) -> ov.Node:
    padding = list(layer.padding)
    convolved = ops.convolution(
        node, _constant(layer.weight), list(layer.stride), padding, padding, list(layer.dilation)
    )
    if layer.bias is None:  # no batch norm was fused into it
        return convolved
    return ops.add(convolved, _constant(layer.bias.view(1, -1, 1, 1)))


def _constant(tensor: torch.Tensor) -> ov.Node:
    return ops.constant(tensor.detach().contiguous().numpy(), dtype=np.float32)
