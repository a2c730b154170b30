"""What training finds about other computations than torch float32: their logits on held-out photos.

The photos are at hand here only. Verdicts are compared once the thresholds are solved
(`ml.models.training.solved_computations`).
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

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
from ml.models.load_check import PROBE_PHOTOS
from ml.models.training.dataset import Dataset
from ml.models.training.quantization import MAX_CALIBRATION_PHOTOS, quantize
from ml.models.training.trainer import TrainJob, predict

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


@dataclass(frozen=True)
class HeldOut:
    """Logits of held-out photos by torch float32, (N, C); the prepared photos of the probe."""

    logits: Logits
    probe_pixels: torch.Tensor
    others: OtherComputations


def find_other_computations(settings: Settings, device: torch.device) -> list[Computation]:
    """The computations that runs may choose besides the reference, on this device or a CPU."""
    devices = (device, torch.device("cpu"))
    every = [c for there in devices for c in find_candidates(None, settings, there)]
    found = [c for c in dict.fromkeys(every) if c != REFERENCE]
    if settings.inference != "torch" and settings.number_type in ("auto", "int8"):
        found.append(INT8)
    return found


def compute_held_out(
    job: TrainJob,
    state: dict[str, torch.Tensor],
    held_out: npt.NDArray[np.int64],
    computations: Sequence[Computation],
) -> HeldOut:
    """Compute held-out photos, indices of the job's dataset, by its trained network.

    `state` are its weights, on the CPU. Computations that this machine does not have are left out.
    """
    dataset = job.dataset
    logits = predict(job.network, dataset, held_out, device=job.device, batch=job.preset.batch)
    probe_pixels = dataset.load_prepared(held_out[:PROBE_PHOTOS].tolist())
    expected, others = logits.numpy(), OtherComputations()
    chosen = _spread(len(held_out), MAX_COMPARED_PHOTOS)
    for computation in computations:
        start = time.monotonic()
        try:
            if computation == INT8:
                others = _add_int8(others, job, state, held_out, probe_pixels)
            else:
                backend = _create_backend(computation, job, state)
                found = _logits(backend, dataset, held_out[chosen])
                both = {str(computation): np.stack([found, expected[chosen]])}
                others = replace(others, compared=others.compared | both)
        except ComputationUnavailable as error:
            log.warning("not computed", computation=str(computation), reason=str(error))
        else:
            seconds = round(time.monotonic() - start, 1)
            log.info("held-out photos computed", computation=str(computation), seconds=seconds)
    return HeldOut(expected, probe_pixels, others)


def _add_int8(
    others: OtherComputations,
    job: TrainJob,
    state: dict[str, torch.Tensor],
    held_out: npt.NDArray[np.int64],
    probe_pixels: torch.Tensor,
) -> OtherComputations:
    dataset, train = job.dataset, job.splits.train
    photos = train[_spread(len(train), MAX_CALIBRATION_PHOTOS)]
    log.info("quantizing to int8", calibration_photos=len(photos))
    start = time.monotonic()
    network = quantize(
        restore_network(state, len(dataset.classes), job.network.architecture),
        dataset.spec,
        dataset.load_prepared(photos.tolist()).numpy(),
    )
    log.info("quantized to int8", seconds=round(time.monotonic() - start, 1))
    backend = _create_backend(INT8, job, state, network)
    return replace(
        others,
        int8=network,
        int8_logits=_logits(backend, dataset, held_out),
        int8_probe=backend.submit(list(probe_pixels.numpy()))(),
        calibration_photos=len(photos),
    )


def _create_backend(
    computation: Computation,
    job: TrainJob,
    state: dict[str, torch.Tensor],
    int8: QuantizedNetwork | None = None,
) -> InferenceBackend:
    return create_backend(
        lambda: restore_network(state, len(job.dataset.classes), job.network.architecture),
        job.dataset.spec,
        computation,
        int8=int8,
        device=job.device if int8 is None else torch.device("cpu"),
        batch_size=_BATCH,
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
