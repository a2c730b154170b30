"""Pretrained weights: official, from a file, bundled, of a champion, or none."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import structlog
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from ml.core.errors import PretrainedWeightsError
from ml.core.types import ArchitectureName
from ml.models.architectures.classifier import Classifier
from ml.models.bundled_weights import read_bundled_weights
from ml.models.card import PretrainedWeights
from ml.models.checkpoint import Checkpoint, build_network, file_sha256
from ml.models.imagenet_weights import IMAGENET, ImageNetWeights

log = structlog.get_logger()

BUNDLED_ARCHITECTURE: ArchitectureName = "resnet18"


def load_pretrained_weights(
    setting: str,
    classes: int,
    architecture: ArchitectureName = "resnet18",
    *,
    official: ImageNetWeights | None = None,
) -> tuple[Classifier, PretrainedWeights]:
    """Build a network with the pretrained weights of a setting.

    Weights that are not loaded (of the head, or all) are drawn from torch's global generator.

    A setting is "auto": the ImageNet weights, for ResNet18 from torch's cache or its server and
    else the bundled ones, for EfficientNet-Lite0 from their package; "imagenet": the same or an
    error; "bundled": those of this repository, of ResNet18 alone; "none": from scratch; anything
    else: path of a .safetensors file with a state dict of the architecture. Returns the network
    (fp32, on the CPU) and its origin for the model card. `official` replaces the ImageNet weights.

    Raises:
        PretrainedWeightsError: the weights are unavailable or do not fit; names the fix.
    """
    network = build_network(classes, architecture)
    if setting == "none":
        log.warning("training starts from scratch, as the setting says: expect a weaker model")
        return network, PretrainedWeights(kind="scratch", detail="asked for by the setting `none`")
    if setting in {"auto", "imagenet"}:
        imagenet = official or IMAGENET[architecture]
        required = setting == "imagenet" or architecture != BUNDLED_ARCHITECTURE
        return network, _from_imagenet(network, imagenet, required=required)
    if setting == "bundled":
        return network, _from_bundled(network)
    path = Path(setting)
    _load(network, _read(path), source=str(path))
    log.info("training starts from a file", path=setting)
    return network, PretrainedWeights(kind="file", detail=file_sha256(path))


def load_champion(
    champion: Checkpoint, classes: Sequence[str]
) -> tuple[Classifier, PretrainedWeights]:
    """Build the network of a warm start: the champion, with a head for `classes`.

    Rows of the head are matched by class name, not by position. A class that the champion does not
    know gets a row drawn from torch's global generator; rows of removed classes are dropped.

    Raises:
        PretrainedWeightsError: the champion's weights are not those of its architecture.
    """
    card = champion.card
    network = build_network(len(classes), card.architecture)
    state = _without_head(champion.state, network)
    known = [name for name in classes if name in card.classes]
    rows, old_rows = ([c.index(name) for name in known] for c in (classes, card.classes))
    for name in network.head_parameters:
        state[name] = network.get_parameter(name).detach().clone()
        state[name][rows] = champion.state[name][old_rows]
    _load(network, state, source=f"champion {card.model_hash}")
    unknown = sorted(set(classes) - set(known))
    log.info("warm start from the champion", model_hash=card.model_hash, new_classes=unknown)
    return network, PretrainedWeights(kind="champion", detail=card.model_hash)


def _from_imagenet(
    network: Classifier, imagenet: ImageNetWeights, *, required: bool
) -> PretrainedWeights:
    try:
        state = imagenet.load()
    except PretrainedWeightsError as error:
        if required:
            raise
        log.warning("official weights unavailable, using the bundled weights", reason=str(error))
        return _from_bundled(network)
    _load(network, state, source=imagenet.name)
    log.info("training starts from the ImageNet weights", name=imagenet.name)
    return PretrainedWeights(kind="imagenet", detail=imagenet.name)


def _from_bundled(network: Classifier) -> PretrainedWeights:
    if network.architecture != BUNDLED_ARCHITECTURE:
        raise PretrainedWeightsError(
            f"there are no bundled weights of {network.architecture}: set "
            "MODERATION_PRETRAINED_WEIGHTS to `imagenet`, or MODERATION_ARCHITECTURE to "
            f"{BUNDLED_ARCHITECTURE}"
        )
    state, card = read_bundled_weights()
    _load(network, state, source="the file of bundled weights")
    log.info("training starts from the bundled weights", sha256=card.sha256)
    return PretrainedWeights(kind="bundled", detail=card.sha256)


def _read(path: Path) -> Mapping[str, torch.Tensor]:
    if path.suffix != ".safetensors":
        raise PretrainedWeightsError(
            f"pretrained weights `{path}`: name `auto`, `imagenet`, `bundled`, `none` or a "
            ".safetensors file (other formats are not opened: they may run code)"
        )
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise PretrainedWeightsError(f"{path} cannot be read as safetensors: {error}") from error


def _load(network: Classifier, state: Mapping[str, torch.Tensor], *, source: str) -> None:
    """Load a state dict, without the head if its shape differs."""
    expected = network.state_dict()
    head = network.head_parameters
    head_fits = all(n in state and state[n].shape == expected[n].shape for n in head)
    if not head_fits:
        expected, state = _without_head(expected, network), _without_head(state, network)
    misshapen = [n for n in expected.keys() & state.keys() if expected[n].shape != state[n].shape]
    # Other programs leave out the counters of batch norm, and training here ignores them.
    counters = {name for name in expected if name.endswith(".num_batches_tracked")}
    problems = {
        "missing": sorted(expected.keys() - state.keys() - counters),
        "unknown": sorted(state.keys() - expected.keys()),
        "of another shape": sorted(misshapen),
    }
    details = [f"{problem}: {', '.join(names[:3])}" for problem, names in problems.items() if names]
    if details:
        raise PretrainedWeightsError(
            f"{source} does not hold weights of {network.architecture} ({'; '.join(details)}); "
            "name weights of it, or set MODERATION_ARCHITECTURE to the architecture of these"
        )
    network.load_state_dict(dict(state), strict=False)


def _without_head(
    state: Mapping[str, torch.Tensor], network: Classifier
) -> dict[str, torch.Tensor]:
    return {name: tensor for name, tensor in state.items() if name not in network.head_parameters}
