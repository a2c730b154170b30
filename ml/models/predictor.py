"""The predictor: a loaded model version that turns prepared pixels into calibrated scores."""

import platform
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import softmax

from ml.core.computation import Computation
from ml.core.errors import ComputationUnavailable, SettingsError
from ml.models.card import Int8Variant, ModelCard
from ml.models.checkpoint import Checkpoint
from ml.models.inference.backend import InferenceBackend
from ml.models.inference.create import create_backend
from ml.models.inference.torch_backend import preferred_number_type
from ml.vision.images.decode import DECODING


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


def describe_device(device: torch.device, computation: Computation | None = None) -> str:
    """One line for the operator: the GPU and its memory, or the CPU's threads; the computation.

    `computation` None is that of `default_computation`.
    """
    how = computation or default_computation(device)
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        return f"GPU {properties.name}, {properties.total_memory / 2**30:.0f} GiB, {how}"
    return f"CPU, {torch.get_num_threads()} threads, {how}"


def default_computation(device: torch.device) -> Computation:
    """The computation where none is chosen or recorded: torch, as in runs of older releases."""
    return Computation("torch", preferred_number_type(device))


# The libraries that a score depends on; the instructions that torch uses on this CPU, which are no
# library but change the last bits of a score as well; and the rules by which pixels are decoded.
_RUNTIME = {
    "python": platform.python_version(),
    **{name: version(name) for name in ("torch", "torchvision", "pillow", "numpy")},
    "cpu": torch.backends.cpu.get_cpu_capability(),
    "decoding": DECODING,
}


def runtime_fingerprint(batch_size: int, computation: Computation) -> dict[str, str]:
    """All that a score depends on besides photo, model version and device, for replays."""
    runtime = {**_RUNTIME, "batch_size": str(batch_size), **computation.names}
    if computation.backend == "openvino":
        runtime["openvino"] = version("openvino")
    return runtime


Scores = dict[str, float]


def apply_temperature(
    logits: npt.NDArray[np.floating], temperature: float
) -> npt.NDArray[np.float64]:
    """Calibrated probabilities (N, C) of logits (N, C); each row sums to 1."""
    probabilities: npt.NDArray[np.float64] = softmax(
        logits.astype(np.float64) / temperature, axis=1
    )
    return probabilities


def solved_for(card: ModelCard, computation: Computation) -> ModelCard | Int8Variant:
    """Whose temperature and thresholds hold for a computation: the version's, or its variant's.

    Raises:
        ComputationUnavailable: the version does not have the variant.
    """
    if computation.variant is None:
        return card
    if card.int8 is None or card.int8.variant_hash != computation.variant:
        raise ComputationUnavailable(
            f"version {card.model_hash[:12]} has no variant {computation.variant[:12]}"
        )
    return card.int8


class Prediction(NamedTuple):
    """Calibrated probability of each class, per image; and features (N, F), where they are asked.

    There are none of an int8 variant of an earlier release.
    """

    scores: list[Scores]
    features: npt.NDArray[np.float32] | None


class Predictor:
    """A model version on a device, computing in one way.

    Every forward pass has the same batch size (short batches are padded), so that a photo's scores
    do not depend on the other photos of its batch: a resumed shard gives the same scores as an
    uninterrupted one. It computes features only `with_features`. `computation` defaults to the
    device's own; `pass_confidence` is the threshold of a pass, 0.5..1, that holds for it.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        device: torch.device,
        batch_size: int,
        computation: Computation | None = None,
        with_features: bool = False,
    ) -> None:
        self.card: ModelCard = checkpoint.card
        self.batch_size = batch_size
        self.computation = computation or default_computation(device)
        solved = solved_for(self.card, self.computation)
        self._temperature = solved.calibration.temperature
        self.pass_confidence = solved.thresholds.pass_confidence
        self._backend: InferenceBackend = create_backend(
            checkpoint.build_network,
            self.card.preprocessing,
            self.computation,
            int8=checkpoint.int8,
            device=device,
            batch_size=batch_size,
            with_features=with_features,
        )

    def logits(self, pixels: Sequence[npt.NDArray[np.uint8]]) -> npt.NDArray[np.float32]:
        """Raw logits (N, classes) of N prepared images, each uint8 (3, crop, crop)."""
        starts = range(0, len(pixels), self.batch_size)
        pending = [self._backend.submit(pixels[i : i + self.batch_size]) for i in starts]
        return np.concatenate([wait() for wait in pending])[:, : len(self.card.classes)]

    def scores(self, pixels: Sequence[npt.NDArray[np.uint8]]) -> list[Scores]:
        """Calibrated probability of each class, softmax(logits / temperature), per image."""
        return self._scores(self.logits(pixels))

    def submit(self, pixels: Sequence[npt.NDArray[np.uint8]]) -> Callable[[], "Prediction"]:
        """Begin a batch of 1 to `batch_size` images; the returned function waits for the result.

        `ahead` is how many more batches are worth beginning before it is called.
        """
        pending = self._backend.submit(pixels)
        return lambda: self._predict(pending())

    def submit_all(self, pixels: Sequence[npt.NDArray[np.uint8]]) -> Callable[[], "Prediction"]:
        """As `submit`, of any number of images from 1 on."""
        starts = range(0, len(pixels), self.batch_size)
        pending = [self._backend.submit(pixels[i : i + self.batch_size]) for i in starts]
        return lambda: self._predict(np.concatenate([wait() for wait in pending]))

    @property
    def ahead(self) -> int:
        """See `submit`; 0: it has computed when it returns."""
        return self._backend.ahead

    def _predict(self, outputs: npt.NDArray[np.float32]) -> "Prediction":
        classes = len(self.card.classes)
        features = outputs[:, classes:] if outputs.shape[1] > classes else None
        return Prediction(self._scores(outputs[:, :classes]), features)

    def _scores(self, logits: npt.NDArray[np.float32]) -> list[Scores]:
        probabilities = apply_temperature(logits, self._temperature)
        return [dict(zip(self.card.classes, row, strict=True)) for row in probabilities.tolist()]
