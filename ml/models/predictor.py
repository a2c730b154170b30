"""The predictor: a loaded model version that turns prepared pixels into calibrated scores."""

import platform
from collections.abc import Sequence
from importlib.metadata import version
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import softmax
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.models import ResNet

from ml.core.errors import SettingsError
from ml.models.card import ModelCard
from ml.models.checkpoint import Checkpoint, move_network
from ml.vision.images.preprocess import normalize


def resolve_device(setting: str) -> torch.device:
    """The device of a setting: `auto` (CUDA where there is one, else CPU), `cpu`, `cuda`, `cuda:N`.

    Raises:
        SettingsError: the named CUDA device does not exist.
    """
    if setting == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(setting)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise SettingsError(
            f"MODERATION_DEVICE={setting}, but this machine shows {torch.cuda.device_count()} CUDA "
            "devices; set it to auto or cpu, or fix the driver"
        )
    return device


def describe_device(device: torch.device) -> str:
    """One line for the operator: the GPU's name and memory, or the CPU's threads and dtype."""
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        return f"GPU {properties.name}, {properties.total_memory / 2**30:.0f} GiB"
    dtype = "bfloat16" if preferred_dtype(device) is torch.bfloat16 else "float32"
    return f"CPU, {torch.get_num_threads()} threads, {dtype}"


# The libraries that a score depends on; and the instructions that torch uses on this CPU, which are
# no library but change the last bits of a score as well.
_RUNTIME = {
    "python": platform.python_version(),
    **{name: version(name) for name in ("torch", "torchvision", "pillow", "numpy")},
    "cpu": torch.backends.cpu.get_cpu_capability(),
}


def runtime_fingerprint(batch_size: int) -> dict[str, str]:
    """All that a score depends on besides photo, model version and device, for replays."""
    return {**_RUNTIME, "batch_size": str(batch_size)}


def preferred_dtype(device: torch.device) -> torch.dtype:
    """The dtype to compute in: bfloat16 where the hardware is faster with it, else float32."""
    if device.type == "cuda":
        fast_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        # Without AMX, oneDNN's bfloat16 convolutions are slower than its float32 ones: 44 versus
        # 27 ms per photo of 224 pixels on one core of a Xeon that has avx512_bf16 only.
        fast_bf16 = torch.cpu._is_amx_tile_supported()  # noqa: SLF001 - torch has no public name for it
    return torch.bfloat16 if fast_bf16 else torch.float32


Scores = dict[str, float]


def apply_temperature(
    logits: npt.NDArray[np.floating], temperature: float
) -> npt.NDArray[np.float64]:
    """Calibrated probabilities (N, C) of logits (N, C); each row sums to 1."""
    probabilities: npt.NDArray[np.float64] = softmax(
        logits.astype(np.float64) / temperature, axis=1
    )
    return probabilities


class Predictor:
    """A model version on a device.

    Every forward pass has the same batch size (short batches are padded), so that a photo's scores
    do not depend on the other photos of its batch: a resumed shard gives the same scores as an
    uninterrupted one. `dtype` defaults to the device's preferred one.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        device: torch.device,
        batch_size: int,
        dtype: torch.dtype | None = None,
    ) -> None:
        self.card: ModelCard = checkpoint.card
        self.batch_size = batch_size
        self._device = device
        self._dtype = dtype or preferred_dtype(device)
        network = _fuse_batch_norm(checkpoint.build_network()).to(dtype=self._dtype)
        self._network: nn.Module = move_network(network, device)

    def logits(self, pixels: Sequence[npt.NDArray[np.uint8]]) -> npt.NDArray[np.float32]:
        """Raw logits (N, classes) of N prepared images, each uint8 (3, crop, crop)."""
        starts = range(0, len(pixels), self.batch_size)
        return np.concatenate([self._forward(pixels[i : i + self.batch_size]) for i in starts])

    def scores(self, pixels: Sequence[npt.NDArray[np.uint8]]) -> list[Scores]:
        """Calibrated probability of each class, softmax(logits / temperature), per image."""
        probabilities = apply_temperature(self.logits(pixels), self.card.calibration.temperature)
        return [dict(zip(self.card.classes, row, strict=True)) for row in probabilities.tolist()]

    def _forward(self, pixels: Sequence[npt.NDArray[np.uint8]]) -> npt.NDArray[np.float32]:
        crop = self.card.preprocessing.crop
        batch = np.zeros((self.batch_size, 3, crop, crop), dtype=np.uint8)
        np.stack(pixels, out=batch[: len(pixels)])
        with torch.inference_mode():
            on_device = torch.from_numpy(batch).to(self._device)
            inputs = normalize(on_device, self.card.preprocessing, dtype=self._dtype)
            logits: npt.NDArray[np.float32] = self._network(inputs).float().cpu().numpy()
        return logits[: len(pixels)]


def _fuse_batch_norm(network: ResNet) -> ResNet:
    """Fold each batch norm into the convolution before it: same function, fewer operations."""
    for module in list(network.modules()):
        for (name, first), (next_name, second) in pairwise(list(module.named_children())):
            if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                setattr(module, name, fuse_conv_bn_eval(first, second))
                setattr(module, next_name, nn.Identity())
    return network
