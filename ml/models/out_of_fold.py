"""Out-of-fold predictions of a version's photos, kept with its files: `out_of_fold.safetensors`."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from ml.core.errors import ModelError, ObjectNotFound
from ml.storage.object_store import ObjectStore

FILE = "out_of_fold.safetensors"
_HASHES = "hashes"  # tensor with the content hashes as JSON, UTF-8


@dataclass(frozen=True)
class OutOfFold:
    """Calibrated probabilities (N, C), each by a network that saw no photo of the group.

    Columns are in the order of the version's classes; `hashes` are the photos' contents.
    """

    hashes: Sequence[str]
    probabilities: npt.NDArray[np.float64]


def save_out_of_fold(found: OutOfFold, folder: Path) -> None:
    """Write the file into a version's folder."""
    hashes = np.frombuffer(json.dumps(list(found.hashes)).encode(), np.uint8)
    (folder / FILE).write_bytes(save({"probabilities": found.probabilities, _HASHES: hashes}))


def load_out_of_fold(store: ObjectStore, model_hash: str) -> OutOfFold | None:
    """Those of a registered version; None: it was trained otherwise.

    Raises:
        ModelError: the file is damaged.
    """
    name = f"models/{model_hash}/{FILE}"
    try:
        tensors = load(store.get(name))
        hashes = json.loads(tensors[_HASHES].tobytes())
        return OutOfFold(hashes, tensors["probabilities"])
    except ObjectNotFound:
        return None
    except (SafetensorError, KeyError, ValueError) as error:
        raise ModelError(f"{name} in the model bucket is damaged: train again") from error
