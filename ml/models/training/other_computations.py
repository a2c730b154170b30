"""What training finds about other computations than torch float32: their logits on its photos.

The photos are at hand here only. Verdicts are compared once the thresholds are solved
(`ml.models.training.solved_computations`).

The trained network has seen the photos, so its logits are no evidence. What int8 changes of a logit
does not depend on that: out-of-fold logits plus this change stand for those of the int8 network.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import structlog
import torch
from safetensors.numpy import load, save

from ml.core.computation import REFERENCE, Computation
from ml.core.errors import ComputationUnavailable
from ml.core.settings import Settings
from ml.models.architectures.classifier import Classifier
from ml.models.checkpoint import QuantizedNetwork, restore_network
from ml.models.computation_choice import find_candidates
from ml.models.inference.backend import InferenceBackend, Logits
from ml.models.inference.create import create_backend
from ml.models.load_check import PROBE_PHOTOS
from ml.models.training.dataset import Dataset
from ml.models.training.quantization import MAX_CALIBRATION_PHOTOS, quantize
from ml.models.training.trainer import predict

log = structlog.get_logger()

Ints = npt.NDArray[np.int64]

INT8 = Computation("openvino", "int8")
# Enough to count half a percent.
MAX_COMPARED_PHOTOS = 200
MAX_INT8_PHOTOS = 2000  # evidence of its threshold; each takes two forward passes
_BATCH = 32
_COMPARED = "compared."  # prefix of the arrays of a file


@dataclass(frozen=True)
class OtherComputations:
    """Logits of other computations, each (n, C).

    `compared` has by computation its logits and the reference's, (2, n, C), of some photos. `int8`
    is the quantized network, `int8_logits` are its logits of the photos at the indices `int8_rows`,
    and `int8_probe` those of the probe's; None where there is none.
    """

    compared: dict[str, Logits] = field(default_factory=dict)
    int8: QuantizedNetwork | None = None
    int8_logits: Logits | None = None
    int8_rows: Ints | None = None
    int8_probe: Logits | None = None
    calibration_photos: int = 0


@dataclass(frozen=True)
class PredictedPhotos:
    """A trained network, and the photos of its dataset whose out-of-fold logits (n, C) are known.

    `state` are its weights, on the CPU; `indices` (n,) those of the photos.
    """

    network: Classifier
    state: dict[str, torch.Tensor]
    dataset: Dataset
    indices: Ints
    logits: Logits
    device: torch.device

    def load(self, rows: Ints) -> torch.Tensor:
        """The photos at these rows, prepared: uint8 (len(rows), 3, crop, crop)."""
        return self.dataset.load_prepared(self.indices[rows].tolist())


def find_other_computations(settings: Settings, device: torch.device) -> list[Computation]:
    """The computations that runs may choose besides the reference, on this device or a CPU."""
    devices = (device, torch.device("cpu"))
    every = [c for there in devices for c in find_candidates(None, settings, there)]
    found = [c for c in dict.fromkeys(every) if c != REFERENCE]
    if settings.inference != "torch" and settings.number_type in ("auto", "int8"):
        found.append(INT8)
    return found


def load_probe(photos: PredictedPhotos) -> torch.Tensor:
    """The pixels of the probe's photos, uint8 (up to PROBE_PHOTOS, 3, crop, crop)."""
    return photos.load(np.arange(min(PROBE_PHOTOS, len(photos.indices))))


def compute_others(
    photos: PredictedPhotos, computations: Sequence[Computation]
) -> OtherComputations:
    """Compute some of the photos in each way, except for ways that this machine does not have."""
    others = OtherComputations()
    for computation in computations:
        start = time.monotonic()
        try:
            if computation == INT8:
                others = _add_int8(others, photos)
            else:
                both = {str(computation): _compute_compared(photos, computation)}
                others = replace(others, compared=others.compared | both)
        except ComputationUnavailable as error:
            log.warning("not computed", computation=str(computation), reason=str(error))
        else:
            seconds = round(time.monotonic() - start, 1)
            log.info("photos computed", computation=str(computation), seconds=seconds)
    return others


def _compute_compared(photos: PredictedPhotos, computation: Computation) -> Logits:
    rows = _spread(len(photos.indices), MAX_COMPARED_PHOTOS)
    found = _logits(_create_backend(computation, photos), photos, rows)
    return np.stack([found, _reference(photos, rows)])


def _reference(photos: PredictedPhotos, rows: Ints) -> Logits:
    found = predict(
        photos.network, photos.dataset, photos.indices[rows], device=photos.device, batch=_BATCH
    )
    logits: Logits = found.numpy()
    return logits


def _add_int8(others: OtherComputations, photos: PredictedPhotos) -> OtherComputations:
    pixels = photos.load(_spread(len(photos.indices), MAX_CALIBRATION_PHOTOS))
    log.info("quantizing to int8", calibration_photos=len(pixels))
    start = time.monotonic()
    network = quantize(_restore(photos), photos.dataset.spec, pixels.numpy())
    log.info("quantized to int8", seconds=round(time.monotonic() - start, 1))
    backend = _create_backend(INT8, photos, network)
    rows = _spread(len(photos.indices), MAX_INT8_PHOTOS)
    change = _logits(backend, photos, rows) - _reference(photos, rows)
    return replace(
        others,
        int8=network,
        int8_logits=photos.logits[rows] + change,
        int8_rows=rows,
        int8_probe=backend.submit(list(load_probe(photos).numpy()))(),
        calibration_photos=len(pixels),
    )


def _restore(photos: PredictedPhotos) -> Classifier:
    return restore_network(photos.state, len(photos.dataset.classes), photos.network.architecture)


def _create_backend(
    computation: Computation, photos: PredictedPhotos, int8: QuantizedNetwork | None = None
) -> InferenceBackend:
    return create_backend(
        lambda: _restore(photos),
        photos.dataset.spec,
        computation,
        int8=int8,
        device=photos.device if int8 is None else torch.device("cpu"),
        batch_size=_BATCH,
    )


def _spread(photos: int, max_photos: int) -> Ints:
    """At most `max_photos` indices, evenly spread."""
    return np.linspace(0, photos - 1, min(photos, max_photos)).astype(np.int64)


def _logits(backend: InferenceBackend, photos: PredictedPhotos, rows: Ints) -> Logits:
    batches = (photos.load(rows[i : i + _BATCH]).numpy() for i in range(0, len(rows), _BATCH))
    return np.concatenate([backend.submit(list(batch))() for batch in batches])


def save_others(others: OtherComputations) -> bytes:
    """A safetensors file with all of it."""
    arrays: dict[str, npt.NDArray[Any]] = {
        f"{_COMPARED}{name}": logits for name, logits in others.compared.items()
    }
    if others.int8 is not None and others.int8_logits is not None and others.int8_probe is not None:
        arrays |= {"int8.logits": others.int8_logits, "int8.probe": others.int8_probe}
        arrays["int8.rows"] = np.asarray(others.int8_rows)
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
    return OtherComputations(
        compared,
        network,
        int8_logits=arrays["int8.logits"],
        int8_rows=arrays["int8.rows"],
        int8_probe=arrays["int8.probe"],
        calibration_photos=photos,
    )
