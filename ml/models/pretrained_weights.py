"""Pretrained weights: official, from a file, bundled, of a champion, or none."""

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

from ml.core.errors import PretrainedWeightsError
from ml.models.bundled_weights import read_bundled_weights
from ml.models.card import PretrainedWeights
from ml.models.checkpoint import Checkpoint, build_network, check_sha256, file_sha256

log = structlog.get_logger()

_HEAD = ("fc.weight", "fc.bias")
_TIMEOUT = httpx.Timeout(10.0)  # seconds to connect, and between two chunks of the response
_DEADLINE_SECONDS = 300.0  # for the whole download: 45 MB at 150 kB/s


@dataclass(frozen=True)
class OfficialFile:
    """A file of official weights, pinned by its SHA-256."""

    name: str
    url: str
    sha256: str

    @property
    def cached(self) -> Path:
        """Its path in torch's own cache (`TORCH_HOME`), shared with other torch programs."""
        return Path(torch.hub.get_dir()) / "checkpoints" / self.url.rsplit("/", 1)[-1]


# torchvision.models.ResNet18_Weights.IMAGENET1K_V1, 46,830,571 bytes. The file's name carries the
# first eight digits of its SHA-256; all of it is pinned here.
IMAGENET = OfficialFile(
    name="ResNet18_Weights.IMAGENET1K_V1",
    url="https://download.pytorch.org/models/resnet18-f37072fd.pth",
    sha256="f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec",
)


def load_pretrained_weights(
    setting: str, classes: int, *, official: OfficialFile = IMAGENET
) -> tuple[ResNet, PretrainedWeights]:
    """Build a network with the pretrained weights of a setting.

    Weights that are not loaded (of the head, or all) are drawn from torch's global generator.

    A setting is "auto": the official weights from torch's cache or its server, else the bundled
    ones; "imagenet": the official ones or an error; "bundled": those of this repository; "none":
    from scratch; anything else: path of a .safetensors file with a ResNet18 state dict. Returns the
    network (fp32, on the CPU) and its origin for the model card.

    Raises:
        PretrainedWeightsError: the weights are unavailable or do not fit; names the fix.
    """
    network = build_network(classes)
    if setting == "none":
        log.warning("training starts from scratch, as the setting says: expect a weaker model")
        return network, PretrainedWeights(kind="scratch", detail="asked for by the setting `none`")
    if setting in {"auto", "imagenet"}:
        return network, _from_official(network, official, required=setting == "imagenet")
    if setting == "bundled":
        return network, _from_bundled(network)
    path = Path(setting)
    _load(network, _read(path), source=str(path))
    log.info("training starts from a file", path=setting)
    return network, PretrainedWeights(kind="file", detail=file_sha256(path))


def load_champion(champion: Checkpoint, classes: Sequence[str]) -> tuple[ResNet, PretrainedWeights]:
    """Build the network of a warm start: the champion, with a head for `classes`.

    Rows of the head are matched by class name, not by position. A class that the champion does not
    know gets a row drawn from torch's global generator; rows of removed classes are dropped.

    Raises:
        PretrainedWeightsError: the champion's weights are not those of a ResNet18.
    """
    card = champion.card
    network = build_network(len(classes))
    state = _without_head(champion.state)
    known = [name for name in classes if name in card.classes]
    rows, old_rows = ([c.index(name) for name in known] for c in (classes, card.classes))
    for name in _HEAD:
        state[name] = network.get_parameter(name).detach().clone()
        state[name][rows] = champion.state[name][old_rows]
    _load(network, state, source=f"champion {card.model_hash}")
    unknown = sorted(set(classes) - set(known))
    log.info("warm start from the champion", model_hash=card.model_hash, new_classes=unknown)
    return network, PretrainedWeights(kind="champion", detail=card.model_hash)


def _from_official(
    network: nn.Module, official: OfficialFile, *, required: bool
) -> PretrainedWeights:
    try:
        state = official_state(official)
    except PretrainedWeightsError as error:
        if required:
            raise
        log.warning("official weights unavailable, using the bundled weights", reason=str(error))
        return _from_bundled(network)
    _load(network, state, source=official.name)
    log.info("training starts from the official weights", name=official.name)
    return PretrainedWeights(kind="imagenet", detail=official.name)


def _from_bundled(network: nn.Module) -> PretrainedWeights:
    state, card = read_bundled_weights()
    _load(network, state, source="the file of bundled weights")
    log.info("training starts from the bundled weights", sha256=card.sha256)
    return PretrainedWeights(kind="bundled", detail=card.sha256)


def official_state(official: OfficialFile) -> Mapping[str, torch.Tensor]:
    """Read the official state dict from torch's cache, downloading it first if it is missing.

    It is published only as a torch zip, the one pickle-based file that this project opens. Two
    safeguards: no byte is parsed before the SHA-256 of the file equals the pinned one, and
    `weights_only` restricts the unpickler to tensors.

    Raises:
        PretrainedWeightsError: the download fails, or the SHA-256 differs from the pinned one.
    """
    if not official.cached.is_file():
        _download(official)
    check_sha256(official.cached, official.sha256, "delete it and try again")
    state: Mapping[str, torch.Tensor] = torch.load(
        official.cached, map_location="cpu", weights_only=True
    )
    return state


def _download(official: OfficialFile) -> None:
    """Download to a temporary folder next to the target: the cache never holds a partial file."""
    try:
        official.cached.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=official.cached.parent) as folder:
            part = Path(folder) / official.cached.name
            _fetch(official.url, part)
            part.replace(official.cached)
    except (httpx.HTTPError, OSError) as error:
        raise PretrainedWeightsError(
            f"{official.url} cannot be downloaded ({type(error).__name__}: {error}); put the file "
            f"at {official.cached}, or set MODERATION_PRETRAINED_WEIGHTS to `bundled` or a "
            ".safetensors file"
        ) from error


def _fetch(url: str, target: Path) -> None:
    deadline = time.monotonic() + _DEADLINE_SECONDS
    with (
        httpx.stream("GET", url, timeout=_TIMEOUT, follow_redirects=True) as response,
        target.open("wb") as file,
    ):
        response.raise_for_status()
        for chunk in response.iter_bytes():
            file.write(chunk)
            if time.monotonic() > deadline:
                raise httpx.ReadTimeout(f"not complete after {_DEADLINE_SECONDS:.0f} s")


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


def _load(network: nn.Module, state: Mapping[str, torch.Tensor], *, source: str) -> None:
    """Load a state dict, without the head if its shape differs."""
    expected = network.state_dict()
    head_fits = all(n in state and state[n].shape == expected[n].shape for n in _HEAD)
    if not head_fits:
        expected, state = _without_head(expected), _without_head(state)
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
            f"{source} does not hold a torchvision ResNet18 ({'; '.join(details)}); "
            "save one with the names of torchvision.models.resnet18().state_dict()"
        )
    network.load_state_dict(dict(state), strict=False)


def _without_head(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor for name, tensor in state.items() if name not in _HEAD}
