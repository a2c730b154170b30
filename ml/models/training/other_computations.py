"""What training finds about other computations than torch float32: their logits on held-out photos.

The photos are at hand here only. Verdicts are compared once the thresholds are solved
(`ml.models.training.solved_computations`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import structlog
import torch
from safetensors.numpy import load, save

from ml.core.computation import REFERENCE, Computation
from ml.core.errors import ComputationUnavailable
from ml.core.settings import Settings
from ml.models.checkpoint import QuantizedNetwork, restore_network
from ml.models.computation_choice import find_candidates
from ml.models.inference.backend import InferenceBackend, Logits
from ml.models.inference.create import create_backend
from ml.models.training.dataset import Dataset
from ml.models.training.quantization import MAX_CALIBRATION_PHOTOS, quantize

log = structlog.get_logger()

INT8 = Computation("openvino", "int8")
# Enough to count half a percent.
MAX_COMPARED_PHOTOS = 200
_BATCH = 32
_COMPARED = "compared."  # prefix of the arrays of a file


@dataclass(frozen=True)
class OtherComputations:
    """Logits of other computations, each (n, C).

    `compared` has by computation its logits and the reference's, (2, n, C), of some held-out
    photos. `int8` is the quantized network, `int8_logits` are its logits of all held-out photos,
    and `int8_probe` those of the probe's; None where there is none.
    """

    compared: dict[str, Logits] = field(default_factory=dict)
    int8: QuantizedNetwork | None = None
    int8_logits: Logits | None = None
    int8_probe: Logits | None = None
    calibration_photos: int = 0


def find_other_computations(settings: Settings, device: torch.device) -> list[Computation]:
    """The computations that runs may choose besides the reference, on this device or a CPU."""
    devices = (device, torch.device("cpu"))
    every = [c for there in devices for c in find_candidates(None, settings, there)]
    found = [c for c in dict.fromkeys(every) if c != REFERENCE]
    if settings.inference != "torch" and settings.number_type in ("auto", "int8"):
        found.append(INT8)
    return found


def compute_otherwise(
    state: dict[str, torch.Tensor],
    dataset: Dataset,
    computations: Sequence[Computation],
    *,
    train: npt.NDArray[np.int64],
    held_out: npt.NDArray[np.int64],
    expected: Logits,
    probe_pixels: torch.Tensor,
    device: torch.device,
) -> OtherComputations:
    """Compute held-out photos, indices of the dataset, in other ways than `expected` (N, C) was.

    `state` are the trained weights, on the CPU. What this machine cannot compute is left out.
    """
    compared: dict[str, Logits] = {}
    chosen = _spread(len(held_out), MAX_COMPARED_PHOTOS)
    values = OtherComputations(compared)
    for computation in computations:
        try:
            if computation == INT8:
                values = _quantized(
                    state,
                    dataset,
                    train=train,
                    held_out=held_out,
                    probe_pixels=probe_pixels,
                    compared=compared,
                )
                continue
            backend = create_backend(
                lambda: restore_network(state, len(dataset.classes)),
                dataset.spec,
                computation,
                device=device,
                batch_size=_BATCH,
            )
        except ComputationUnavailable as error:
            log.warning("not compared", computation=str(computation), reason=str(error))
            continue
        found = _logits(backend, dataset, held_out[chosen])
        compared[str(computation)] = np.stack([found, expected[chosen]])
    return values


def _quantized(
    state: dict[str, torch.Tensor],
    dataset: Dataset,
    *,
    train: npt.NDArray[np.int64],
    held_out: npt.NDArray[np.int64],
    probe_pixels: torch.Tensor,
    compared: dict[str, Logits],
) -> OtherComputations:
    photos = train[_spread(len(train), MAX_CALIBRATION_PHOTOS)]
    log.info("quantizing to int8", calibration_photos=len(photos))
    network = quantize(
        restore_network(state, len(dataset.classes)),
        dataset.spec,
        dataset.load_prepared(photos.tolist()).numpy(),
    )
    backend = create_backend(
        lambda: restore_network(state, len(dataset.classes)),
        dataset.spec,
        INT8,
        int8=network,
        device=torch.device("cpu"),
        batch_size=_BATCH,
    )
    return OtherComputations(
        compared=compared,
        int8=network,
        int8_logits=_logits(backend, dataset, held_out),
        int8_probe=backend.submit(list(probe_pixels.numpy()))(),
        calibration_photos=len(photos),
    )


def _spread(photos: int, max_photos: int) -> npt.NDArray[np.int64]:
    """At most `max_photos` indices, evenly spread."""
    return np.linspace(0, photos - 1, min(photos, max_photos)).astype(np.int64)


def _logits(backend: InferenceBackend, dataset: Dataset, indices: npt.NDArray[np.int64]) -> Logits:
    starts = range(0, len(indices), _BATCH)
    batches = (dataset.load_prepared(indices[i : i + _BATCH].tolist()).numpy() for i in starts)
    return np.concatenate([backend.submit(list(batch))() for batch in batches])


def save_others(others: OtherComputations) -> bytes:
    """A safetensors file with all of it."""
    arrays = {f"{_COMPARED}{name}": logits for name, logits in others.compared.items()}
    if others.int8 is not None and others.int8_logits is not None and others.int8_probe is not None:
        arrays |= {"int8.logits": others.int8_logits, "int8.probe": others.int8_probe}
        arrays["int8.graph"] = np.frombuffer(others.int8.graph, dtype=np.uint8)
        arrays["int8.weights"] = np.frombuffer(others.int8.weights, dtype=np.uint8)
    arrays["calibration_photos"] = np.array([others.calibration_photos])
    return save(arrays)


def load_others(data: bytes) -> OtherComputations:
    """What `save_others` wrote, whose hash was checked."""
    arrays = load(data)
    compared = {
        name.removeprefix(_COMPARED): logits
        for name, logits in arrays.items()
        if name.startswith(_COMPARED)
    }
    [photos] = arrays["calibration_photos"].tolist()
    if "int8.graph" not in arrays:
        return OtherComputations(compared)
    network = QuantizedNetwork(arrays["int8.graph"].tobytes(), arrays["int8.weights"].tobytes())
    return OtherComputations(compared, network, arrays["int8.logits"], arrays["int8.probe"], photos)
