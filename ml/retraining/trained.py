"""What the training step hands to the next: `training/<key>/` of the model bucket."""

import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from pydantic import BaseModel, ConfigDict
from safetensors.torch import load, save

from ml.errors import ModelHashMismatch, ObjectAbsent
from ml.images.preprocess import Preprocessing
from ml.model.card import Sha256, StartWeights
from ml.storage.object_store import ObjectStore
from ml.training.progress import EpochResult

_ARRAYS = (
    "validation_logits",
    "validation_labels",
    "calibration_logits",
    "calibration_labels",
    "calibration_weights",
)


@dataclass(frozen=True)
class Trained:
    """A trained network with all that its card needs but calibration, cut-offs and metrics.

    Logits are fp32 (N, C) in the order of `classes`, labels int64 (N,), weights fp64 (N,): how many
    of the shop's photos each stands for. `probe_pixels` are up to 8 held-out photos, prepared:
    uint8 (N, 3, crop, crop).
    """

    state: dict[str, torch.Tensor]
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    start_weights: StartWeights
    preset: str
    data_hash: str
    training_images: int
    validation_images: int
    libraries: dict[str, str]
    seed: int
    history: list[EpochResult]
    validation_logits: npt.NDArray[np.float32]
    validation_labels: npt.NDArray[np.int64]
    calibration_logits: npt.NDArray[np.float32]
    calibration_labels: npt.NDArray[np.int64]
    calibration_weights: npt.NDArray[np.float64]
    train_hashes: list[str]
    validation_hashes: list[str]
    probe_pixels: torch.Tensor
    calibration_hashes: list[str] = field(default_factory=list)


class _Facts(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    classes: tuple[str, ...]
    preprocessing: Preprocessing
    start_weights: StartWeights
    preset: str
    data_hash: Sha256
    training_images: int
    validation_images: int
    libraries: dict[str, str]
    seed: int
    history: list[EpochResult]
    train_hashes: list[str]
    validation_hashes: list[str]
    calibration_hashes: list[str]


class _Result(BaseModel):
    """The file `result.json`; with the hashes of the two files beside it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format_version: int = 1
    weights_sha256: Sha256
    logits_sha256: Sha256
    facts: _Facts


def put_trained(store: ObjectStore, key: str, trained: Trained) -> None:
    """Store a finished training; `result.json` comes last and says that all is there."""
    weights = save({n: t.detach().cpu().contiguous() for n, t in trained.state.items()})
    arrays = {_dotted(n): torch.from_numpy(getattr(trained, n)).contiguous() for n in _ARRAYS}
    logits = save({**arrays, "probe.pixels": trained.probe_pixels.contiguous()})
    result = _Result(
        weights_sha256=_sha256(weights),
        logits_sha256=_sha256(logits),
        facts=_Facts(**{name: getattr(trained, name) for name in _Facts.model_fields}),
    )
    store.put(_name(key, "weights.safetensors"), weights)
    store.put(_name(key, "logits.safetensors"), logits)
    store.put(_name(key, "result.json"), result.model_dump_json(indent=0).encode())


def is_trained(store: ObjectStore, key: str) -> bool:
    """Whether the training of this key has been finished."""
    try:
        store.get(_name(key, "result.json"), max_bytes=0)
    except ObjectAbsent:
        return False
    return True


def load_trained(store: ObjectStore, key: str) -> Trained:
    """Read a finished training.

    Raises:
        ObjectAbsent: it has not been finished.
        ModelHashMismatch: the stored bytes are not those of its `result.json`.
    """
    result = _Result.model_validate_json(store.get(_name(key, "result.json")))
    state = load(_checked(store, _name(key, "weights.safetensors"), result.weights_sha256))
    tensors = load(_checked(store, _name(key, "logits.safetensors"), result.logits_sha256))
    values: dict[str, Any] = {name: tensors[_dotted(name)].numpy() for name in _ARRAYS}
    values |= {name: getattr(result.facts, name) for name in _Facts.model_fields}
    return Trained(state=state, probe_pixels=tensors["probe.pixels"], **values)


def _checked(store: ObjectStore, name: str, wanted: str) -> bytes:
    data = store.get(name)
    if (found := _sha256(data)) != wanted:
        raise ModelHashMismatch(
            f"{name} in the model bucket hashes to {found}, not {wanted}: delete the "
            "objects beside it and let the training step run again"
        )
    return data


def _name(key: str, file: str) -> str:
    return f"training/{key}/{file}"


def _dotted(name: str) -> str:
    """validation_logits -> validation.logits, the tensor's name in the file."""
    return name.replace("_", ".")


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
