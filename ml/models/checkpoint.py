"""One model version in a folder: `weights.safetensors` and `card.json`; no pickle is ever read."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save_file
from torch import nn

from ml.core.errors import ModelError, ModelHashMismatch, PretrainedWeightsError
from ml.core.types import ArchitectureName
from ml.models.architectures.classifier import Classifier
from ml.models.architectures.efficientnet_lite0 import EfficientNetLite0
from ml.models.architectures.resnet18 import ResNet18
from ml.models.card import Int8Variant, ModelCard, read_card

WEIGHTS = "weights.safetensors"
CARD = "card.json"
INT8 = ("int8.xml", "int8.bin")  # the graph and the weights of the int8 variant

ARCHITECTURES: dict[ArchitectureName, type[Classifier]] = {
    network.architecture: network for network in (ResNet18, EfficientNetLite0)
}

Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class QuantizedNetwork:
    """A quantized network in OpenVINO's format: the graph as XML, and its weights."""

    graph: bytes
    weights: bytes


@dataclass(frozen=True)
class Checkpoint:
    """Weights (name -> tensor, on the CPU) and their model card; the int8 variant if asked for."""

    state: dict[str, torch.Tensor]
    card: ModelCard
    int8: QuantizedNetwork | None = None

    def build_network(self) -> Classifier:
        """The version's network, as `restore_network` builds it."""
        return restore_network(self.state, len(self.card.classes), self.card.architecture)


def save_weights(state: dict[str, torch.Tensor], folder: Path) -> str:
    """Write the weights file and return its SHA-256 (hex), which goes into the card."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / WEIGHTS
    save_file({name: t.detach().cpu().contiguous() for name, t in state.items()}, path)
    return file_sha256(path)


def save_card(card: ModelCard, folder: Path) -> None:
    """Write the card into the version's folder."""
    (folder / CARD).write_text(card.to_json(), encoding="utf-8")


def save_int8(network: QuantizedNetwork, folder: Path) -> tuple[str, str]:
    """Write the quantized network's files; returns their SHA-256 (hex), which go into the card."""
    for name, data in zip(INT8, (network.graph, network.weights), strict=True):
        (folder / name).write_bytes(data)
    graph, weights = (file_sha256(folder / name) for name in INT8)
    return graph, weights


def load_int8(folder: Path, variant: Int8Variant) -> QuantizedNetwork:
    """Load a version's int8 variant and verify its hashes.

    Raises:
        ModelHashMismatch: its files are not those that the card names.
        ModelError: a file is missing.
    """
    try:
        graph, weights = ((folder / name).read_bytes() for name in INT8)
    except OSError as error:
        raise ModelError(f"no int8 variant in {folder}: {error}") from error
    expected = variant.graph_sha256, variant.weights_sha256
    if tuple(hashlib.sha256(data).hexdigest() for data in (graph, weights)) != expected:
        raise ModelHashMismatch(
            f"the int8 variant in {folder} is not the one that the card names; put it back from a "
            "backup of the bucket, or set MODERATION_NUMBER_TYPE=float32"
        )
    return QuantizedNetwork(graph, weights)


def load_checkpoint(folder: Path, *, model_hash: str | None = None) -> Checkpoint:
    """Load a version and verify its hashes; without `model_hash`, any version is accepted.

    Raises:
        ModelHashMismatch: card or weights are not those that were hashed.
        ModelError: a file is missing, or is not a safetensors file.
    """
    try:
        card = read_card((folder / CARD).read_bytes(), source=folder / CARD)
        data = (folder / WEIGHTS).read_bytes()
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"no model version in {folder}: {error}") from error
    if model_hash is not None and card.model_hash != model_hash:
        raise ModelHashMismatch(f"{folder} holds version {card.model_hash}, not {model_hash}")
    weights_sha256 = hashlib.sha256(data).hexdigest()
    if weights_sha256 != card.weights_sha256:
        raise ModelHashMismatch(
            f"the weights in {folder} hash to {weights_sha256}, the card names "
            f"{card.weights_sha256}; fetch the version again from the bucket"
        )
    try:
        return Checkpoint(load(data), card)
    except SafetensorError as error:
        raise ModelError(f"{folder / WEIGHTS} is not a safetensors file: {error}") from error


def check_sha256(path: Path, expected: str, remedy: str) -> None:
    """Check the bytes of a file of pretrained weights before anything parses them.

    Raises:
        PretrainedWeightsError: the SHA-256 is another one; the message names the remedy.
    """
    sha256 = file_sha256(path)
    if sha256 != expected:
        raise PretrainedWeightsError(f"{path} hashes to {sha256}, not {expected}: {remedy}")


def file_sha256(path: Path) -> str:
    """SHA-256 (hex) of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def build_network(classes: int, architecture: ArchitectureName = "resnet18") -> Classifier:
    """Build a network with random weights, drawn from torch's global generator."""
    return ARCHITECTURES[architecture](classes)


def restore_network(
    state: Mapping[str, torch.Tensor], classes: int, architecture: ArchitectureName
) -> Classifier:
    """Build a network with the weights of a state dict, on the CPU, in evaluation mode.

    Raises:
        ModelError: the state dict does not fit the network.
    """
    # Drawing millions of initial weights only to overwrite them would take most of the time.
    with torch.device("meta"):
        network = build_network(classes, architecture)
    network.to_empty(device="cpu")
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise ModelError(f"weights do not fit {architecture}: {error}") from error
    return network.eval()


def move_network(network: Network, device: torch.device) -> Network:
    """Move a network to a device in channels-last layout, in place; returns it."""
    moved: Network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs know no memory format for modules
    return moved
