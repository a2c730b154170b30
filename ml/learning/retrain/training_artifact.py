"""What the training step hands to the next: `training/<key>/` of the model bucket."""

import hashlib
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, get_type_hints

import numpy as np
import numpy.typing as npt
import torch
from pydantic import create_model
from safetensors.torch import load, save

from ml.core.errors import ModelHashMismatch, ObjectNotFound
from ml.core.types import Sha256
from ml.core.yaml_file import StrictModel
from ml.models.nearest_photos import Surroundings
from ml.models.training.other_computations import OtherComputations, load_others, save_others
from ml.models.training.pipeline import TrainedNetwork
from ml.storage.object_store import ObjectStore

_ARRAYS = ("held_out_logits", "held_out_labels", "held_out_weights", "held_out_groups")


@dataclass(frozen=True, kw_only=True)
class TrainingArtifact(TrainedNetwork):
    """A trained network with out-of-fold logits, for calibration, thresholds and metrics.

    They are of photos that no initial network was trained on: logits fp32 (N, C) in the order of
    `classes`, labels int64 (N,), weights fp64 (N,): how many uploaded photos each represents, and
    groups int64 (N,): the same number for near-duplicates and photos of one review.
    `probe_pixels` are up to 8 of them, prepared: uint8 (n, 3, crop, crop). `compared` has the
    measures of each start and of the result. That of the result says how it was trained: `losses`
    are the log losses by the numbers of epochs that were tried, `label_weighting` is a
    `LabelWeighting`, `soft_share` is the weight of soft labels relative to that of labels, None
    where there were none to try. `around` is of the same photos, by the features that training
    starts from.
    """

    held_out_logits: npt.NDArray[np.float32]
    held_out_labels: npt.NDArray[np.int64]
    held_out_weights: npt.NDArray[np.float64]
    held_out_groups: npt.NDArray[np.int64]
    held_out_hashes: list[str]
    probe_pixels: torch.Tensor
    compared: list[dict[str, Any]]
    around: Surroundings | None
    others: OtherComputations = field(default_factory=OtherComputations)


_TENSORS = {"state", "probe_pixels", "others", "around", *_ARRAYS}
_TYPES = get_type_hints(TrainingArtifact)
_FACTS: dict[str, Any] = {
    f.name: (_TYPES[f.name], ... if f.default is MISSING else f.default)
    for f in fields(TrainingArtifact)
    if f.name not in _TENSORS
}
_Facts = create_model("_Facts", __base__=StrictModel, **_FACTS)


class _Result(StrictModel):
    """The file `result.json`: the hashes of the other files, and `_Facts`."""

    format_version: int = 1
    weights_sha256: Sha256
    logits_sha256: Sha256
    others_sha256: Sha256 | None = None  # None: another release stored it
    facts: dict[str, Any]


def save_artifact(store: ObjectStore, key: str, artifact: TrainingArtifact) -> None:
    """Store a finished training; `result.json` comes last and says that all is there."""
    weights = save({n: t.detach().cpu().contiguous() for n, t in artifact.state.items()})
    arrays = {_dotted(n): torch.from_numpy(getattr(artifact, n)).contiguous() for n in _ARRAYS}
    if artifact.around is not None:
        arrays |= {f"around.{n}": torch.from_numpy(v) for n, v in vars(artifact.around).items()}
    logits = save({**arrays, "probe.pixels": artifact.probe_pixels.contiguous()})
    others = save_others(artifact.others)
    facts = _Facts(**{name: getattr(artifact, name) for name in _Facts.model_fields})
    result = _Result(
        weights_sha256=_sha256(weights),
        logits_sha256=_sha256(logits),
        others_sha256=_sha256(others),
        facts=facts.model_dump(mode="json"),
    )
    store.put(_name(key, "weights.safetensors"), weights)
    store.put(_name(key, "logits.safetensors"), logits)
    store.put(_name(key, "others.safetensors"), others)
    store.put(_name(key, "result.json"), result.model_dump_json(indent=0).encode())


def has_artifact(store: ObjectStore, key: str) -> bool:
    """Whether the training of this key has been finished."""
    try:
        store.get(_name(key, "result.json"), max_bytes=0)
    except ObjectNotFound:
        return False
    return True


def load_artifact(store: ObjectStore, key: str) -> TrainingArtifact:
    """Read a finished training.

    Raises:
        ObjectNotFound: it has not been finished.
        ModelHashMismatch: the stored bytes are not those of its `result.json`.
    """
    result = _Result.model_validate_json(store.get(_name(key, "result.json")))
    state = load(_checked(store, _name(key, "weights.safetensors"), result.weights_sha256))
    tensors = load(_checked(store, _name(key, "logits.safetensors"), result.logits_sha256))
    values: dict[str, Any] = dict(_Facts.model_validate(result.facts))
    values |= {name: tensors[_dotted(name)].numpy() for name in _ARRAYS}
    around = {
        name.removeprefix("around."): tensor.numpy()
        for name, tensor in tensors.items()
        if name.startswith("around.")
    }
    values["around"] = Surroundings(**around) if around else None
    if result.others_sha256 is not None:
        data = _checked(store, _name(key, "others.safetensors"), result.others_sha256)
        values["others"] = load_others(data)
    return TrainingArtifact(state=state, probe_pixels=tensors["probe.pixels"], **values)


def _checked(store: ObjectStore, name: str, wanted: str) -> bytes:
    data = store.get(name)
    if (found := _sha256(data)) != wanted:
        raise ModelHashMismatch(
            f"{name} in the model bucket hashes to {found}, not {wanted}: delete the "
            "objects next to it and let the training step run again"
        )
    return data


def _name(key: str, file: str) -> str:
    return f"training/{key}/{file}"


def _dotted(name: str) -> str:
    """held_out_logits -> held.out.logits, the tensor's name in the file."""
    return name.replace("_", ".")


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
