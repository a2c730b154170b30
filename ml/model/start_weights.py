"""What training starts from: official, a file's, the shipped or a champion's weights, or none."""

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import structlog
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn
from torchvision.models import ResNet

from ml.errors import StartWeightsError
from ml.model.card import StartWeights
from ml.model.checkpoint import Checkpoint, file_sha256
from ml.model.resnet18 import build
from ml.model.shipped_weights import read_start_weights

log = structlog.get_logger()

_HEAD = ("fc.weight", "fc.bias")
_TIMEOUT = httpx.Timeout(10.0)  # seconds to connect, and between two pieces of the answer
_DEADLINE_SECONDS = 300.0  # for the whole download: 45 MB at 150 kB/s


@dataclass(frozen=True)
class OfficialFile:
    """A file of official weights: where it is, and which bytes it must be."""

    name: str
    url: str
    sha256: str

    @property
    def cached(self) -> Path:
        """Its place in torch's own cache (`TORCH_HOME`), shared with other torch programs."""
        return Path(torch.hub.get_dir()) / "checkpoints" / self.url.rsplit("/", 1)[-1]


# torchvision.models.ResNet18_Weights.IMAGENET1K_V1, 46,830,571 bytes. The file's name carries the
# first eight digits of its SHA-256; the whole is pinned here.
IMAGENET = OfficialFile(
    name="ResNet18_Weights.IMAGENET1K_V1",
    url="https://download.pytorch.org/models/resnet18-f37072fd.pth",
    sha256="f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec",
)


def load_start_weights(
    setting: str, classes: int, *, official: OfficialFile = IMAGENET
) -> tuple[ResNet, StartWeights]:
    """Build the network that training starts from.

    Whatever is not loaded (the head, or all of it) is drawn from torch's global generator.

    Args:
        setting: "auto": the official weights from torch's cache or its server, else the shipped
            ones; "imagenet": the official ones or an error; "shipped": those that come with this
            repository; "none": from scratch; anything else: path of a .safetensors file with a
            ResNet18 state dict.
        classes: outputs of the head.
        official: the file behind "auto" and "imagenet".

    Returns:
        The network (fp32, on the CPU) and what the model card says about its origin.

    Raises:
        StartWeightsError: what was named cannot be had or does not fit; says the remedy.
    """
    network = build(classes)
    if setting == "none":
        log.warning("training starts from scratch, as the setting asks: expect a weaker model")
        return network, StartWeights(kind="scratch", detail="asked for by the setting `none`")
    if setting in {"auto", "imagenet"}:
        return network, _from_official(network, official, required=setting == "imagenet")
    if setting == "shipped":
        return network, _from_shipped(network)
    path = Path(setting)
    _load(network, _read(path), source=str(path))
    log.info("training starts from a file", path=setting)
    return network, StartWeights(kind="file", detail=file_sha256(path))


def load_champion(champion: Checkpoint, classes: Sequence[str]) -> tuple[ResNet, StartWeights]:
    """Build the network that a warm start trains on: the champion, with a head for `classes`.

    Rows of the head follow their class by name, whatever its place. A class that the champion does
    not know has a row drawn from torch's global generator; one that is gone leaves no trace.

    Raises:
        StartWeightsError: the champion's weights are no ResNet18.
    """
    card = champion.card
    network = build(len(classes))
    state = {n: t for n, t in champion.state.items() if n not in _HEAD}
    for name in _HEAD:
        rows = network.get_parameter(name).detach().clone()
        for row, class_name in enumerate(classes):
            if class_name in card.classes:
                rows[row] = champion.state[name][card.classes.index(class_name)]
        state[name] = rows
    _load(network, state, source=f"champion {card.model_hash}")
    unknown = sorted(set(classes) - set(card.classes))
    log.info("warm start from the champion", model_hash=card.model_hash, new_classes=unknown)
    return network, StartWeights(kind="champion", detail=card.model_hash)


def _from_official(network: nn.Module, official: OfficialFile, *, required: bool) -> StartWeights:
    try:
        state = official_state(official)
    except StartWeightsError as error:
        if required:
            raise
        log.warning("the official weights cannot be had: the shipped ones serve", reason=str(error))
        return _from_shipped(network)
    _load(network, state, source=official.name)
    log.info("training starts from the official weights", name=official.name)
    return StartWeights(kind="imagenet", detail=official.name)


def _from_shipped(network: nn.Module) -> StartWeights:
    state, card = read_start_weights()
    _load(network, state, source="the shipped start weights")
    log.info("training starts from the shipped weights", sha256=card.sha256)
    return StartWeights(kind="shipped", detail=card.sha256)


def official_state(official: OfficialFile) -> Mapping[str, torch.Tensor]:
    """Read the official state dict from torch's cache, downloading it first where it is absent.

    It is published as a torch zip only, the one pickle-based file that this project opens. Two
    locks make it safe: no byte is parsed before the SHA-256 of the file equals the pinned one, and
    `weights_only` restricts the unpickler to tensors.

    Raises:
        StartWeightsError: no network, or bytes that are not the pinned ones.
    """
    if not official.cached.is_file():
        _download(official)
    found = file_sha256(official.cached)
    if found != official.sha256:
        raise StartWeightsError(
            f"{official.cached} hashes to {found}, not {official.sha256}; delete it and try again"
        )
    state: Mapping[str, torch.Tensor] = torch.load(
        official.cached, map_location="cpu", weights_only=True
    )
    return state


def _download(official: OfficialFile) -> None:
    """Fetch into a temporary file beside the target: the cache never holds half a file."""
    try:
        official.cached.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=official.cached.parent) as folder:
            part = Path(folder) / official.cached.name
            _fetch(official.url, part)
            part.replace(official.cached)
    except (httpx.HTTPError, OSError) as error:
        raise StartWeightsError(
            f"{official.url} cannot be had ({type(error).__name__}: {error}); put the file at "
            f"{official.cached}, or set MODERATION_START_WEIGHTS to `shipped` or a .safetensors "
            "file"
        ) from error


def _fetch(url: str, target: Path) -> None:
    deadline = time.monotonic() + _DEADLINE_SECONDS
    with (
        httpx.stream("GET", url, timeout=_TIMEOUT, follow_redirects=True) as answer,
        target.open("wb") as file,
    ):
        answer.raise_for_status()
        for piece in answer.iter_bytes():
            file.write(piece)
            if time.monotonic() > deadline:
                raise httpx.ReadTimeout(f"not complete after {_DEADLINE_SECONDS:.0f} s")


def _read(path: Path) -> Mapping[str, torch.Tensor]:
    if path.suffix != ".safetensors":
        raise StartWeightsError(
            f"start weights `{path}`: name `auto`, `imagenet`, `shipped`, `none` or a .safetensors "
            "file (other formats are not opened: they may run code)"
        )
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise StartWeightsError(f"{path} cannot be read as safetensors: {error}") from error


def _load(network: nn.Module, state: Mapping[str, torch.Tensor], *, source: str) -> None:
    """Load all but a head of another size."""
    expected = network.state_dict()
    head_fits = all(n in state and state[n].shape == expected[n].shape for n in _HEAD)
    wanted = {n: t for n, t in expected.items() if head_fits or n not in _HEAD}
    given = {n: t for n, t in state.items() if head_fits or n not in _HEAD}
    wrong = [n for n in wanted.keys() & given.keys() if wanted[n].shape != given[n].shape]
    problems = {
        "missing": sorted(wanted.keys() - given.keys() - _optional(wanted)),
        "unknown": sorted(given.keys() - wanted.keys()),
        "of another shape": sorted(wrong),
    }
    said = [f"{word}: {', '.join(names[:3])}" for word, names in problems.items() if names]
    if said:
        raise StartWeightsError(
            f"{source} holds no torchvision ResNet18 ({'; '.join(said)}); "
            "save one with the names of torchvision.models.resnet18().state_dict()"
        )
    network.load_state_dict(given, strict=False)


def _optional(names: Mapping[str, torch.Tensor]) -> set[str]:
    """Counters of batch norm: other programs leave them out, and training here ignores them."""
    return {n for n in names if n.endswith(".num_batches_tracked")}
