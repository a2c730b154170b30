"""The state of a training run in the model bucket: one object, replaced whole after each epoch."""

import json
from typing import Any

import structlog
from safetensors import SafetensorError
from safetensors.torch import load, save

from ml.errors import ObjectAbsent
from ml.storage.object_store import ObjectStore
from ml.training.state import TrainingState

log = structlog.get_logger()

_FACTS = "facts"
_LENGTH_BYTES = 8  # of the header, little-endian, at the start of every safetensors file


class BucketCheckpoints:
    """The `Checkpoints` of one training run.

    An object is there as a whole or not at all, so that a kill during `save` leaves the epoch
    before.

    Args:
        store: the model bucket.
        key: the training key; the object is `training/<key>/epoch.safetensors`.
    """

    def __init__(self, store: ObjectStore, key: str) -> None:
        self._store = store
        self.name = f"training/{key}/epoch.safetensors"

    def load(self) -> TrainingState | None:
        """The state that was saved last; None, with a warning, where it cannot be read."""
        try:
            data = self._store.get(self.name)
            return TrainingState(load(data), _facts(data))
        except ObjectAbsent:
            return None
        except SafetensorError as error:
            log.warning("the checkpoint is damaged: training starts again", error=str(error))
            return None

    def save(self, state: TrainingState) -> None:
        """Put the state in the place of the one before."""
        facts = json.dumps(state.facts, allow_nan=False)
        self._store.put(self.name, save(state.tensors, metadata={_FACTS: facts}))

    def remove(self) -> None:
        """Free the room once the result is stored."""
        self._store.delete(self.name)


def _facts(data: bytes) -> dict[str, Any]:
    """The JSON that `save` put into the header; safetensors reads it from files only.

    https://huggingface.co/docs/safetensors/index#format
    """
    end = _LENGTH_BYTES + int.from_bytes(data[:_LENGTH_BYTES], "little")
    header = json.loads(data[_LENGTH_BYTES:end])
    facts: dict[str, Any] = json.loads(header["__metadata__"][_FACTS])
    return facts
