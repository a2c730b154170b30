"""Graphs of OpenVINO: a network, built layer by layer from torch's in memory; and files.

OpenVINO's own converter traces the network by an interface that torch has deprecated, takes
seconds, and gives the same graph.
"""

from collections.abc import Iterable
from functools import singledispatch
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import openvino as ov
import openvino.opset13 as ops
import torch
from torch import nn
from torchvision.models.resnet import BasicBlock

from ml.models.architectures.classifier import Classifier
from ml.models.architectures.efficientnet_lite0 import InvertedResidual, SameConv2d
from ml.models.checkpoint import QuantizedNetwork
from ml.models.inference.torch_backend import fuse_batch_norm
from ml.vision.images.preprocess import Preprocessing


def build_model(network: Classifier, spec: Preprocessing, *, batch_size: int) -> ov.Model:
    """Build the graph of a network in evaluation mode, which is changed: its batch norm is fused.

    Input: prepared photos, uint8 (batch_size, 3, crop, crop); output: logits, float32
    (batch_size, classes), and features, float32 (batch_size, F).
    """
    fused = fuse_batch_norm(network)
    pixels = ops.parameter([batch_size, 3, spec.crop, spec.crop], dtype=np.uint8, name="pixels")
    node = _normalize(pixels, spec)
    for stage in fused.stages:
        node = _add_layers(stage, node)
    features = ops.reduce_mean(node, ops.constant(np.array([2, 3])), keep_dims=False)
    logits = ops.matmul(features, _constant(fused.head.weight), False, True)
    biased = ops.add(logits, _constant(fused.head.bias[None]))
    return ov.Model([biased, features], [pixels], network.architecture)


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


def _add_layers(layers: Iterable[nn.Module], node: ov.Node) -> ov.Node:
    for layer in layers:
        node = _add_layer(layer, node)
    return node


@singledispatch
def _add_layer(layer: nn.Module, node: ov.Node) -> ov.Node:
    """Add the operations of a layer to a graph."""
    raise NotImplementedError(f"no operation of OpenVINO is known for {type(layer).__name__}")


@_add_layer.register
def _(layer: nn.Sequential, node: ov.Node) -> ov.Node:
    return _add_layers(layer, node)


@_add_layer.register
def _(_layer: nn.Identity, node: ov.Node) -> ov.Node:
    return node


@_add_layer.register
def _(_layer: nn.ReLU, node: ov.Node) -> ov.Node:
    return ops.relu(node)


@_add_layer.register
def _(_layer: nn.ReLU6, node: ov.Node) -> ov.Node:
    return ops.clamp(node, 0.0, 6.0)


@_add_layer.register
def _(layer: nn.MaxPool2d, node: ov.Node) -> ov.Node:
    stride, padding, kernel = ([n, n] for n in (layer.stride, layer.padding, layer.kernel_size))
    return ops.max_pool(node, stride, [1, 1], padding, padding, kernel).output(0)


@_add_layer.register
def _(block: BasicBlock, node: ov.Node) -> ov.Node:
    inner = _add_layers([block.conv1, block.relu, block.conv2], node)
    shortcut = node if block.downsample is None else _add_layer(block.downsample, node)
    return ops.relu(ops.add(inner, shortcut))


@_add_layer.register
def _(block: InvertedResidual, node: ov.Node) -> ov.Node:
    inner = _add_layer(block.layers, node)
    return ops.add(inner, node) if block.has_shortcut else inner


@_add_layer.register
def _(layer: nn.Conv2d, node: ov.Node) -> ov.Node:
    padding, weight = list(layer.padding), layer.weight
    convolve = ops.convolution
    if layer.groups > 1:
        convolve = ops.group_convolution
        weight = weight.view(layer.groups, -1, *weight.shape[1:])
    automatic = "same_upper" if isinstance(layer, SameConv2d) else "explicit"
    convolved = convolve(
        node, _constant(weight), list(layer.stride), padding, padding, list(layer.dilation),
        auto_pad=automatic,
    )  # fmt: skip
    if layer.bias is None:  # no batch norm was fused into it
        return convolved
    return ops.add(convolved, _constant(layer.bias.view(1, -1, 1, 1)))


def _constant(tensor: torch.Tensor) -> ov.Node:
    return ops.constant(tensor.detach().contiguous().numpy(), dtype=np.float32)
